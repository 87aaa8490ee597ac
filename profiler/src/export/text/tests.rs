use crate::export::text;
use analysis::report;
use analysis::timeline::sample::timeline;
use capture::{Family, FileWay, Hook, Losses, ProcessSerial, Record, ThreadState, testing::sample::*};

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
        assert!(line.chars().count() <= 100, "{}: {line}", line.chars().count());
        assert_eq!(line, line.trim_end());
        assert!(!line.contains('\x1b'), "{line}");
    }
}

#[test]
fn bytes_by_calls_have_what_is_past_the_accounting_and_say_so() {
    let mut records = records();
    let ways = [(FileWay::IoUring, 62_599), (FileWay::Splice, 0)];
    records.splice(8..8, ways.map(|(way, bytes)| written_by(way, LEECHER, bytes)));
    records.insert(8, family("io_uring", None));
    let text = render(records);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "Of the bytes by calls, past the kernel's accounting: leecher-1 102 62,599 written by io_uring.",
        "Not in the bytes by calls, or not all: what these moved of files by other ways: leecher-1 102 by splice.",
    ] {
        assert!(words.contains(said), "{said} is not in\n{text}");
    }
}

/// What the kernel and a benchmark may call things: as long as they get.
#[test]
fn names_and_addresses_are_whole() {
    const ADDRESS: &str = "[fd00:1234:5678:9abc:def0:1234:5678:9abc]:65535";
    const COMM: &str = "transmission-da";
    const LABEL: &str = "a-leecher-that-somebody-gave-a-rather-long-label-1";
    let mut records = records();
    for record in &mut records {
        match record {
            Record::Label(label) if label.process == LEECHER => label.label = LABEL.to_owned(),
            Record::Transfer(transfer) => transfer.label = LABEL.to_owned(),
            Record::ThreadTotals(thread) => {
                thread.comm = COMM.to_owned();
                thread.waits.network_ns += 10_000 * MS;
                thread.waits.disk_ns += 10_000 * MS;
                thread.cpu_ns += 30_000 * MS;
                thread.softirq_ns += 10_000 * MS;
                thread.hardirq_ns += 10_000 * MS;
            }
            _ => {}
        }
    }
    let at = records.len() - 2;
    records.insert(at, socket(LEECHER, 13, Some(ADDRESS), false));
    records.insert(at, socket(SEEDER, 14, Some(ADDRESS), false));
    let report = report::build(&timeline(records));
    let text = text::render(&report);
    let host = ADDRESS.rsplit_once(':').expect("an address with its port").0.trim_matches(['[', ']']);
    let threads = report.processes.iter().flat_map(|process| &process.threads);
    let threads = threads.map(|thread| format!("{} {}", thread.comm, thread.tid));
    for name in [LABEL.to_owned(), host.to_owned()].into_iter().chain(threads) {
        assert!(text.lines().any(|line| line.contains(&name)), "{name} is not whole in\n{text}");
    }
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{}: {line}", line.chars().count());
    }
}

/// 38 shells that a target started are one row in each table.
#[test]
fn helpers_are_one_row() {
    let mut records = records();
    let at = records.len() - 1;
    for serial in (10..48).map(ProcessSerial) {
        let Record::ProcessTotals(mut totals) = process(serial, "sh", 0, 0) else {
            unreachable!("as it says")
        };
        totals.parent_pid = 102;
        totals.since_ns += serial.0;
        let Record::ThreadTotals(mut thread) = thread(serial, 1, ThreadState::Blocked) else {
            unreachable!("as it says")
        };
        thread.cpu_ns = 2 * MS;
        records.insert(at, Record::ThreadTotals(thread));
        records.splice(at..at, [io(serial, true, 0, 0), io(serial, false, 1_000, 10)]);
        records.insert(at, Record::ProcessTotals(totals));
    }
    let text = render(records);
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with("   sh ")).collect();
    let rows: Vec<_> = rows.iter().map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        rows,
        [
            "sh ×38 (helpers) read 38,000 - 0 0 B -",
            "sh ×38 (helpers) written 380 0 0 0 B 0",
            "sh ×38 (helpers) all 38 - 0.076 3.800 3.800 26.600",
        ],
        "{text}"
    );
    assert_eq!(text.matches("`--format json` has each").count(), 2, "{text}");
}

#[test]
fn no_text_of_a_capture_steers_the_terminal() {
    let foreign = "x\x1b[2J\ry";
    let mut records = records();
    records.insert(5, family(foreign, Some(foreign)));
    records.insert(5, process(SEEDER, foreign, 1, 1));
    let counts = std::collections::BTreeMap::from([(foreign.to_owned(), 1)]);
    records.insert(8, Record::Losses(Losses { at_ns: END_NS, counts }));
    let text = render(records);
    assert!(text.contains("probes missing  x?[2J?y") && text.contains("events lost     x?[2J?y 1"), "{text}");
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
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
