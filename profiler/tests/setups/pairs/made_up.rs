//! Logs that were made up: their answers are known without running anything.

use std::collections::BTreeMap;

use libtest_mimic::Trial;

use super::{
    known,
    list::{self, Base, Nodes, PLAIN},
    noise::TICK,
    programs::Ask,
    run::{LEECHER, SECOND, SECOND_FIRST, SEEDER, STORER, UPLOADER},
};
use crate::{
    log::{Interval, State},
    trial,
    truth::Truth,
};
use State::{Ask as Asks, Compute, Receive, Send, Sleep, Timer, Write};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("pairs::the_lists_are_whole", list::check),
        trial("pairs::who_is_later_holds_a_block_back", who_is_later_holds_a_block_back),
        trial("pairs::a_request_is_waited_for_too", a_request_is_waited_for_too),
        trial("pairs::connections_count_by_their_bytes", connections_count_by_their_bytes),
        trial("pairs::an_upload_is_told_by_its_sends", an_upload_is_told_by_its_sends),
        trial("pairs::who_sleeps_may_wait_for_a_cpu_then", who_sleeps_may_wait_for_a_cpu_then),
        trial(
            "pairs::a_block_that_was_sent_waits_for_nobodys_work",
            a_block_that_was_sent_waits_for_nobodys_work,
        ),
        trial("pairs::a_first_block_is_waited_for_beside_others", a_first_block_is_waited_for_beside_others),
    ]
}

const MS: u64 = 1_000_000;

/// State, block, and ms: from, to, on the CPU.
type Row = (State, u32, u64, u64, u64);

fn who_is_later_holds_a_block_back() {
    let base = Base { blocks: 3, ..PLAIN };
    // The receiver computes until 7 and 12, and has the next block at 8 and 12.
    let leecher = [
        (Receive, 0, 1, 2, 0),
        (Compute, 0, 2, 7, 5),
        (Receive, 1, 7, 8, 0),
        (Compute, 1, 8, 12, 3),
        (Receive, 2, 12, 12, 0),
    ];
    let seeder = [
        (Sleep, 0, 0, 1, 0),
        (Send, 0, 1, 1, 0),
        (Write, 1, 3, 8, 1),
        (Send, 1, 8, 8, 0),
        (Write, 2, 8, 11, 0),
        (Send, 2, 11, 11, 0),
    ];
    // Of 2 to 8 the peer worked from 3 on; 8 to 12 is the receiver's.
    let programs = [(LEECHER, &leecher[..]), (SEEDER, &seeder)];
    check(base, &programs, "cpu 0.3 cpu_wait 0.1 left_open 0.1 network 0.5 peer_cpu 0.1 peer_disk 0.4");
}

fn a_request_is_waited_for_too() {
    // It goes on at 8 only: on the same CPU the seeder came before it.
    let leecher = [
        (Asks, 0, 0, 0, 0),
        (Receive, 0, 0, 0, 0),
        (Compute, 0, 0, 2, 2),
        (Asks, 1, 6, 8, 0),
        (Receive, 1, 10, 10, 0),
    ];
    let seeder = [(Send, 0, 0, 0, 0), (Timer, 1, 6, 10, 0), (Send, 1, 10, 10, 0)];
    let programs = [(LEECHER, &leecher[..]), (SEEDER, &seeder)];
    let base = |ask| Base { blocks: 2, ask, ..PLAIN };
    check(base(Ask::EveryTick(TICK)), &programs, "cpu 0.2 network 0.4 peer_timer 0.4 timer 0.4");
    check(base(Ask::Outstanding(1)), &programs, "cpu 0.2 left_open 0.4 network 0.4 peer_timer 0.4");
}

fn connections_count_by_their_bytes() {
    let base = Base { blocks: 2, nodes: Nodes::Uneven, ..PLAIN };
    let leecher = [
        (Receive, 0, 0, 0, 0),
        (Receive, SECOND_FIRST, 0, 0, 0),
        (Receive, 1, 10, 10, 0),
        (Receive, SECOND_FIRST + 1, 10, 10, 0),
    ];
    let sends = |first, state, cpu_ms| {
        [(Send, first, 0, 0, 0), (state, first + 1, 0, 10, cpu_ms), (Send, first + 1, 10, 10, 0)]
    };
    let (seeder, second) = (sends(0, Compute, 10), sends(SECOND_FIRST, Sleep, 0));
    let programs = [(LEECHER, &leecher[..]), (SEEDER, &seeder), (SECOND, &second)];
    check(base, &programs, "network 1.0 peer_cpu 0.9 peer_timer 0.1");
}

fn an_upload_is_told_by_its_sends() {
    let base = Base { blocks: 2, nodes: Nodes::Upload, ..PLAIN };
    let uploader = [(Send, 0, 0, 0, 0), (Receive, 0, 0, 6, 0), (Compute, 1, 6, 10, 4), (Send, 1, 10, 10, 0)];
    let storer = [(Receive, 0, 0, 0, 0), (Sleep, 0, 1, 6, 0), (Send, 0, 6, 6, 0)];
    let programs = [(UPLOADER, &uploader[..]), (STORER, &storer)];
    check(base, &programs, "cpu 0.4 left_open 0.1 network 0.5 peer_timer 0.5");
}

fn who_sleeps_may_wait_for_a_cpu_then() {
    let base = Base { blocks: 2, ..PLAIN };
    let leecher = [(Receive, 0, 0, 0, 0), (Receive, 1, 10, 10, 0)];
    let seeder = [(Send, 0, 0, 0, 0), (Sleep, 1, 0, 10, 0), (Send, 1, 10, 10, 0)];
    let mut programs = truths(&[(LEECHER, &leecher[..]), (SEEDER, &seeder)]);
    check_truths(base, &programs, "network 1.0 peer_timer 1.0");
    waits(&mut programs, SEEDER, 1, 4);
    check_truths(base, &programs, "network 1.0 peer_cpu_wait 0.4 peer_timer 0.6");
}

fn a_block_that_was_sent_waits_for_nobodys_work() {
    let base = Base { blocks: 2, ..PLAIN };
    // On one CPU, on which the seeder goes on with the next block.
    let leecher = [(Receive, 0, 0, 0, 0), (State::Wait, 0, 0, 10, 0), (Receive, 1, 10, 10, 0)];
    let seeder = [(Send, 0, 0, 0, 0), (Compute, 1, 0, 4, 4), (Send, 1, 4, 4, 0), (Compute, 2, 4, 10, 6)];
    let mut programs = truths(&[(LEECHER, &leecher[..]), (SEEDER, &seeder)]);
    waits(&mut programs, LEECHER, 1, 6);
    check_truths(base, &programs, "cpu_wait 0.6 network 0.4 peer_cpu 0.4");
}

fn a_first_block_is_waited_for_beside_others() {
    let base = Base { blocks: 2, nodes: Nodes::Uneven, ..PLAIN };
    let leecher = [
        (Receive, 0, 0, 1, 0),
        (Receive, SECOND_FIRST, 0, 10, 0),
        (Receive, 1, 1, 19, 0),
        (Receive, SECOND_FIRST + 1, 10, 19, 0),
    ];
    let seeder = [(Send, 0, 1, 1, 0), (Compute, 1, 1, 19, 18), (Send, 1, 19, 19, 0)];
    let second = [
        (Sleep, SECOND_FIRST, 0, 10, 0),
        (Send, SECOND_FIRST, 10, 10, 0),
        (Sleep, SECOND_FIRST + 1, 10, 19, 0),
        (Send, SECOND_FIRST + 1, 19, 19, 0),
    ];
    // Of 1 to 10 a sixth is the second one's, whose first block took 10 ms, and of the rest two elevenths.
    let programs = [(LEECHER, &leecher[..]), (SEEDER, &seeder), (SECOND, &second)];
    check(base, &programs, "network 1.0 peer_cpu 0.8 peer_timer 0.2");
}

/// So long could it run in an interval, and did not.
fn waits(programs: &mut BTreeMap<String, Truth>, program: &str, interval: usize, ms: u64) {
    let program = programs.get_mut(program).expect("a program of that name");
    program.intervals[interval].cpu_wait_ns = Some(ms * MS);
}

#[track_caller]
fn check(base: Base, programs: &[(&str, &[Row])], expected: &str) {
    check_truths(base, &truths(programs), expected);
}

fn truths(programs: &[(&str, &[Row])]) -> BTreeMap<String, Truth> {
    programs.iter().map(|(name, rows)| ((*name).to_owned(), truth(rows))).collect()
}

#[track_caller]
fn check_truths(base: Base, programs: &BTreeMap<String, Truth>, expected: &str) {
    let shares = known::shares(&base, programs);
    let words = shares.iter().filter(|(_, share)| **share > 0.001);
    let words: Vec<_> = words.map(|(name, share)| format!("{name} {share:.1}")).collect();
    assert_eq!(words.join(" "), expected);
}

fn truth(rows: &[Row]) -> Truth {
    let interval = |&(state, block, from_ms, to_ms, cpu_ms): &Row| Interval {
        tid: 1,
        state,
        from_ns: from_ms * MS,
        to_ns: to_ms * MS,
        cpu_ns: cpu_ms * MS,
        cpu_wait_ns: None,
        bytes: 0,
        block: Some(block),
    };
    Truth { pid: 1, intervals: rows.iter().map(interval).collect() }
}
