//! Several threads of one process: a wait for another thread is that thread's path.

use crate::{
    expect::check,
    script::Script,
    tell::{BLOCK, BYTES, EPOLL, NET_RX, PREAD, Story, TIMER, WAIT4, by, futex},
};

const LOOP: u32 = 1;
const WORKER: u32 = 2;
const HELPER: u32 = 3;
const SOCKET: u64 = 10;

#[test]
fn a_worker_reads_the_disk_for_an_event_loop() {
    let mut story = Story::default();
    story.thread(1, LOOP).runs(1).waits(EPOLL, 9, by(WORKER)).sends(SOCKET, BYTES).runs(1);
    let script = story.thread(1, WORKER).waits(futex(7), 1, by(LOOP)).waits(PREAD, 8, BLOCK).runs(1);
    script.never_wakes(futex(7), 1);
    check(&story.upload(1, 0, 10), "disk 0.8 cpu 0.2");
}

#[test]
fn a_worker_that_is_still_awake_needs_no_wake_up() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).runs(1).waits(EPOLL, 4, by(WORKER)).sends(SOCKET, BYTES);
    script.waits(EPOLL, 5, by(WORKER)).sends(SOCKET, BYTES).runs(1);
    let script = story.thread(1, WORKER).waits(futex(7), 1, by(LOOP)).waits(PREAD, 4, BLOCK);
    script.runs(1).waits(PREAD, 4, BLOCK).never_wakes(futex(7), 1);
    check(&story.upload(1, 0, 10), "disk 0.8 cpu 0.2");
}

#[test]
fn a_chain_of_threads_is_followed_to_its_end() {
    let mut story = Story::default();
    story.thread(1, LOOP).waits(EPOLL, 10, by(WORKER)).sends(SOCKET, BYTES).runs(1);
    story.thread(1, WORKER).runs(1).waits(futex(7), 8, by(HELPER)).runs(1).never_wakes(futex(7), 1);
    story.thread(1, HELPER).runs(3).waits(PREAD, 5, BLOCK).runs(1).never_wakes(futex(8), 2);
    check(&story.upload(1, 0, 10), "disk 0.5 cpu 0.5");
}

#[test]
fn a_tick_while_a_worker_reads_is_the_workers() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).waits(EPOLL, 4, TIMER).runs(1).waits(EPOLL, 5, by(WORKER));
    script.sends(SOCKET, BYTES).runs(1);
    story.thread(1, WORKER).waits(PREAD, 10, BLOCK).never_wakes(futex(7), 1);
    check(&story.upload(1, 0, 10), "disk 1.0");
}

#[test]
fn a_spurious_wake_takes_the_cause_of_the_wait_that_it_interrupted() {
    let mut story = Story::default();
    // A broadcast of the helper's wakes everyone; only the worker's signal brings work.
    let script = story.thread(1, LOOP).waits(futex(7), 3, by(HELPER)).runs(1).waits(futex(7), 6, by(WORKER));
    script.sends(SOCKET, BYTES).runs(1);
    story.thread(1, HELPER).runs(3).never_wakes(futex(8), 8);
    story.thread(1, WORKER).waits(PREAD, 9, BLOCK).runs(1).never_wakes(futex(9), 1);
    check(&story.upload(1, 0, 10), "disk 0.9 cpu 0.1");
}

#[test]
fn a_join_is_what_the_other_thread_did() {
    let mut story = Story::default();
    story.thread(1, LOOP).runs(2).waits(futex(7), 8, by(WORKER)).sends(SOCKET, BYTES).runs(1);
    story.created(2, 1, WORKER, LOOP).runs(3).waits(PREAD, 4, BLOCK).runs(1);
    check(&story.upload(1, 0, 10), "cpu 0.6 disk 0.4");
}

#[test]
fn before_a_thread_was_born_nothing_is_known() {
    let mut story = Story::default();
    story.thread(1, LOOP).waits(futex(7), 8, by(WORKER)).runs(2).sends(SOCKET, BYTES).runs(1);
    story.thread_from(6, 1, WORKER).runs(2);
    check(&story.upload(1, 0, 10), "other 0.6 cpu 0.4");
}

#[test]
fn a_thread_that_never_wakes_hides_nothing() {
    let mut story = Story::default();
    story.thread(1, LOOP).waits(EPOLL, 8, NET_RX).receives(SOCKET, BYTES).runs(2);
    story.thread(1, WORKER).runs(1).never_wakes(futex(7), 9);
    check(&story.download(1, 0, 8), "network 1.0 | unknown 1.0");
    let states = story.states(1);
    assert_eq!((states.wait_idle_ns, states.cpu_ns, states.sum_ns()), (9_000_000, 1_000_000, 10_000_000));
}

#[test]
fn threads_that_seem_to_wake_each_other_end_in_other() {
    let mut story = Story::default();
    // Both wake-ups at once: one of the two records must be wrong.
    story.thread(1, LOOP).waits(futex(7), 10, by(WORKER)).sends(SOCKET, BYTES).runs(1);
    story.thread(1, WORKER).waits(futex(8), 10, by(LOOP)).runs(1);
    check(&story.upload(1, 0, 10), "other 1.0");
}

#[test]
fn without_any_payload_every_wait_is_its_own() {
    // A shell that waits for two children: the second one, which slept all the time, would have been as late without the
    // first.
    let mut story = Story::default();
    story.thread(1, LOOP).waits(WAIT4, 4, by(WORKER)).waits(WAIT4, 4, by(HELPER)).runs(2);
    story.thread(2, WORKER).waits(PREAD, 4, BLOCK);
    story.thread(3, HELPER).waits(PREAD, 4, TIMER).waits(PREAD, 4, TIMER);
    check(&story.of_thread(0, 0, 10), "timer 0.8 cpu 0.2");
}

/// Two threads of one daemon, one of which moves its payload: the other is asked for something, asks the first, and
/// is answered.
fn a_question_between_two_threads(story: &mut Story) -> Script<'_> {
    let script = story.thread(1, WORKER).waits(EPOLL, 4, NET_RX).runs(1).waits(futex(8), 1, by(LOOP));
    script.runs(2).never_wakes(EPOLL, 12);
    story.thread(1, LOOP).waits(EPOLL, 5, by(WORKER)).runs(1).waits(futex(7), 2, by(WORKER)).runs(1)
}

#[test]
fn a_question_that_two_threads_pass_between_them_is_not_what_the_loop_waits_for() {
    let mut story = Story::default();
    a_question_between_two_threads(&mut story).waits(EPOLL, 11, NET_RX).receives(SOCKET, BYTES);
    story.arrives(SOCKET, 20, BYTES);
    check(&story.download(1, 0, 20), "network 1.0");
}

#[test]
fn a_hand_over_that_leads_somewhere_is_what_the_loop_waits_for() {
    let mut story = Story::default();
    let script = a_question_between_two_threads(&mut story).sends(SOCKET, 10);
    script.waits(EPOLL, 11, NET_RX).receives(SOCKET, BYTES);
    story.arrives(SOCKET, 20, BYTES);
    // The question came in over a socket that the profiler knows nothing of.
    check(&story.download(1, 0, 20), "network 0.75 cpu 0.25 | unknown 0.75");
}

#[test]
fn bytes_that_come_after_the_wake_up_by_another_thread_are_the_networks() {
    let mut story = Story::default();
    story.thread(1, LOOP).waits(EPOLL, 8, by(WORKER)).runs(2).receives(SOCKET, BYTES);
    story.thread(1, WORKER).waits(PREAD, 7, BLOCK).runs(1).never_wakes(futex(7), 2);
    story.arrives(SOCKET, 9, BYTES);
    check(&story.download(1, 0, 10), "network 0.9 cpu 0.1");
}

#[test]
fn bytes_that_were_there_waited_for_their_loop() {
    let mut story = Story::default();
    story.thread(1, LOOP).waits(EPOLL, 8, by(WORKER)).runs(2).receives(SOCKET, BYTES);
    story.thread(1, WORKER).waits(PREAD, 7, BLOCK).runs(1).never_wakes(futex(7), 2);
    story.arrives(SOCKET, 3, BYTES);
    check(&story.download(1, 0, 10), "cpu_wait 0.5 network 0.3 cpu 0.2");
}

#[test]
fn a_wait_for_a_thread_is_no_wait_for_bytes() {
    let mut story = Story::default();
    // The bytes come meanwhile, and nobody listens.
    story.thread(1, LOOP).waits(futex(7), 8, by(WORKER)).runs(2).receives(SOCKET, BYTES);
    story.thread(1, WORKER).waits(PREAD, 7, BLOCK).runs(1).never_wakes(futex(8), 2);
    story.arrives(SOCKET, 3, BYTES);
    check(&story.download(1, 0, 10), "disk 0.7 cpu 0.3");
}

#[test]
fn a_timer_that_another_thread_sets_waits_for_that_thread() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).waits_for_timer(EPOLL, 8, 77).runs(2);
    script.sends(SOCKET, BYTES).runs(1);
    story.thread(1, WORKER).waits(PREAD, 2, BLOCK).runs(1).sets_timer(77, 8).never_wakes(futex(7), 8);
    check(&story.upload(1, 0, 10), "timer 0.5 cpu 0.3 disk 0.2");
}

#[test]
fn a_request_of_a_loop_begins_with_its_submission() {
    let mut story = Story::default();
    story.thread(1, LOOP).runs(3).waits(EPOLL, 6, BLOCK).runs(1).sends(SOCKET, BYTES).runs(1);
    story.spans[0].submitted_ns = Some(2_000_000);
    check(&story.upload(1, 0, 10), "disk 0.7 cpu 0.3");
    // Where that is not known, with the first wait after the last send.
    let mut story = Story::default();
    let script = story.thread(1, LOOP).runs(1).sends(SOCKET, 10).runs(1).waits(EPOLL, 2, TIMER).runs(1);
    script.waits(EPOLL, 4, BLOCK).runs(1).sends(SOCKET, BYTES).runs(1);
    check(&story.upload(1, 0, 10), "disk 0.7 cpu 0.3");
}

#[test]
fn a_request_that_another_thread_submits_is_the_disks_from_then_on() {
    let mut story = Story::default();
    story.thread(1, LOOP).waits(EPOLL, 9, BLOCK).runs(1).sends(SOCKET, BYTES).runs(1);
    (story.spans[0].submitted_ns, story.spans[0].submitter_tid) = (Some(5_000_000), Some(WORKER));
    story.thread(1, WORKER).runs(5).never_wakes(futex(7), 6);
    check(&story.upload(1, 0, 10), "cpu 0.6 disk 0.4");
}

#[test]
fn waits_that_a_timer_passed_over_are_asked_no_more() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).runs(2).waits_until_due(EPOLL, 3, 10, by(WORKER));
    script.waits_until_due(EPOLL, 5, 10, TIMER).sends(SOCKET, BYTES).runs(1);
    story.thread(1, WORKER).waits(PREAD, 5, BLOCK).never_wakes(futex(7), 6);
    check(&story.upload(1, 0, 10), "timer 0.8 cpu 0.2");
}

#[test]
fn time_outs_in_ms_are_one_and_others_are_not() {
    let story = |first_due_ms| {
        let mut story = Story::default();
        let script = story.thread(1, LOOP).runs(2).waits_until_due(EPOLL, 3, first_due_ms, by(WORKER));
        script.waits_until_due(EPOLL, 5, 10, TIMER).sends(SOCKET, BYTES).runs(1);
        story.thread(1, WORKER).waits(PREAD, 5, BLOCK).never_wakes(futex(7), 6);
        story.upload(1, 0, 10)
    };
    check(&story(11), "timer 0.8 cpu 0.2");
    check(&story(30), "disk 0.5 timer 0.5");
}

#[test]
fn slow_bytes_are_walked_for_as_well() {
    let mut story = Story::default();
    let mut script = story.thread(1, LOOP);
    for _ in 0..4 {
        script = script.waits(PREAD, 200, BLOCK).runs(50);
    }
    script.sends(SOCKET, BYTES).runs(1);
    check(&story.upload(1, 0, 1000), "disk 0.8 cpu 0.2");
}

#[test]
fn the_longest_are_the_heaviest() {
    let mut story = Story::default();
    let mut script = story.thread(1, LOOP);
    for ms in 1..=12 {
        script = script.waits(PREAD, ms, BLOCK);
    }
    script.runs(22).sends(SOCKET, BYTES).runs(1);
    let longest = story.upload(1, 0, 100).longest;
    let lengths: Vec<u64> = longest.iter().map(|segment| segment.to_ns - segment.from_ns).collect();
    assert_eq!(lengths, [22, 12, 11, 10, 9, 8, 7, 6, 5, 4].map(|ms| ms * 1_000_000));
}

#[test]
fn a_timer_is_not_armed_before_the_last_send() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).waits(EPOLL, 4, by(WORKER)).sends(SOCKET, 10).waits(EPOLL, 6, TIMER);
    script.sends(SOCKET, BYTES).runs(1);
    story.thread(1, WORKER).waits(PREAD, 4, BLOCK).never_wakes(futex(7), 7);
    check(&story.upload(1, 0, 10), "timer 0.6 disk 0.4");
}
