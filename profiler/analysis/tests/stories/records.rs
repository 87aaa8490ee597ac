//! Records as they come: out of order, early, doubled, without an end.

use analysis::{
    attribution::observed::threads::{self, Life},
    timeline::Lossy,
};
use capture::{ProcessSerial, span::Span};

use crate::{
    expect::check,
    tell::{BLOCK, BYTES, EPOLL, NET_RX, PREAD, Story, TIMER, by, futex},
};

const LOOP: u32 = 1;
const WORKER: u32 = 2;
const SOCKET: u64 = 10;
const MS: u64 = 1_000_000;

/// The loop's worker reads a disk, then the network brings the rest.
fn told_in_order() -> Story {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).waits(EPOLL, 3, TIMER).runs(1).waits(EPOLL, 6, by(WORKER));
    let script = script.sends(SOCKET, BYTES).runs(2).waits(EPOLL, 8, NET_RX).receives(SOCKET, BYTES);
    script.runs(1).waits(EPOLL, 9, NET_RX).receives(SOCKET, BYTES).runs(1);
    let script = story.thread(1, WORKER).runs(1).waits(PREAD, 7, BLOCK).runs(2);
    script.never_wakes(futex(7), 20);
    story.arrives(SOCKET, 20, BYTES);
    story.arrives(SOCKET, 30, BYTES);
    story
}

#[test]
fn the_order_of_records_does_not_matter() {
    let shares = "network 0.6667 disk 0.2333 cpu 0.1 | unknown 0.6667";
    let mut story = told_in_order();
    check(&story.download(1, 0, 30), shares);
    story.spans.reverse();
    story.spans.rotate_left(2);
    story.traffic.payloads.reverse();
    story.traffic.arrivals.reverse();
    check(&story.download(1, 0, 30), shares);
}

#[test]
fn woken_before_the_switch_was_seen() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).runs(4).waits_and_queues(EPOLL, 0, 2, by(WORKER)).runs(4);
    script.sends(SOCKET, BYTES).runs(1);
    story.spans[0].woken_ns = Some(3 * MS);
    story.thread(1, WORKER).runs(11);
    check(&story.upload(1, 0, 10), "cpu 0.8 cpu_wait 0.2");
    let states = story.states(0);
    assert_eq!((states.runqueue_ns, states.wait_thread_ns, states.sum_ns()), (2 * MS, 0, 11 * MS));
}

#[test]
fn a_wait_whose_wake_up_was_lost_is_other() {
    let mut story = Story::default();
    story.thread(1, LOOP).runs(4).waits(PREAD, 6, BLOCK).sends(SOCKET, BYTES).runs(1);
    story.spans[0] = Span { woken_ns: None, wake: Default::default(), ..story.spans[0] };
    check(&story.upload(1, 0, 10), "other 0.6 cpu 0.4");
    assert_eq!(story.states(0).wait_other_ns, 6 * MS);
}

#[test]
fn a_stay_without_an_end_lasts_to_the_next_one() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).runs(1).waits(PREAD, 3, BLOCK).runs(2).waits(PREAD, 4, BLOCK);
    script.sends(SOCKET, BYTES).runs(1);
    story.spans[0].on_ns = None;
    // Woken after 3 ms; that it ran was lost, and no CPU time is claimed.
    check(&story.upload(1, 0, 10), "disk 0.7 cpu_wait 0.2 cpu 0.1");
    assert_eq!(story.observed().threads.mended, 1);
    assert_eq!(story.states(0).sum_ns(), 11 * MS);
}

#[test]
fn a_thread_id_is_reused() {
    let life = |process, since_ns, end_ns| Life {
        process: ProcessSerial(process),
        tid: 5,
        creator: None,
        since_ns,
        end_ns,
    };
    let threads = threads::order(&[life(1, 0, 10), life(2, 20, 30)], Default::default());
    assert_eq!([5, 15, 25].map(|at_ns| threads.find(5, at_ns)), [Some(0), None, Some(1)]);
}

#[test]
fn spans_of_strangers_are_counted() {
    let mut story = told_in_order();
    story.lives.pop();
    assert_eq!(story.observed().threads.orphans, 2);
}

#[test]
fn a_phase_without_progress_is_other() {
    let mut story = Story::default();
    story.thread(1, LOOP).waits(EPOLL, 10, NET_RX).runs(1);
    check(&story.download(1, 0, 10), "other 1.0");
}

#[test]
fn a_phase_may_end_between_two_records() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).runs(1).receives(SOCKET, BYTES).waits(EPOLL, 9, NET_RX);
    script.receives(SOCKET, BYTES).runs(2);
    check(&story.download(1, 0, 5), "network 0.8 cpu 0.2");
    // After the last bytes nothing was waited for.
    check(&story.download(1, 1, 12), "network 0.8182 other 0.1818");
}

#[test]
fn where_records_were_lost_nothing_is_known() {
    let mut story = Story::default();
    story.thread(1, 1).waits(PREAD, 4, BLOCK).runs(6).sends(10, BYTES);
    // The thread looks as if it had run, and may have slept; before that, nobody knows what the bytes waited for.
    story.lossy.push(Lossy { from_ns: 6 * MS, to_ns: 9 * MS });
    check(&story.upload(1, 0, 10), "other 0.9 cpu 0.1");
}

#[test]
fn a_loss_at_the_end_hides_all_before() {
    let mut story = Story::default();
    story.thread(1, 1).waits(PREAD, 4, BLOCK).runs(6).sends(10, BYTES);
    story.lossy.push(Lossy { from_ns: 8 * MS, to_ns: 12 * MS });
    check(&story.upload(1, 0, 10), "other 1.0");
}

#[test]
fn behind_a_loss_a_thread_is_walked_again() {
    let mut story = Story::default();
    story.thread(1, 1).waits(PREAD, 3, BLOCK).runs(7);
    story.lossy.push(Lossy { from_ns: 4 * MS, to_ns: 6 * MS });
    check(&story.of_thread(0, 0, 10), "cpu 0.5 disk 0.3 other 0.2");
}

#[test]
fn after_its_end_a_thread_did_nothing() {
    let mut story = Story::default();
    story.thread(1, 1).waits(PREAD, 3, BLOCK).runs(5);
    check(&story.of_thread(0, 0, 10), "cpu 0.5 disk 0.3 other 0.2");
}

#[test]
fn a_waker_that_is_not_known_or_the_thread_itself_is_other() {
    for waker in [99, LOOP] {
        let mut story = Story::default();
        let script = story.thread(1, LOOP).waits(PREAD, 5, BLOCK).waits(EPOLL, 4, by(waker)).runs(1);
        script.sends(SOCKET, BYTES).runs(1);
        check(&story.upload(1, 0, 10), "disk 0.5 other 0.4 cpu 0.1");
    }
}

#[test]
fn a_loop_that_something_unknown_woke_is_other() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).runs(3).waits(EPOLL, 6, Default::default()).runs(1);
    script.sends(SOCKET, BYTES).runs(1);
    check(&story.upload(1, 0, 10), "other 0.6 cpu 0.4");
}

#[test]
fn a_phase_that_ends_before_it_begins_is_empty() {
    let story = told_in_order();
    let budget = story.download(1, 20, 10);
    assert_eq!((budget.wall_ns, budget.bottleneck), (0, None));
    assert!(budget.shares.named().iter().all(|(_, share)| *share == 0.0), "{:?}", budget.shares);
}

#[test]
fn times_and_bytes_beyond_all_bounds_are_no_harm() {
    let mut story = told_in_order();
    story.lives[0].end_ns = u64::MAX;
    for span in &mut story.spans {
        (span.woken_ns, span.deadline_ns) = (span.woken_ns.map(|_| u64::MAX), Some(u64::MAX));
    }
    for payload in &mut story.traffic.payloads {
        payload.bytes = u64::MAX - 1;
    }
    story.traffic.arrivals[0].at_ns = u64::MAX;
    story.download(1, 0, 30);
    story.upload(1, 0, 30);
    // A thread that ended before it began.
    story.lives[0] = Life { since_ns: 9 * MS, end_ns: 5 * MS, ..story.lives[0] };
    story.download(1, 0, 30);
}
