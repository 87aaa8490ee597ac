//! Event loops: every wait looks like `epoll_wait`.

use crate::{
    expect::check,
    tell::{BLOCK, BYTES, EPOLL, FSYNC, NET_RX, PREAD, RECV, SLEEP, Story, TIMER, by, futex},
};

const LOOP: u32 = 1;
const WORKER: u32 = 2;
const SOCKET: u64 = 10;
const FAR: u64 = 20;

#[test]
fn a_tick_that_finds_nothing_is_not_what_the_loop_waits_for() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).waits(EPOLL, 4, TIMER).runs(1).waits(EPOLL, 4, TIMER).runs(1);
    script.waits(EPOLL, 10, NET_RX).receives(SOCKET, BYTES).runs(1);
    story.arrives(SOCKET, 20, BYTES);
    check(&story.download(1, 0, 20), "network 1.0 | unknown 1.0");
}

#[test]
fn a_loop_that_sleeps_while_bytes_wait_is_its_own_bottleneck() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).runs(1).waits(SLEEP, 9, TIMER).receives(SOCKET, BYTES);
    script.runs(1).waits(SLEEP, 9, TIMER).receives(SOCKET, BYTES).runs(1);
    story.arrives(SOCKET, 0, BYTES);
    story.arrives(SOCKET, 11, BYTES);
    check(&story.download(1, 0, 20), "timer 0.9 cpu 0.1");
}

#[test]
fn a_tick_is_the_networks_if_the_bytes_come_only_after_it() {
    let mut story = Story::default();
    story.thread(1, LOOP).waits(EPOLL, 8, TIMER).runs(2).receives(SOCKET, BYTES).runs(1);
    story.arrives(SOCKET, 9, BYTES);
    check(&story.download(1, 0, 10), "network 0.9 cpu 0.1");
}

#[test]
fn of_many_short_sleeps_only_the_one_that_bytes_had_to_wait_for_is_the_timers() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).waits(SLEEP, 4, TIMER).runs(1).waits(SLEEP, 4, TIMER).runs(1);
    script.waits(SLEEP, 4, TIMER).runs(1).waits(SLEEP, 5, TIMER).receives(SOCKET, BYTES).runs(1);
    story.arrives(SOCKET, 17, BYTES);
    check(&story.download(1, 0, 20), "network 0.85 timer 0.15");
}

#[test]
fn a_sleep_before_a_wait_for_the_network_did_not_delay_it() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).waits(SLEEP, 4, TIMER).runs(1).waits(EPOLL, 5, NET_RX);
    script.receives(SOCKET, BYTES).runs(1);
    story.arrives(SOCKET, 10, BYTES);
    check(&story.download(1, 0, 10), "network 1.0");
}

#[test]
fn a_tick_that_sends_is_a_timer() {
    let mut story = Story::default();
    story.thread(1, LOOP).waits(EPOLL, 9, TIMER).runs(1).sends(SOCKET, BYTES).runs(1);
    check(&story.upload(1, 0, 10), "timer 0.9 cpu 0.1");
}

#[test]
fn a_tick_that_reads_and_sends_is_a_timer_and_a_disk() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).waits(EPOLL, 5, TIMER).runs(1).waits(PREAD, 3, BLOCK);
    script.runs(1).sends(SOCKET, BYTES).runs(1);
    check(&story.upload(1, 0, 10), "timer 0.5 disk 0.3 cpu 0.2");
}

#[test]
fn a_wait_for_one_certain_thing_keeps_its_cause() {
    let mut story = Story::default();
    // The receiver fsyncs its last block, then asks for the next.
    let script = story.thread(1, LOOP).receives(SOCKET, BYTES).runs(1).waits(FSYNC, 6, BLOCK);
    script.runs(1).sends(SOCKET, 10).waits(EPOLL, 2, NET_RX).receives(SOCKET, BYTES).runs(1);
    check(&story.download(1, 0, 10), "disk 0.6 network 0.2 cpu 0.2");
}

#[test]
fn a_sleep_before_a_blocking_receive_did_not_delay_it() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).runs(1).waits(SLEEP, 5, TIMER).waits(RECV, 4, NET_RX);
    script.receives(SOCKET, BYTES).runs(1);
    story.arrives(SOCKET, 10, BYTES);
    check(&story.download(1, 0, 10), "network 1.0");
}

#[test]
fn a_tick_that_sets_a_worker_to_work_is_a_timer() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).waits(EPOLL, 5, TIMER).runs(1).waits(EPOLL, 4, by(WORKER));
    script.sends(SOCKET, BYTES).runs(1);
    let script = story.thread(1, WORKER).waits(futex(7), 6, by(LOOP)).waits(PREAD, 3, BLOCK);
    script.runs(1).never_wakes(futex(7), 1);
    check(&story.upload(1, 0, 10), "timer 0.5 disk 0.3 cpu 0.2");
}

#[test]
fn a_tick_whose_worker_asks_for_the_bytes_is_a_timer() {
    let mut story = Story::default();
    story.connect(SOCKET, FAR);
    let script = story.thread(1, LOOP).waits(EPOLL, 5, TIMER).runs(1).waits(EPOLL, 4, NET_RX);
    script.receives(SOCKET, BYTES).runs(1);
    story.thread(1, WORKER).waits(futex(7), 6, by(LOOP)).sends(SOCKET, 10).never_wakes(futex(7), 5);
    story.thread(2, 3).waits(EPOLL, 6, NET_RX).receives(FAR, 10).runs(4).sends(FAR, BYTES).runs(1);
    story.arrives(FAR, 6, 10);
    story.arrives(SOCKET, 10, BYTES);
    check(&story.download(1, 0, 10), "timer 0.5 network 0.4 cpu 0.1 | peer_cpu 0.4");
}

#[test]
fn a_tick_that_only_wakes_a_logger_finds_nothing() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).waits(EPOLL, 5, TIMER).runs(1).waits(EPOLL, 4, NET_RX);
    script.receives(SOCKET, BYTES).runs(1);
    story.thread(1, WORKER).waits(futex(7), 6, by(LOOP)).runs(1).never_wakes(futex(7), 4);
    story.arrives(SOCKET, 10, BYTES);
    check(&story.download(1, 0, 10), "network 1.0");
}

#[test]
fn packets_that_bring_nothing_do_not_hide_the_pacing_of_a_sender() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).waits(EPOLL, 3, NET_RX).runs(1).waits(EPOLL, 5, TIMER);
    script.runs(1).sends(SOCKET, BYTES).runs(1);
    check(&story.upload(1, 0, 10), "timer 0.9 cpu 0.1");
}

#[test]
fn of_datagrams_that_wait_the_oldest_counts() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).receives_datagram(SOCKET, BYTES).waits(SLEEP, 10, TIMER);
    script.runs(1).receives_datagram(SOCKET, BYTES).runs(1);
    // One comes during the sleep, one after it: the loop could have had the first.
    for at_ms in [0, 4, 11] {
        story.datagram_arrives(SOCKET, at_ms);
    }
    check(&story.download(1, 0, 11), "timer 0.9091 cpu 0.0909");
}

#[test]
fn busy_polling_is_cpu_and_named() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).runs(6).loses_its_cpu(2).runs(2).polls_and_receives(SOCKET, BYTES);
    script.runs(10).receives(SOCKET, BYTES).runs(1);
    story.arrives(SOCKET, 9, BYTES);
    story.arrives(SOCKET, 12, BYTES);
    let budget = story.download(1, 0, 20);
    check(&budget, "cpu 0.9 cpu_wait 0.1");
    // 6 ms and 1 ms until the bytes are there; then 1 ms, and 10 ms of work with bytes waiting.
    assert!((budget.polling - 0.35).abs() < 1e-3, "{}", budget.polling);
}

#[test]
fn without_arrivals_a_timer_is_believed() {
    let mut story = Story::default();
    story.thread(1, LOOP).waits(EPOLL, 8, TIMER).runs(2).receives(SOCKET, BYTES).runs(1);
    check(&story.download(1, 0, 10), "timer 0.8 cpu 0.2");
}

#[test]
fn a_download_is_cut_at_its_receives_only() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).waits(EPOLL, 4, NET_RX).receives(SOCKET, BYTES);
    script.waits(EPOLL, 6, NET_RX).receives(SOCKET, BYTES).runs(1);
    story.thread(1, WORKER).runs(3).sends(FAR, 10).runs(5).sends(FAR, 10).runs(3);
    check(&story.download(1, 0, 10), "network 1.0");
    check(&story.upload(1, 0, 8), "cpu 1.0");
}

#[test]
fn a_sleep_after_a_round_without_progress_is_a_poll() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).receives(SOCKET, BYTES).waits(SLEEP, 4, TIMER).runs(1);
    script.waits(SLEEP, 5, TIMER).receives(SOCKET, BYTES).runs(1);
    story.arrives(SOCKET, 0, BYTES);
    story.arrives(SOCKET, 8, BYTES);
    check(&story.download(1, 0, 10), "network 0.8 timer 0.2");
}

#[test]
fn bytes_that_several_rounds_let_lie_waited_for_the_timer_all_the_time() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).waits(SLEEP, 4, TIMER).runs(1).waits(SLEEP, 5, TIMER);
    script.receives(SOCKET, BYTES).runs(1);
    story.arrives(SOCKET, 0, BYTES);
    check(&story.download(1, 0, 10), "timer 1.0");
}

#[test]
fn busy_polling_weighs_as_the_bytes_do() {
    let mut story = Story::default();
    story.thread(1, LOOP).runs(10).polls_and_receives(SOCKET, BYTES).runs(1);
    story.thread(1, WORKER).runs(10).receives(FAR, BYTES).runs(1);
    story.arrives(SOCKET, 10, BYTES);
    let budget = story.download(1, 0, 10);
    check(&budget, "cpu 1.0");
    assert!((budget.polling - 0.5).abs() < 1e-3, "{}", budget.polling);
}

#[test]
fn busy_polling_of_a_peer_is_not_ours() {
    let mut story = Story::default();
    story.connect(SOCKET, FAR);
    let script = story.thread(1, LOOP).sends(SOCKET, 10).waits(EPOLL, 10, NET_RX);
    script.receives(SOCKET, BYTES).runs(1);
    story.thread(2, 3).runs(8).polls_and_receives(FAR, 10).runs(2).sends(FAR, BYTES).runs(1);
    story.arrives(FAR, 8, 10);
    story.arrives(SOCKET, 10, BYTES);
    let budget = story.download(1, 0, 10);
    check(&budget, "network 1.0 | peer_cpu 1.0");
    assert_eq!(budget.polling, 0.0);
}

#[test]
fn a_plain_sleep_is_armed_at_its_beginning() {
    let mut story = Story::default();
    let script = story.thread(1, LOOP).waits(SLEEP, 5, TIMER).runs(4).waits(SLEEP, 1, TIMER);
    script.sends(SOCKET, BYTES).runs(1);
    check(&story.upload(1, 0, 10), "timer 0.6 cpu 0.4");
}
