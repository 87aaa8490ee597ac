use super::*;
use crate::{
    report::{Report, build},
    timeline::sample::timeline,
};
use capture::{Record, Role, ThreadState, testing::sample::*};

/// A process that the leecher started, and that ran for so long. Serials from 10 on.
fn child(serial: u64, comm: &str, rx_bytes: u64, cpu_ns: u64) -> Vec<Record> {
    let serial = ProcessSerial(serial);
    let Record::ProcessTotals(mut totals) = process(serial, comm, rx_bytes, 0) else {
        unreachable!("that is what it makes")
    };
    totals.parent_pid = 100 + LEECHER.0 as u32;
    totals.since_ns += serial.0;
    let Record::ThreadTotals(mut thread) = thread(serial, 1, ThreadState::Blocked) else {
        unreachable!("that is what it makes")
    };
    thread.cpu_ns = cpu_ns;
    vec![
        Record::ProcessTotals(totals),
        Record::ThreadTotals(thread),
        io(serial, true, 0, 0),
        io(serial, false, 4_000 + rx_bytes, 10),
    ]
}

/// The sample with these children of the leecher.
fn report_with(children: impl IntoIterator<Item = Vec<Record>>) -> Report {
    let mut records = records();
    let at = records.len() - 1;
    records.splice(at..at, children.into_iter().flatten());
    build(&timeline(records))
}

/// Each row of helpers as `comm ×members`.
#[track_caller]
fn check(what: &str, children: impl IntoIterator<Item = Vec<Record>>, expected: &[&str]) {
    let helpers = report_with(children).helpers;
    let rows: Vec<_> =
        helpers.iter().map(|helpers| format!("{} ×{}", helpers.comm, helpers.members.len())).collect();
    assert_eq!(rows, expected, "{what}");
}

#[test]
fn small_processes_of_one_command_are_told_of_together() {
    let many = |comm: &'static str, from, to| (from..to).map(move |serial| child(serial, comm, 0, MS));
    check("none", [], &[]);
    check("three", many("sh", 10, 13), &[]);
    check("four", many("sh", 10, 14), &["sh ×4"]);
    check("two commands", many("sh", 10, 20).chain(many("cat", 20, 24)), &["sh ×10", "cat ×4"]);
    check("too few of each", many("sh", 10, 13).chain(many("cat", 13, 16)), &[]);
}

#[test]
fn who_moved_or_took_something_has_a_row() {
    let mixed = |odd: Vec<Record>| (10..14).map(|serial| child(serial, "sh", 0, MS)).chain([odd]);
    let part = 2 * (PEER_BYTES + 3_300) / PART;
    check("1/1000 of the payload", mixed(child(14, "sh", part, MS)), &["sh ×5"]);
    check("more payload", mixed(child(14, "sh", part + 10, MS)), &["sh ×4"]);
    check("10 ms of CPU time", mixed(child(14, "sh", 0, 10 * MS)), &["sh ×5"]);
    check("more CPU time", mixed(child(14, "sh", 0, 11 * MS)), &["sh ×4"]);
    let mut reader = child(14, "sh", 0, MS);
    reader[3] = io(ProcessSerial(14), false, START_BYTES + 1, 0);
    check("a file", mixed(reader), &["sh ×4"]);
}

#[test]
fn who_was_asked_for_has_a_row() {
    let mut labelled: Vec<_> = (10..14).map(|serial| child(serial, "sh", 0, MS)).collect();
    let with_label = [label(ProcessSerial(14), Role::Leecher)].into_iter().chain(child(14, "sh", 0, MS));
    labelled.push(with_label.collect());
    check("a label", labelled, &["sh ×4"]);
    let alone = (10..20).map(|serial| {
        let mut child = child(serial, "sh", 0, MS);
        let Record::ProcessTotals(totals) = &mut child[0] else { unreachable!("it comes first") };
        totals.parent_pid = 1;
        child
    });
    check("no target above", alone, &[]);
}

/// What a reader of the text adds up is the same as in the JSON's `processes`.
#[test]
fn nothing_is_lost() {
    let children = (10..50).map(|serial| {
        let mut child = child(serial, "sh", 0, serial * 10_000);
        let Record::ProcessTotals(totals) = &mut child[0] else { unreachable!("it comes first") };
        totals.udp_tx_bytes = serial;
        totals.peer_tx_bytes = serial;
        child
    });
    let report = report_with(children);
    assert_eq!(report.helpers.len(), 1);
    let members: BTreeSet<usize> =
        report.helpers.iter().flat_map(|helpers| helpers.members.iter().copied()).collect();
    assert_eq!(members.len(), 40);

    let all = report.processes.iter().map(|process| (process.network, process.disk, process.time));
    let rest = report.processes.iter().enumerate().filter(|(place, _)| !members.contains(place));
    let rest = rest.map(|(_, process)| (process.network, process.disk, process.time));
    let helpers = report.helpers.iter().map(|helpers| (helpers.network, helpers.disk, helpers.time));
    assert_eq!(total(all), total(rest.chain(helpers)));
}

fn total(
    rows: impl Iterator<Item = (NetworkBytes, DiskBytes, Option<ThreadTime>)>,
) -> (NetworkBytes, DiskBytes, ThreadTime) {
    rows.fold(Default::default(), |mut sum: (NetworkBytes, DiskBytes, ThreadTime), row| {
        sum.0 += row.0;
        sum.1 += row.1;
        sum.2 += row.2.unwrap_or_default();
        sum
    })
}
