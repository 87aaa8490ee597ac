use crate::export::text;
use analysis::report;
use analysis::timeline::sample::timeline;
use capture::{Family, Hook, Record, testing::sample::*};

fn render(records: Vec<Record>) -> String {
    text::render(&report::build(&timeline(records)))
}

#[test]
fn the_sample_reads_as_it_should() {
    let (got, expected) = (render(records()), include_str!("sample.txt"));
    assert!(got == expected, "this is now the text of export/text/sample.txt:\n{got}");
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

#[test]
fn a_hook_that_stands_in_for_another_is_named() {
    let mut records = records();
    let hook = Hook { instead_of: Some("sock_send_length".to_owned()), ..Hook::new("fexit/inet_sendmsg") };
    records.insert(8, Record::Family(Family::attached("sockets", vec![hook], None)));
    assert!(render(records).contains("second choices  fexit/inet_sendmsg instead of sock_send_length"));
}
