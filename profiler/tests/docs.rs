//! What the README and `docs/` say is where is there.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders whose own folders are each told of in the README.
const ON_THE_MAP: [&str; 3] = ["profiler/src", "profiler/capture/src", "profiler/analysis/src"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Each page with its folder.
fn pages() -> Vec<(PathBuf, String)> {
    let docs = fs::read_dir(root().join("profiler/docs")).expect("the folder of pages");
    let docs = docs.map(|page| page.expect("a page").path());
    let docs = docs.filter(|page| page.extension().is_some_and(|extension| extension == "md"));
    let others = ["README.md", "results/README.md", "scripts/README.md", "profiler/tests/fixtures/README.md"];
    let pages = docs.chain(others.map(|page| root().join(page)));
    pages.map(|page| (page.clone(), fs::read_to_string(page).expect("a page of text"))).collect()
}

/// What stands between two backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn every_place_that_is_named_exists() {
    let mut named = 0;
    for (page, text) in pages() {
        let tops = ["profiler/", "profiler-ebpf/", "xtask/", "scripts/", "results/"];
        // NAME stands for what somebody adds.
        let places = quoted(&text).filter(|quoted| !quoted.contains("NAME"));
        for place in places.filter(|quoted| tops.iter().any(|top| quoted.starts_with(top))) {
            let there = root().join(place);
            assert!(there.exists(), "{} names {place}, which does not exist", page.display());
            assert_eq!(there.is_dir(), place.ends_with('/'), "{}: {place}", page.display());
            named += 1;
        }
    }
    assert!(named > 20, "only {named} places were found");
}

#[test]
fn every_folder_is_on_the_map() {
    let readme = fs::read_to_string(root().join("README.md")).expect("the README");
    for above in ON_THE_MAP {
        for entry in fs::read_dir(root().join(above)).expect("a folder").map(|entry| entry.expect("an entry"))
        {
            let place = format!("`{above}/{}/`", entry.file_name().display());
            let is_folder = entry.file_type().expect("a type").is_dir();
            assert!(!is_folder || readme.contains(&place), "the README does not tell of {place}");
        }
    }
}

#[test]
fn links_lead_to_files() {
    for (page, text) in pages() {
        let targets =
            text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets.filter(|target| !target.starts_with('#') && !target.contains("://")) {
            let target = target.split('#').next().unwrap_or(target).trim().replace('\n', "");
            let there = page.parent().expect("a folder").join(&target);
            assert!(there.exists(), "{} links to {target}", page.display());
        }
    }
}

/// `usage.md` shows the fixture's whole report, the README lines of it.
#[test]
fn reports_that_are_shown_are_those_of_the_fixture() {
    let read = |place: &str| fs::read_to_string(root().join(place)).expect("a page of text");
    let fixture = read("profiler/tests/fixtures/quick.txt");
    let [usage, readme] = [read("profiler/docs/usage.md"), read("README.md")];
    assert!(usage.contains(fixture.trim_end()), "usage.md shows another report than quick.txt");
    let shown = readme.split("```\nTransfer ").nth(1).and_then(|rest| rest.split("```").next());
    for line in shown.expect("the README shows a report").lines().skip(1) {
        assert!(fixture.lines().any(|known| known == line), "not in quick.txt: {line}");
    }
}
