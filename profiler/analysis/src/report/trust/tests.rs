use crate::timeline::sample::timeline;
use std::collections::BTreeMap;

use crate::report::{self, Verdict};
use capture::{
    ARRIVAL_REENTRY, Family, Losses, MilestoneName, Record, Shed, ThreadState, Waits,
    families::{PROBE_COST, SAMPLES, SCHEDULING},
    testing::sample::*,
};

const MS: u64 = 1_000_000;

/// `expected` are parts of the reasons, in their order.
#[track_caller]
fn check(what: &str, records: Vec<Record>, expected: &[&str]) {
    let trust = report::build(&timeline(records)).trust;
    assert_eq!(trust.reasons.len(), expected.len(), "{what}: {:#?}", trust.reasons);
    for (reason, part) in trust.reasons.iter().zip(expected) {
        assert!(reason.contains(part), "{what}: {reason:?} without {part:?}");
    }
    let verdict = if expected.is_empty() { Verdict::Complete } else { Verdict::Degraded };
    assert_eq!(trust.verdict, verdict, "{what}");
}

/// The sample with records put before its end.
fn with(more: impl IntoIterator<Item = Record>) -> Vec<Record> {
    let mut records = records();
    let end = records.pop().expect("an end");
    records.extend(more);
    records.push(end);
    records
}

fn without(unwanted: impl Fn(&Record) -> bool) -> Vec<Record> {
    records().into_iter().filter(|record| !unwanted(record)).collect()
}

#[test]
fn what_nobody_asked_for_is_left_out_and_no_doubt() {
    let records = with([Record::Family(Family::left_out(SCHEDULING))]);
    check("counters alone", records.clone(), &[]);
    let trust = report::build(&timeline(records)).trust;
    assert_eq!((trust.probes_left_out, trust.probes_missing), (vec![SCHEDULING.to_owned()], vec![]));
}

#[test]
fn every_doubt_is_a_reason() {
    check("nothing wrong", records(), &[]);
    check("nothing followed", vec![start(), end()], &["no process was followed"]);
    check("nothing followed before the cut", vec![start()], &["cut short"]);
    check(
        "cut short",
        without(|record| matches!(record, Record::End(_))),
        &["cut short after byte 4321", "up to 10.000 ms older than the capture's end"],
    );
    check(
        "cut before the totals of a process",
        vec![start(), label(LEECHER, capture::Role::Leecher)],
        &["cut short", "without totals in the capture, and so not in the report: 1"],
    );
    // Of the windows of the sample no program of that name is known to have run.
    check(
        "arrivals that were skipped, however many other runs there were",
        with([Record::Losses(Losses {
            at_ns: 0,
            counts: BTreeMap::from([(ARRIVAL_REENTRY.to_owned(), 1)]),
        })]),
        &["1 × arrival_reentry: the kernel skipped the probe of arrivals"],
    );
    let shed = |at_ns, families: &[&str], cost_ns_per_s| {
        let families = families.iter().map(|name| (*name).to_owned()).collect();
        Record::Shed(Shed { at_ns, families, cost_ns_per_s, limit_ns_per_s: 40_000_000 })
    };
    check(
        "shed to keep a limit",
        with([
            shed(200 * MS, &[SAMPLES], 50_000_000),
            shed(300 * MS, &[SAMPLES, SCHEDULING], 90_000_000),
            shed(400 * MS, &[SAMPLES, SCHEDULING], 45_000_000),
            shed(700 * MS, &[], 10_000_000),
        ]),
        &[
            "samples was detached for 0.500 s to keep the limit of cost",
            "scheduling was detached for 0.400 s to keep the limit of cost",
            "took up to 4.5 % of a CPU, 4.0 % were allowed",
        ],
    );
    check("a loss", with([losses(3)]), &["3 × ring_full: a record found the ring buffer full"]);
    check(
        "bytes past the counted calls",
        with((0..5).map(|cookie| bypassed(LEECHER, cookie, 1000 + cookie)).chain([socket(
            LEECHER,
            4,
            Some("10.77.0.9:1"),
            false,
        )])),
        &[
            "leecher-1 received 1004 bytes over 10.77.0.2:40000 to 10.77.0.9:1, 1003 bytes over a connection without a \
           place in the table, 1002 bytes over a connection without a place in the table, 2001 bytes over 2 more past",
        ],
    );
    check(
        "a late record",
        with([progress(LEECHER, START_NS + MS, 1, 1)]),
        &["1 × late: a progress record came after its time was closed"],
    );
    check(
        "a missing family",
        with([family("disk", Some("no tracepoint block_rq_issue"))]),
        &[
            "probe family disk is missing, in whole or in part, and so is what it counts: no tracepoint block_rq_issue",
        ],
    );
    check(
        "a thread whose states do not sum up",
        with([short_thread()]),
        &[
            "leecher-1 differ from the threads' lifetimes by 90.000 ms",
            "thread 302 of leecher-1 was on the CPU for 10.000 ms by its counters and for 300.000 ms by its spans",
        ],
    );
    check(
        "claims in a wrong order",
        with([claim(MilestoneName::P50, 401, 1)]),
        &["transfer leecher-1: the application's p50 comes after its p90"],
    );
    check(
        "no claim of 100 %",
        without(
            |record| matches!(record, Record::Milestone(milestone) if milestone.name == MilestoneName::P100),
        ),
        &["transfer leecher-1: the application did not claim 100 %"],
    );
    check(
        "a claim that the kernel does not confirm",
        without(|record| matches!(record, Record::Progress(progress) if progress.rx_bytes > 900_000))
            .into_iter()
            .map(|record| match record {
                Record::ProcessTotals(totals) if totals.process == LEECHER => {
                    process(LEECHER, "c", 900_000, 1)
                }
                other => other,
            })
            .collect(),
        &["claims 1048576 bytes, but the kernel counted only 900000"],
    );
    check(
        "runs of probes that nobody may count",
        with([family(PROBE_COST, Some("they take CAP_SYS_ADMIN"))]),
        &["what the probes cost is not known: they take CAP_SYS_ADMIN"],
    );
    check(
        "another file was received",
        with([checksum("6b86b273")]),
        &["transfer leecher-1: the received file is not the one that was sent"],
    );
    check(
        "a transfer of an unknown process",
        vec![start(), transfer(), end()],
        &["no process was followed", "the process of transfer leecher-1 is not in the capture"],
    );
    check(
        "claims of an unknown transfer",
        vec![start(), process(LEECHER, "c", 1, 1), claim(MilestoneName::P50, 1, 1), end()],
        &[
            "no process moved half of 1048576 bytes",
            "milestones were claimed for leecher-1, but no transfer has that label",
        ],
    );
}

/// 90 ms of 1 s are in no state.
fn short_thread() -> Record {
    let Record::ThreadTotals(mut totals) = thread(LEECHER, 3, ThreadState::Blocked) else {
        unreachable!("a thread is a thread")
    };
    totals.cpu_ns -= 90 * MS;
    Record::ThreadTotals(totals)
}

#[test]
fn a_wake_up_that_was_not_seen_matters_by_how_long_the_sleep_was() {
    let unseen = |unseen_ns: u64| {
        let mut thread = thread(LEECHER, 7, ThreadState::Blocked);
        if let Record::ThreadTotals(totals) = &mut thread {
            totals.waits = Waits { unseen_ns, ..Waits::default() };
            totals.cpu_ns = 0;
            totals.runqueue_ns = 0;
            totals.state_since_ns = START_NS + unseen_ns;
        }
        let counts = BTreeMap::from([("wake_unseen".to_owned(), 1)]);
        with([thread, Record::Losses(Losses { at_ns: END_NS, counts })])
    };
    check("a millisecond of some seconds", unseen(MS), &[]);
    check("a fifth of a second of them", unseen(200 * MS), &["1 × wake_unseen", "thread 702 of leecher-1"]);
}
