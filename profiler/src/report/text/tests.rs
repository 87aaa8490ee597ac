use crate::{
    capture::Record,
    report::{self, text},
    timeline::sample::*,
};

fn render(records: Vec<Record>) -> String {
    text::render(&report::build(&timeline(records)))
}

#[test]
fn the_sample_reads_as_it_should() {
    let (got, expected) = (render(records()), include_str!("sample.txt"));
    assert!(got == expected, "this is now the text of report/text/sample.txt:\n{got}");
}

#[test]
fn lines_fit_and_do_not_end_in_blanks() {
    let mut records = records();
    let long = "no tracepoint of that name, ".repeat(20);
    records.insert(5, family("disk", Some(&long)));
    records.insert(5, process(SEEDER, "a\x1b[31m", u64::MAX / 4, u64::MAX / 4));
    for line in render(records).lines() {
        assert!(line.chars().count() <= 110, "{}: {line}", line.chars().count());
        assert_eq!(line, line.trim_end());
        assert!(!line.contains('\x1b'), "{line}");
    }
}

#[test]
fn a_process_that_did_nothing_has_no_row() {
    let text = render(vec![start(), process(LEECHER, "sleeper", 0, 0), end()]);
    assert!(!text.contains("sleeper"), "{text}");
}
