use crate::timeline::sample::timeline;
use capture::families::CONTEXTS;

use super::*;
use capture::testing::sample::*;
use capture::{Losses, ProbeWindow, ThreadState};

#[test]
fn the_last_totals_of_a_key_count() {
    let older = process(LEECHER, "older", 1, 1);
    let newer = process(LEECHER, "newer", 2, 2);
    let timeline = timeline(vec![start(), older, newer, thread(LEECHER, 1, ThreadState::Cpu), end()]);
    let process = &timeline.processes[&LEECHER];
    assert_eq!(process.name(), "newer-102");
    assert_eq!(process.threads.len(), 1);
}

#[test]
fn a_capture_ends_where_it_says_or_with_its_newest_record() {
    let mut records = records();
    assert_eq!(timeline(records.clone()).whole_until_ns(), Some(END_NS));
    records.pop();
    records.push(Record::Watermark(Watermark { at_ns: END_NS + 7 }));
    let cut = timeline(records);
    assert_eq!((cut.whole_until_ns(), cut.end_ns), (None, END_NS + 7));
}

#[test]
fn late_records_are_a_loss_beside_those_that_the_recording_counted() {
    let counted = Losses { at_ns: END_NS, counts: BTreeMap::from([(LATE.to_owned(), 5)]) };
    let timeline = timeline(vec![
        start(),
        progress(LEECHER, 20, 2, 0),
        Record::Watermark(Watermark { at_ns: 20 }),
        progress(LEECHER, 10, 1, 0),
        progress(LEECHER, 30, 3, 0),
        Record::Losses(counted),
        end(),
    ]);
    assert_eq!(timeline.losses[LATE], 6);
    let times: Vec<_> = timeline.processes[&LEECHER].progress.iter().map(|point| point.at_ns).collect();
    assert_eq!(times, [20, 30]);
}

#[test]
fn windows_add_up() {
    let windows = timeline(vec![start(), window(), window(), end()]).windows;
    assert_eq!(windows.wall_ns, 200 * MS);
    assert_eq!(windows.programs["sock_recv"], Runs { runs: 2_000, run_ns: 160_000 });
}

#[test]
fn an_interrupt_in_the_empty_program_is_not_taken_for_its_cost() {
    let mut disturbed = window();
    let Record::ProbeWindow(ProbeWindow { programs, .. }) = &mut disturbed else { unreachable!() };
    programs.last_mut().expect("the empty program").run_ns += 3 * MS;
    let least = Some(Runs { runs: 1_000, run_ns: 40_000 });
    for windows in [[window(), disturbed.clone()], [disturbed, window()]] {
        let [first, second] = windows;
        assert_eq!(timeline(vec![start(), first, second, end()]).windows.empty, least);
    }
}

#[test]
fn nothing_to_report_is_an_error_that_says_so() {
    let error = Folded::default().finish(Ending::CutAt { offset: 12 }).expect_err("no first record");
    assert!(error.to_string().contains("cut before its first record"), "{error}");
}

/// A recording with `--size` and without a benchmark: bytes are received and sent by one process.
#[track_caller]
fn check_guess(what: &str, rx_bytes: u64, tx_bytes: u64, expected: &[(&str, Direction)]) {
    let timeline = timeline(vec![start(), process(LEECHER, "curl", rx_bytes, tx_bytes), end()]);
    let got: Vec<_> = timeline
        .transfers
        .iter()
        .map(|timed| {
            assert_eq!(timed.requested, Requested::ProcessStart);
            (timed.transfer.label.as_str(), timed.transfer.direction)
        })
        .collect();
    assert_eq!(got, expected, "{what}");
}

#[test]
fn a_size_alone_makes_a_transfer_of_whoever_moved_half_of_it() {
    check_guess("moved nothing", 0, 0, &[]);
    check_guess("less than half", SIZE_BYTES / 2 - 1, 10, &[]);
    check_guess("received half", SIZE_BYTES / 2, 10, &[("curl-102", Direction::Download)]);
    check_guess("sent more than it received", 10, SIZE_BYTES, &[("curl-102", Direction::Upload)]);
}

#[test]
fn a_recorded_transfer_is_not_guessed_again() {
    let timeline = timeline(records());
    assert_eq!(timeline.transfers.len(), 1);
    assert_eq!(timeline.transfers[0].requested, Requested::Recorded);
    assert_eq!(timeline.transfers[0].claims.len(), 4);
}

#[test]
fn claims_without_a_transfer_are_kept_as_strays() {
    let timeline = timeline(vec![start(), claim(MilestoneName::P50, 1, 1), end()]);
    assert_eq!(timeline.stray_claims, ["leecher-1"]);
}

#[test]
fn without_the_context_of_wake_ups_no_wait_has_a_cause() {
    let waits = |records: Vec<Record>| {
        let timeline = timeline(records);
        let threads = timeline.processes[&LEECHER].threads.values().map(|thread| thread.waits);
        threads.fold((0, 0), |sum, waits| (sum.0 + waits.network_ns, sum.1 + waits.other_ns))
    };
    let (network_ns, other_ns) = waits(records());
    assert!(network_ns > 0 && other_ns == 0);
    let mut without = records();
    without.push(family(CONTEXTS, Some("this kernel has no softirq_entry")));
    assert_eq!(waits(without), (0, network_ns));
}
