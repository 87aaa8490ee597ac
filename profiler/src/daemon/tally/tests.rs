use capture::{Bypassed, CreditTotals, DeviceTotals, ProcessSerial};

use super::*;

const SEEDER: usize = 0;
const LEECHER: usize = 1;
const NOBODY: usize = 2;

fn totals(serial: u64, pid: u32, parent_pid: u32, comm: &str, rx: u64, exited_ns: Option<u64>) -> Record {
    Record::ProcessTotals(ProcessTotals {
        at_ns: 0,
        process: ProcessSerial(serial),
        pid,
        parent_pid,
        comm: comm.to_owned(),
        since_ns: 0,
        exited_ns,
        tcp_rx_bytes: rx,
        tcp_tx_bytes: 0,
        udp_rx_bytes: 0,
        udp_tx_bytes: 0,
        peer_rx_bytes: 0,
        peer_tx_bytes: 0,
        peer_rx_last_ns: None,
        peer_tx_last_ns: None,
    })
}

fn submitted(serial: u64, bytes: u64) -> Record {
    Record::CreditTotals(CreditTotals {
        at_ns: 0,
        process: ProcessSerial(serial),
        major: 8,
        minor: 0,
        operation: Operation::Write,
        bytes,
        bios: 1,
        partition: None,
    })
}

fn tally(records: &[Record]) -> Tally {
    let mut tally = Tally::new(2);
    push(&mut tally, records);
    tally
}

fn push(tally: &mut Tally, records: &[Record]) {
    records.iter().try_for_each(|record| tally.push(record)).unwrap();
    tally.assign(|id, of_pid| match id.comm.as_str() {
        "seeder" => Some(SEEDER),
        "leecher" => Some(LEECHER),
        _ => of_pid(id.parent_pid),
    });
}

/// Bytes received over TCP, processes that live, and all of them, by target.
#[track_caller]
fn check(tally: &Tally, expected: [(u64, u64, u64); 3]) {
    let sums = tally.sums();
    let found: Vec<_> =
        sums.iter().map(|sum| (sum.moved.tcp_rx_bytes, sum.processes, sum.processes_seen)).collect();
    assert_eq!(found, expected);
}

#[test]
fn totals_count_once_however_often_they_come() {
    let mut tally = tally(&[totals(1, 10, 1, "seeder", 100, None)]);
    push(&mut tally, &[totals(1, 10, 1, "seeder", 150, None), totals(1, 10, 1, "seeder", 150, None)]);
    check(&tally, [(150, 1, 1), (0, 0, 0), (0, 0, 0)]);
}

#[test]
fn sums_go_where_their_targets_are_in_another_configuration() {
    let mut tally = tally(&[
        totals(1, 10, 1, "seeder", 100, Some(1_000)),
        totals(2, 11, 1, "leecher", 20, None),
        totals(3, 12, 1, "other", 3, None),
        totals(4, 13, 1, "leecher", 7, Some(REMEMBERED_NS)),
    ]);
    tally.forget(1_000 + REMEMBERED_NS);
    tally.replace_targets(&[Some(1), None], 2);
    // Whose target is gone is in no sum until it has another one.
    check(&tally, [(0, 0, 0), (100, 0, 1), (3, 1, 1)]);
    assert!(tally.has_open());
    tally.assign(|id, _| (id.comm == "leecher").then_some(0));
    check(&tally, [(20, 1, 1), (100, 0, 1), (3, 1, 1)]);
}

#[test]
fn a_restarted_target_goes_on_where_it_was() {
    let mut tally = tally(&[totals(1, 10, 1, "seeder", 100, Some(1_000))]);
    push(&mut tally, &[totals(2, 11, 1, "seeder", 7, None)]);
    check(&tally, [(107, 1, 2), (0, 0, 0), (0, 0, 0)]);
    // Long after the end nothing but the sum is left, and it is the same.
    tally.forget(1_000 + REMEMBERED_NS - 1);
    assert!(tally.knows(1));
    tally.forget(1_000 + REMEMBERED_NS);
    assert!(!tally.knows(1) && tally.knows(2));
    check(&tally, [(107, 1, 2), (0, 0, 0), (0, 0, 0)]);
    assert_eq!((tally.processes.len(), tally.serial_of.len()), (1, 1), "nothing is left behind");
    // What comes of it later is nobody's, and nothing is kept of it.
    push(&mut tally, &[submitted(1, 5)]);
    assert_eq!(tally.sums()[NOBODY], Sum::default());
    assert!(!tally.knows(1));
}

#[test]
fn a_child_is_its_parents_and_what_fits_none_is_told() {
    let records = [
        totals(3, 12, 11, "sh", 5, None),
        totals(1, 10, 1, "leecher", 1, None),
        totals(2, 11, 10, "sh", 2, None),
        totals(4, 13, 1, "stranger", 9, None),
    ];
    check(&tally(&records), [(0, 0, 0), (8, 3, 3), (9, 1, 1)]);
}

#[test]
fn a_process_without_a_target_is_in_no_sum_until_it_has_one() {
    let mut tally = Tally::new(2);
    tally.push(&totals(1, 10, 1, "seeder", 100, None)).unwrap();
    check(&tally, [(0, 0, 0); 3]);
    assert!(tally.has_open());
    push(&mut tally, &[]);
    check(&tally, [(100, 1, 1), (0, 0, 0), (0, 0, 0)]);
    assert!(!tally.has_open());
}

#[test]
fn a_storm_of_processes_is_not_remembered() {
    let mut tally = Tally::new(2);
    let storm: Vec<Record> =
        (1..=REMEMBERED as u64 + 1).map(|n| totals(n, n as u32, 1, "seeder", 1, Some(n))).collect();
    push(&mut tally, &storm);
    tally.forget(REMEMBERED as u64 + 1);
    assert_eq!(tally.processes.len(), 0);
    let all = REMEMBERED as u64 + 1;
    check(&tally, [(all, 0, all), (0, 0, 0), (0, 0, 0)]);
}

#[test]
fn what_is_cumulative_by_device_and_what_is_not_are_both_added_once() {
    let bypassed =
        |bytes| Record::Bypassed(Bypassed { at_ns: 0, cookie: 1, process: ProcessSerial(1), bytes });
    let mut tally = tally(&[totals(1, 10, 1, "seeder", 0, None), submitted(1, 100), bypassed(3)]);
    push(&mut tally, &[submitted(1, 100), submitted(1, 130), bypassed(4)]);
    let moved = tally.sums()[SEEDER].moved;
    assert_eq!(
        (moved.submitted_written_bytes, moved.submitted_read_bytes, moved.bypassed_rx_bytes),
        (130, 0, 7)
    );
}

#[test]
fn a_device_has_its_last_totals() {
    let device = |bytes| {
        Record::DeviceTotals(DeviceTotals {
            at_ns: 0,
            major: 8,
            minor: 1,
            operation: Operation::Read,
            bytes,
            requests: 1,
            errors: 0,
            queue_ns: 0,
            queued: 0,
            service_ns: 0,
            serviced: 0,
        })
    };
    let tally = tally(&[device(10), device(30)]);
    let found: Vec<_> =
        tally.devices().map(|one| (one.device.as_str(), one.operation.as_str(), one.bytes)).collect();
    assert_eq!(found, [("8:1", "read", 30)]);
}
