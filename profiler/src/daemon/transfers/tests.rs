use super::*;

const TARGETS: [&str; 2] = ["seeder", "leecher"];

/// Milliseconds after the beginning of time.
fn at(ms: u64) -> Now {
    Now { monotonic_ns: ms * 1_000_000, wall_s: ms as f64 / 1e3 }
}

fn begin(label: &str) -> Mark {
    Mark::Begin {
        label: label.to_owned(),
        target: "leecher".to_owned(),
        size_bytes: 1 << 20,
        direction: Direction::Receive,
    }
}

fn end(label: &str) -> Mark {
    Mark::End { label: label.to_owned(), failed: false }
}

/// A mark as the leecher has received so much in all.
fn mark(transfers: &mut Transfers, mark: &Mark, received: u64, ms: u64) {
    transfers.mark(mark, &TARGETS, leecher(received), at(ms)).unwrap();
}

fn leecher(received: u64) -> impl Fn(usize, Direction) -> u64 {
    move |place, direction| if place == 1 && direction == Direction::Receive { received } else { 0 }
}

#[track_caller]
fn refused(transfers: &mut Transfers, mark: &Mark, part: &str) {
    let error = transfers.mark(mark, &TARGETS, |_, _| 0, at(0)).unwrap_err().to_string();
    assert!(error.contains(part), "{part:?} is missing in: {error}");
}

#[test]
fn milestones_are_those_of_the_kernels_own_count() {
    let mut transfers = Transfers::default();
    mark(&mut transfers, &begin("a"), 7_000, 1_000);
    for (ms, received) in [(1_200, 10_000), (1_400, 7_000 + (16 << 10)), (1_600, 507_000), (1_700, 900_000)] {
        transfers.sample(&TARGETS, leecher(received), at(ms));
    }
    mark(&mut transfers, &Mark::Progress { label: "a".to_owned(), bytes: 850_000 }, 907_000, 1_750);
    mark(&mut transfers, &end("a"), 1_007_000, 2_000);
    let [transfer] = &transfers.list()[..] else { panic!("one") };
    assert_eq!(
        (transfer.outcome, transfer.kernel_bytes, transfer.lasted_s),
        (Outcome::Complete, 1_000_000, 1.0)
    );
    let found: Vec<_> = transfer
        .kernel_milestones
        .iter()
        .map(|one| format!("{} {:.2} {:.2}", one.name, one.at_s, one.resolution_s))
        .collect();
    assert_eq!(found, ["first_byte 0.40 0.20", "p50 0.60 0.20", "p90 0.75 0.05", "p100 1.00 0.25"]);
    assert_eq!(transfer.marks, [AppMark { at_s: 0.75, app_bytes: 850_000, kernel_bytes: 900_000 }]);
    let sums = transfers.sums();
    assert_eq!(
        (sums.len(), sums[0].transfers, sums[0].kernel_bytes, sums[0].file_bytes),
        (1, 1, 1_000_000, 1 << 20)
    );
    assert!(!transfers.are_running());
}

#[test]
fn a_transfer_that_moved_nothing_has_no_milestones() {
    let mut transfers = Transfers::default();
    mark(&mut transfers, &begin("a"), 0, 0);
    mark(&mut transfers, &Mark::End { label: "a".to_owned(), failed: true }, 100, 500);
    let [transfer] = &transfers.list()[..] else { panic!("one") };
    assert_eq!((transfer.outcome, transfer.kernel_milestones.len()), (Outcome::Failed, 0));
}

#[test]
fn two_of_one_target_say_that_they_share_its_bytes() {
    let mut transfers = Transfers::default();
    mark(&mut transfers, &begin("a"), 0, 0);
    mark(&mut transfers, &begin("b"), 0, 10);
    mark(&mut transfers, &end("a"), 0, 20);
    mark(&mut transfers, &end("b"), 0, 30);
    mark(&mut transfers, &begin("c"), 0, 40);
    let shared: Vec<_> = transfers.list().iter().map(|one| (one.label.clone(), one.is_shared)).collect();
    assert_eq!(shared, [("c".to_owned(), false), ("b".to_owned(), true), ("a".to_owned(), true)]);
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let mut transfers = Transfers::default();
    refused(&mut transfers, &end("a"), "no transfer \"a\"");
    let elsewhere = Mark::Begin {
        label: "a".to_owned(),
        target: "peer".to_owned(),
        size_bytes: 1,
        direction: Direction::Transmit,
    };
    refused(&mut transfers, &elsewhere, "seeder, leecher");
    refused(&mut transfers, &begin(""), "a label");
    refused(&mut transfers, &begin("two\nlines"), "a label");
    refused(&mut transfers, &begin(&"x".repeat(LABEL + 1)), "a label");
    mark(&mut transfers, &begin("a"), 0, 0);
    refused(&mut transfers, &begin("a"), "runs already");
    (1..RUNNING).for_each(|n| mark(&mut transfers, &begin(&n.to_string()), 0, 0));
    refused(&mut transfers, &begin("more"), "no more");
}

#[test]
fn nothing_grows_without_bounds() {
    let mut transfers = Transfers::default();
    mark(&mut transfers, &begin("long"), 0, 0);
    for n in 0..3 * SAMPLES as u64 {
        transfers.sample(&TARGETS, leecher(n * 100_000), at(n));
        let progress = Mark::Progress { label: "long".to_owned(), bytes: n };
        mark(&mut transfers, &progress, n * 100_000, n);
    }
    let running = &transfers.running["long"];
    assert!(running.samples.len() < SAMPLES && running.samples[0] == (0, 0));
    assert_eq!(
        (running.transfer.marks.len(), running.transfer.marks_left_out),
        (MARKS, 3 * SAMPLES as u64 - MARKS as u64)
    );
    for n in 0..2 * KEPT as u64 {
        mark(&mut transfers, &begin("short"), 0, n);
        mark(&mut transfers, &end("short"), 0, n);
    }
    assert_eq!(transfers.list().len(), 1 + KEPT);
    let short: u64 = transfers.sums().iter().map(|sum| sum.transfers).sum();
    assert_eq!(short, 2 * KEPT as u64, "those that are not told of any more still count");
}

#[test]
fn what_stands_still_keeps_its_first_and_last_time() {
    let mut transfers = Transfers::default();
    mark(&mut transfers, &begin("a"), 0, 0);
    (1..1_000).for_each(|ms| transfers.sample(&TARGETS, leecher(50_000), at(ms)));
    assert_eq!(transfers.running["a"].samples, [(0, 0), (1_000_000, 50_000), (999_000_000, 50_000)]);
    mark(&mut transfers, &end("a"), 100_000, 1_000);
    let milestones = &transfers.list()[0].kernel_milestones;
    assert_eq!((milestones[3].at_s, milestones[3].resolution_s), (1.0, 0.001), "{milestones:?}");
}

#[test]
fn what_never_ends_is_given_up() {
    let mut transfers = Transfers::default();
    mark(&mut transfers, &begin("a"), 0, 0);
    transfers.sample(&TARGETS, leecher(0), Now { monotonic_ns: ABANDONED_NS - 1, wall_s: 0.0 });
    assert!(transfers.are_running());
    transfers.sample(&TARGETS, leecher(0), Now { monotonic_ns: ABANDONED_NS, wall_s: 0.0 });
    assert_eq!((transfers.are_running(), transfers.list()[0].outcome), (false, Outcome::Abandoned));
}

/// One look after another, a second apart, as the leecher has received so many MiB in all.
fn look(transfers: &mut Transfers, mib: &[u64]) {
    for (second, mib) in mib.iter().enumerate() {
        transfers.sample(&TARGETS, leecher(mib << 20), at(1_000 * second as u64));
    }
}

#[test]
fn a_burst_that_nobody_marked_is_detected_and_ends_with_its_bytes() {
    let mut transfers = Transfers::default();
    let counts = [5, 5, 6, 15, 24, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25];
    look(&mut transfers, &counts);
    assert_eq!(transfers.list()[0].outcome, Outcome::Running);
    look(&mut transfers, &[&counts[..], &[25]].concat());
    let [transfer] = &transfers.list()[..] else { panic!("one: {:#?}", transfers.list()) };
    assert_eq!(
        (transfer.outcome, transfer.size_bytes, transfer.label.as_str()),
        (Outcome::Detected, None, "detected-1")
    );
    // It began at the last look before.
    assert_eq!((transfer.began_s, transfer.lasted_s, transfer.kernel_bytes), (1.0, 4.0, 20 << 20));
    let found: Vec<_> = transfer
        .kernel_milestones
        .iter()
        .map(|one| (one.name.as_str(), one.at_s, one.resolution_s))
        .collect();
    assert_eq!(found, [("first_byte", 1.0, 1.0), ("p50", 2.0, 1.0), ("p90", 3.0, 1.0), ("p100", 4.0, 1.0)]);
    assert_eq!(transfers.sums()[0].outcome, "detected");
}

#[test]
fn chatter_and_small_bursts_are_no_transfers() {
    let mut transfers = Transfers::default();
    for second in 0..100 {
        transfers.sample(&TARGETS, leecher(second * (BURST - 1)), at(1_000 * second));
    }
    assert!(!transfers.are_running());
    let mut transfers = Transfers::default();
    look(&mut transfers, &[&[0, 1, 3, 7][..], &[7; 12]].concat());
    assert_eq!(transfers.list(), []);
    // Less than chatter, again and again, prolongs nothing.
    let mut transfers = Transfers::default();
    transfers.sample(&TARGETS, leecher(0), at(0));
    for second in 1..=12 {
        transfers.sample(&TARGETS, leecher((20 << 20) + second * 1_000), at(1_000 * second));
    }
    assert_eq!((transfers.list()[0].outcome, transfers.list()[0].lasted_s), (Outcome::Detected, 1.0));
}

#[test]
fn what_is_marked_is_not_detected_too() {
    let mut transfers = Transfers::default();
    mark(&mut transfers, &begin("a"), 0, 0);
    look(&mut transfers, &[0, 10, 20]);
    mark(&mut transfers, &end("a"), 20 << 20, 3_000);
    assert_eq!(transfers.list().len(), 1);
    // What was detected before a mark ends as that begins, and no mark reaches it.
    let mut transfers = Transfers::default();
    look(&mut transfers, &[0, 10, 20]);
    refused(&mut transfers, &end("detected-1"), "no transfer");
    mark(&mut transfers, &begin("a"), 20 << 20, 3_000);
    mark(&mut transfers, &end("a"), 21 << 20, 4_000);
    let list: Vec<_> =
        transfers.list().iter().map(|one| (one.outcome, one.is_shared, one.kernel_bytes >> 20)).collect();
    assert_eq!(list, [(Outcome::Complete, false, 1), (Outcome::Detected, false, 20)]);
}
