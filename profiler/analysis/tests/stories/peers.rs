//! Through the network: what the peer did while we waited.

use crate::{
    expect::check,
    tell::{BLOCK, BYTES, EPOLL, NET_RX, PREAD, RECV, SLEEP, Story, TIMER, by, futex},
};

const LEECHER: u64 = 1;
const SEEDER: u64 = 2;
const THIRD: u64 = 3;
/// The leecher's socket, and the seeder's.
const NEAR: u64 = 10;
const FAR: u64 = 20;

/// The leecher receives a block at 10 ms, after a wait of 10 ms.
fn leecher_waits() -> Story {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    story.thread(LEECHER, 1).waits(EPOLL, 10, NET_RX).receives(NEAR, BYTES).runs(1);
    story.arrives(NEAR, 10, BYTES);
    story
}

#[test]
fn a_sender_that_sleeps() {
    let mut story = leecher_waits();
    story.thread(SEEDER, 2).waits(SLEEP, 9, TIMER).runs(1).sends(FAR, BYTES).runs(1);
    check(&story.download(LEECHER, 0, 10), "network 1.0 | peer_timer 0.9 peer_cpu 0.1");
}

#[test]
fn a_sender_that_reads_a_disk() {
    let mut story = leecher_waits();
    story.thread(SEEDER, 2).runs(1).waits_for_io(PREAD, 9, BLOCK).sends(FAR, BYTES).runs(1);
    check(&story.download(LEECHER, 0, 10), "network 1.0 | peer_disk 0.9 peer_cpu 0.1");
}

#[test]
fn a_sender_whose_worker_reads_while_its_loop_ticks() {
    let mut story = leecher_waits();
    let script = story.thread(SEEDER, 2).waits(EPOLL, 4, TIMER).runs(1).waits(EPOLL, 5, by(3));
    script.sends(FAR, BYTES).runs(1);
    story.thread(SEEDER, 3).waits(PREAD, 10, BLOCK).never_wakes(futex(7), 1);
    check(&story.download(LEECHER, 0, 10), "network 1.0 | peer_disk 1.0");
}

#[test]
fn a_sender_without_a_cpu_and_with_a_lock() {
    let mut story = leecher_waits();
    let script = story.thread(SEEDER, 2).loses_its_cpu(3).waits(futex(7), 5, by(3)).runs(2);
    script.sends(FAR, BYTES).runs(1);
    story.thread(SEEDER, 3).waits(futex(7), 1, by(2)).runs(10);
    check(&story.download(LEECHER, 0, 10), "network 1.0 | peer_lock 0.5 peer_cpu_wait 0.3 peer_cpu 0.2");
}

#[test]
fn request_and_response_with_computing_on_both_sides() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    let mut script = story.thread(LEECHER, 1).runs(5);
    for _ in 0..4 {
        script = script.sends(NEAR, 100).waits(RECV, 5, NET_RX).receives(NEAR, BYTES).runs(5);
    }
    let mut script = story.thread(SEEDER, 2);
    for _ in 0..4 {
        script = script.waits(EPOLL, 5, NET_RX).receives(FAR, 100).runs(5).sends(FAR, BYTES);
    }
    for turn in 0..4 {
        story.arrives(FAR, 5 + 10 * turn, 100);
        story.arrives(NEAR, 10 + 10 * turn, BYTES);
    }
    check(&story.download(LEECHER, 0, 40), "network 0.5 cpu 0.5 | peer_cpu 0.5");
}

#[test]
fn two_peers_weigh_by_their_rates() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    story.connect(NEAR + 1, FAR + 1);
    let script = story.thread(LEECHER, 1).waits(EPOLL, 9, NET_RX).receives(NEAR, BYTES).runs(1);
    script.receives(NEAR + 1, BYTES).runs(1);
    story.thread(SEEDER, 2).runs(9).sends(FAR, BYTES).runs(2);
    story.thread(THIRD, 3).waits(PREAD, 8, BLOCK).runs(1).sends(FAR + 1, BYTES).runs(1);
    story.arrives(NEAR, 9, BYTES);
    story.arrives(NEAR + 1, 9, BYTES);
    // The seeder's block in 9 ms, beside the third node's in 10: 10 / 19 of each moment, and 9 / 19. Of these 8 ms its disk.
    let detail = "peer_cpu 0.5211 peer_disk 0.3789";
    check(&story.download(LEECHER, 0, 10), &format!("network 0.9 cpu 0.1 | {detail}"));
}

#[test]
fn each_connection_is_asked_for_its_own_arrival() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    story.connect(NEAR + 1, FAR + 1);
    // The third node's bytes come 1 ms after the seeder's have woken the leecher, and are read before them.
    let script = story.thread(LEECHER, 1).waits_and_queues(EPOLL, 8, 2, NET_RX).receives(NEAR + 1, BYTES);
    script.receives(NEAR, BYTES).runs(1);
    story.thread(SEEDER, 2).runs(8).sends(FAR, BYTES).runs(3);
    story.thread(THIRD, 3).waits(PREAD, 9, BLOCK).sends(FAR + 1, BYTES).runs(2);
    story.arrives(NEAR, 8, BYTES);
    story.arrives(NEAR + 1, 9, BYTES);
    check(&story.download(LEECHER, 0, 10), "network 0.85 cpu_wait 0.15 | peer_disk 0.45 peer_cpu 0.4");
}

#[test]
fn the_request_is_on_its_way_before_the_peer_can_answer() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    let script = story.thread(LEECHER, 1).sends(NEAR, 100).waits(RECV, 10, NET_RX);
    script.receives(NEAR, BYTES).runs(1);
    story.in_flight(NEAR, 0);
    story.thread(SEEDER, 2).waits(RECV, 4, NET_RX).receives(FAR, 100).runs(2).sends(FAR, BYTES).runs(5);
    story.in_flight(FAR, 6);
    story.arrives(FAR, 4, 100);
    story.arrives(NEAR, 10, BYTES);
    check(&story.download(LEECHER, 0, 10), "network 1.0 | link 0.8 peer_cpu 0.2");
}

#[test]
fn a_peer_that_waits_for_another_thread_of_ours() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    story.thread(LEECHER, 1).waits(EPOLL, 10, NET_RX).receives(NEAR, BYTES).runs(1);
    story.thread(LEECHER, 3).runs(7).sends(NEAR, 100).runs(4);
    story.thread(SEEDER, 2).waits(EPOLL, 7, NET_RX).receives(FAR, 100).runs(3).sends(FAR, BYTES).runs(1);
    story.arrives(FAR, 7, 100);
    story.arrives(NEAR, 10, BYTES);
    check(&story.download(LEECHER, 0, 10), "cpu 0.7 network 0.3 | peer_cpu 0.3");
}

#[test]
fn a_peer_that_waits_for_a_third_node() {
    let mut story = leecher_waits();
    story.connect(FAR + 1, 30);
    story
        .thread(SEEDER, 2)
        .waits(EPOLL, 8, NET_RX)
        .receives(FAR + 1, BYTES)
        .runs(2)
        .sends(FAR, BYTES)
        .runs(1);
    story.thread(THIRD, 3).waits(SLEEP, 8, TIMER).sends(30, BYTES).runs(1);
    story.arrives(FAR + 1, 8, BYTES);
    check(&story.download(LEECHER, 0, 10), "network 1.0 | peer_timer 0.8 peer_cpu 0.2");
}

#[test]
fn what_cannot_be_paired_is_unknown() {
    let mut story = leecher_waits();
    story.thread(SEEDER, 2).waits(SLEEP, 9, TIMER).runs(1).sends(FAR, BYTES).runs(1);
    story.traffic.sockets.pop();
    check(&story.download(LEECHER, 0, 10), "network 1.0 | unknown 1.0");
}

#[test]
fn a_send_that_was_not_recorded_is_unknown() {
    let mut story = leecher_waits();
    let script = story.thread(SEEDER, 2).runs(9).sends(FAR, BYTES).runs(1).sends(FAR, BYTES);
    script.waits(SLEEP, 10, TIMER);
    story.traffic.payloads.retain(|payload| payload.at_ns != 9_000_000);
    check(&story.download(LEECHER, 0, 10), "network 1.0 | unknown 1.0");
}

#[test]
fn each_wait_of_one_receive_waits_for_its_own_byte() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    // recv(MSG_WAITALL): the first half comes from the disk, the second after a sleep.
    let script = story.thread(LEECHER, 1).waits(RECV, 4, NET_RX).waits(RECV, 6, NET_RX);
    script.receives(NEAR, BYTES).runs(1);
    let script = story.thread(SEEDER, 2).waits(PREAD, 4, BLOCK).sends(FAR, BYTES / 2).waits(SLEEP, 6, TIMER);
    script.sends(FAR, BYTES / 2).runs(1);
    story.arrives(NEAR, 4, BYTES / 2);
    story.arrives(NEAR, 10, BYTES / 2);
    check(&story.download(LEECHER, 0, 10), "network 1.0 | peer_timer 0.6 peer_disk 0.4");
}

#[test]
fn on_loopback_a_byte_arrives_before_its_send_returns() {
    let mut story = leecher_waits();
    // Its send returns at 12 ms; from the arrival on, the leecher is not waiting for it any more.
    story.thread(SEEDER, 2).waits(PREAD, 8, BLOCK).runs(4).sends(FAR, BYTES).runs(1);
    check(&story.download(LEECHER, 0, 10), "network 1.0 | peer_disk 0.8 peer_cpu 0.2");
}

#[test]
fn bytes_that_have_arrived_are_no_longer_the_networks() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    story.thread(LEECHER, 1).waits(EPOLL, 10, NET_RX).receives(NEAR, BYTES).runs(1);
    story.thread(SEEDER, 2).runs(7).sends(FAR, BYTES).runs(4);
    story.arrives(NEAR, 7, BYTES);
    check(&story.download(LEECHER, 0, 10), "network 0.7 cpu_wait 0.3 | peer_cpu 0.7");
}

#[test]
fn bytes_of_a_third_node_may_be_recorded_just_after_the_wake_up() {
    let story = |late_ns| {
        let mut story = leecher_waits();
        story.connect(FAR + 1, 30);
        let script = story.thread(SEEDER, 2).waits(EPOLL, 8, NET_RX).runs(1).receives(FAR + 1, 10).runs(1);
        script.sends(FAR, BYTES).runs(1);
        story.thread(THIRD, 3).waits(PREAD, 8, BLOCK).sends(30, 10).runs(3);
        story.arrives(FAR + 1, 8, 10);
        story.traffic.arrivals.last_mut().unwrap().at_ns += late_ns;
        story.download(LEECHER, 0, 10)
    };
    check(&story(50_000), "network 1.0 | peer_disk 0.8 peer_cpu 0.2");
    // What comes later ended nothing.
    check(&story(500_000), "network 1.0 | unknown 0.8 peer_cpu 0.2");
}

#[test]
fn of_two_nodes_that_wake_a_peer_the_first_one_did_or_the_one_whose_socket_it_was() {
    let mut story = leecher_waits();
    story.connect(FAR + 1, 30);
    story.connect(FAR + 2, 31);
    let script = story.thread(SEEDER, 2).waits(EPOLL, 8, NET_RX).receives(FAR + 2, 10).receives(FAR + 1, 10);
    script.receives(FAR + 2, 10).runs(2).sends(FAR, BYTES).runs(1);
    story.thread(THIRD, 3).waits(PREAD, 8, BLOCK).sends(30, 10).runs(3);
    story.thread(4, 4).waits(SLEEP, 8, TIMER).sends(31, 10).sends(31, 10).runs(3);
    story.arrives(FAR + 1, 8, 10);
    for late_ns in [30_000, 50_000] {
        story.arrives(FAR + 2, 8, 10);
        story.traffic.arrivals.last_mut().unwrap().at_ns += late_ns;
    }
    check(&story.download(LEECHER, 0, 10), "network 1.0 | peer_disk 0.8 peer_cpu 0.2");
    let wait = story.spans.iter_mut().find(|span| span.tid == 2).unwrap();
    wait.socket = Some(FAR + 2);
    check(&story.download(LEECHER, 0, 10), "network 1.0 | peer_timer 0.8 peer_cpu 0.2");
}

#[test]
fn a_request_that_another_thread_reads_late_is_followed_to_who_sent_it() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    let script = story.thread(LEECHER, 1).runs(4).sends(NEAR, 17).waits(EPOLL, 6, NET_RX);
    script.receives(NEAR, BYTES).runs(1);
    story.in_flight(NEAR, 4);
    // The seeder's second thread reads at its ticks, and rings the first one, which answers.
    story.thread(SEEDER, 2).waits(EPOLL, 10, by(3)).sends(FAR, BYTES).runs(1);
    story.thread(SEEDER, 3).waits(EPOLL, 9, TIMER).receives(FAR, 17).runs(1).never_wakes(EPOLL, 1);
    story.arrives(FAR, 6, 17);
    story.arrives(NEAR, 10, BYTES);
    let detail = "peer_timer 0.3 link 0.2 peer_cpu 0.1";
    check(&story.download(LEECHER, 0, 10), &format!("network 0.6 cpu 0.4 | {detail}"));
}

#[test]
fn an_unknown_peer_goes_on_with_what_it_was_sending() {
    let mut story = Story::default();
    // What is computed between two parts of a block delays none of them.
    let script = story.thread(LEECHER, 1).runs(4).receives(NEAR, BYTES / 2).runs(2).waits(EPOLL, 4, NET_RX);
    script.receives(NEAR, BYTES / 2).runs(1);
    story.arrives(NEAR, 4, BYTES / 2);
    story.arrives(NEAR, 10, BYTES / 2);
    check(&story.download(LEECHER, 0, 10), "network 0.6 cpu 0.4 | unknown 0.6");
    // And the first one waited for a timer since it was there.
    let mut story = Story::default();
    let script = story.thread(LEECHER, 1).waits(EPOLL, 4, TIMER).receives(NEAR, BYTES / 2).runs(2);
    script.waits(EPOLL, 4, NET_RX).receives(NEAR, BYTES / 2).runs(1);
    story.arrives(NEAR, 2, BYTES / 2);
    story.arrives(NEAR, 10, BYTES / 2);
    check(&story.download(LEECHER, 0, 10), "network 0.8 timer 0.2 | unknown 0.8");
}

#[test]
fn bytes_of_a_third_node_may_come_as_a_time_out_is_due() {
    let mut story = leecher_waits();
    story.connect(FAR + 1, 30);
    let script = story.thread(SEEDER, 2).waits_until_due(EPOLL, 8, 9, NET_RX).receives(FAR + 1, BYTES);
    script.runs(2).sends(FAR, BYTES).runs(1);
    story.thread(THIRD, 3).waits(PREAD, 7, BLOCK).sends(30, BYTES).runs(4);
    // They had lain there for 1 ms.
    story.arrives(FAR + 1, 7, BYTES);
    let detail = "peer_disk 0.7 peer_cpu 0.2 peer_cpu_wait 0.1";
    check(&story.download(LEECHER, 0, 10), &format!("network 1.0 | {detail}"));
}

#[test]
fn a_request_for_which_a_peer_creates_a_thread_is_followed_to_who_sent_it() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    let script = story.thread(LEECHER, 1).runs(4).sends(NEAR, 17).waits(EPOLL, 8, NET_RX);
    script.receives(NEAR, BYTES).runs(1);
    story.in_flight(NEAR, 4);
    // It reads at its ticks, and has a thread answer.
    story.thread(SEEDER, 3).waits(EPOLL, 9, TIMER).receives(FAR, 17).runs(1).never_wakes(EPOLL, 3);
    story.created(10, SEEDER, 2, 3).runs(2).sends(FAR, BYTES).runs(1);
    story.arrives(FAR, 6, 17);
    story.arrives(NEAR, 12, BYTES);
    let detail = "peer_timer 0.25 peer_cpu 0.25 link 0.1667";
    check(&story.download(LEECHER, 0, 12), &format!("network 0.6667 cpu 0.3333 | {detail}"));
}
