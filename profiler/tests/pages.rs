//! Pages in a real browser, Debian's Chromium: no request, no line on the console, no text that is clipped or overlaps.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use analysis::{
    figures,
    timeline::{Timeline, sample::timeline},
};
use capture::{
    Label, Milestone, ProcessSerial, ProcessTotals, Progress, Record, SocketTotals, Transfer, testing::sample,
};
use profiler::{
    bench::results::{self, Folder},
    export::html,
};

/// px: a window on a desk, and a phone.
const WIDTHS: [u32; 2] = [1280, 390];

/// The largest page, bytes.
const MOST: usize = 1_000_000;

#[test]
fn pages_of_captures_are_whole_in_a_browser() {
    let folder = tempfile::tempdir().expect("a scratch directory");
    for name in ["quick", "lost", "cut", "format-5"] {
        let page = folder.path().join(name).with_extension("html");
        let text = of_fixture(name);
        assert!(text.len() < MOST, "{name}: {} bytes", text.len());
        fs::write(&page, text).expect("write the page");
        for width in WIDTHS {
            check(&page, width);
        }
    }
}

#[test]
fn pages_of_results_are_whole_in_a_browser() {
    let folder = tempfile::tempdir().expect("a scratch directory");
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results");
    for names in [&["2026-11-24-bittorrent-100MiB", "2026-11-24-codex-100MiB"][..], &["2026-11-30-100MiB"]] {
        let folders: Vec<Folder> = names
            .iter()
            .map(|name| Folder::open(&published.join(name)).expect("published results"))
            .collect();
        let text = results::page(&folders).expect("a page");
        let page = folder.path().join(names[0]).with_extension("html");
        assert!(text.len() < MOST, "{names:?}: {} bytes", text.len());
        fs::write(&page, text).expect("write the page");
        WIDTHS.into_iter().for_each(|width| check(&page, width));
    }
}

/// 31 downloads, the last with a name that is as long as names get.
#[test]
fn a_page_of_32_nodes_is_whole_in_a_browser() {
    let folder = tempfile::tempdir().expect("a scratch directory");
    let mut records = sample::records();
    let at = records.len() - 1;
    for node in 2..=31 {
        let serial = ProcessSerial(100 + node);
        let name =
            format!("leecher-{node}{}", if node == 31 { "-with-a-name-that-goes-on-and-on" } else { "" });
        let of_sample: Vec<Record> = sample::records();
        for record in of_sample {
            let more = match record {
                Record::Label(label) if label.process == sample::LEECHER => {
                    Record::Label(Label { process: serial, label: name.clone(), ..label })
                }
                Record::ProcessTotals(totals) if totals.process == sample::LEECHER => {
                    Record::ProcessTotals(ProcessTotals {
                        process: serial,
                        pid: 1000 + node as u32,
                        ..totals
                    })
                }
                Record::Transfer(transfer) => {
                    Record::Transfer(Transfer { process: serial, label: name.clone(), ..transfer })
                }
                Record::Milestone(milestone) => {
                    Record::Milestone(Milestone { label: name.clone(), ..milestone })
                }
                Record::SocketTotals(socket) if socket.process == sample::LEECHER => {
                    let cookie = 1_000 * node + socket.cookie;
                    Record::SocketTotals(SocketTotals { process: serial, cookie, ..socket })
                }
                Record::Progress(progress) if progress.process == sample::LEECHER => {
                    Record::Progress(Progress { process: serial, ..progress })
                }
                _ => continue,
            };
            records.insert(at, more);
        }
    }
    let (report, figures) = figures::of_timeline(&mut timeline(records)).expect("a report");
    assert_eq!(report.transfers.len(), 31);
    let text = html::render(&report, &figures);
    assert!(text.len() < MOST, "{} bytes", text.len());
    let page = folder.path().join("many.html");
    fs::write(&page, text).expect("write the page");
    WIDTHS.into_iter().for_each(|width| check(&page, width));
}

/// Each kind of fault is found.
#[test]
fn a_page_with_faults_is_not_whole() {
    let folder = tempfile::tempdir().expect("a scratch directory");
    let good = of_fixture("quick");
    let main = good.find("<main>").expect("a main part") + "<main>".len();
    for (fault, expected) in [
        ("<p style='color:red'>as it likes</p>", "Content Security Policy"),
        ("<img src='http://127.0.0.1:9/x.png'>", "Content Security Policy"),
        ("<script>alert(1)</script>", "Content Security Policy"),
        (
            "<svg width='90' height='20'><text x='4' y='14'>over</text><text x='9' y='14'>under</text></svg>",
            "overlap",
        ),
        ("<svg width='300' height='20'><text x='280' y='14'>far out of the page</text></svg>", "clipped"),
        (
            "<pre>a line that is far too long for any telephone, and for many other things as well</pre>",
            "px wide",
        ),
    ] {
        let page = folder.path().join("fault.html");
        fs::write(&page, format!("{}{fault}{}", &good[..main], &good[main..])).expect("write the page");
        let wrong = wrong_of(&page, 390);
        assert!(wrong.contains(expected), "{fault}: {wrong}");
    }
}

fn of_fixture(name: &str) -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut capture = capture::read(&fixtures.join(name).with_extension("capture")).expect("a capture");
    let mut timeline = Timeline::from_capture(&mut capture).expect("a timeline");
    let (report, figures) = figures::of_timeline(&mut timeline).expect("a report");
    html::render(&report, &figures)
}

#[track_caller]
fn check(page: &Path, width: u32) {
    let wrong = wrong_of(page, width);
    assert!(wrong.is_empty(), "{} at {width} px:\n{wrong}", page.display());
}

/// What the browser says of a page, and what a check of its text finds: a line each.
fn wrong_of(page: &Path, width: u32) -> String {
    let profile = tempfile::tempdir().expect("a scratch directory");
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pages/check.html");
    let network = profile.path().join("network.json");
    let output = Command::new(browser())
        .args(["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-sync", "--enable-logging=stderr"])
        // The check looks into the page, which is another file.
        .args(["--disable-web-security", "--allow-file-access-from-files"])
        .arg("--window-size=1400,1000")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--log-net-log={}", network.display()))
        .args(["--virtual-time-budget=10000", "--dump-dom"])
        .arg(format!("file://{}?file://{}?{width}", check.display(), page.display()))
        .output()
        .expect("start the browser");
    let (dom, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let found = dom.split_once("<pre id=\"wrong\">").and_then(|(_, rest)| rest.split_once("checked</pre>"));
    let found = found.unwrap_or_else(|| panic!("the page was not checked: {dom}\n{log}")).0;
    let console = log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned);
    let network = fs::read_to_string(&network).expect("the browser's log of its network");
    let requests = network
        .split('"')
        .filter(|word| word.starts_with("http://") || word.starts_with("https://"))
        .map(|url| format!("request: {url}"));
    let found = found.lines().filter(|line| !line.is_empty()).map(str::to_owned);
    found.chain(console).chain(requests).collect::<Vec<_>>().join("\n")
}

/// Debian's, whichever of its packages is there; `cargo xtask setup` installs one.
fn browser() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let names = ["chromium-headless-shell", "chromium"];
    let found = env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|path| path.is_file());
    found.expect("chromium-headless-shell: `cargo xtask setup` installs it")
}
