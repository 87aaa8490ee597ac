//! Between send and arrival: in flight, or held by the sender's TCP.

use capture::traffic::HeldBy;

use crate::{
    expect::check,
    tell::{BLOCK, BYTES, EPOLL, NET_RX, PREAD, RECV, SEND, SLEEP, Story, TIMER, by},
};

const LEECHER: u64 = 1;
const SEEDER: u64 = 2;
const NEAR: u64 = 10;
const FAR: u64 = 20;

/// The seeder sends at 2 ms what arrives at 10 ms; TCP holds it until `released_ms`.
fn held_until(released_ms: u64, held_by: Option<HeldBy>) -> Story {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    story.thread(LEECHER, 1).waits(EPOLL, 10, NET_RX).receives(NEAR, BYTES).runs(1);
    story.thread(SEEDER, 2).runs(2).sends(FAR, BYTES).waits(SLEEP, 9, TIMER);
    story.holds(FAR, 2, BYTES * 6 / 10, held_by);
    story.in_flight(FAR, released_ms);
    story.arrives(NEAR, 10, BYTES);
    story
}

#[track_caller]
fn held(held_by: Option<HeldBy>, detail: &str) {
    let mut story = held_until(8, held_by);
    // The first of the awaited bytes is still unsent.
    story.traffic.send_queues[0].unsent_bytes = BYTES;
    check(&story.download(LEECHER, 0, 10), &format!("network 1.0 | {detail} peer_cpu 0.2"));
}

#[test]
fn unsent_bytes_name_what_held_them() {
    held(Some(HeldBy::Nagle), "nagle 0.6 link 0.2");
    held(Some(HeldBy::CongestionWindow), "cwnd 0.6 link 0.2");
    held(Some(HeldBy::Pacing), "pacing 0.6 link 0.2");
    held(Some(HeldBy::PeerWindow), "peer_window 0.6 link 0.2");
    held(None, "link 0.8");
}

#[test]
fn bytes_in_flight_are_the_links() {
    // The last six tenths are held, but the awaited one is not among them.
    let story = held_until(8, Some(HeldBy::CongestionWindow));
    check(&story.download(LEECHER, 0, 10), "network 1.0 | link 0.8 peer_cpu 0.2");
}

#[test]
fn the_first_record_after_a_send_speaks_for_the_time_since() {
    let mut story = held_until(8, Some(HeldBy::Pacing));
    story.traffic.send_queues[0].unsent_bytes = BYTES;
    story.traffic.send_queues[0].at_ns += 1_000_000;
    check(&story.download(LEECHER, 0, 10), "network 1.0 | pacing 0.6 link 0.2 peer_cpu 0.2");
}

#[test]
fn a_segment_that_was_sent_again_was_lost_meanwhile() {
    // Held until 8 ms, and lost then.
    let mut story = held_until(8, Some(HeldBy::Pacing));
    story.traffic.send_queues[0].unsent_bytes = BYTES;
    story.sends_again(FAR, 9, BYTES);
    check(&story.download(LEECHER, 0, 10), "network 1.0 | pacing 0.6 retransmit 0.2 peer_cpu 0.2");
    // Other bytes were, which nobody waited for; the same bytes, after they had arrived.
    let mut story = held_until(2, None);
    story.sends_again(FAR, 9, BYTES / 2);
    story.sends_again(FAR, 11, BYTES);
    check(&story.download(LEECHER, 0, 10), "network 1.0 | link 0.8 peer_cpu 0.2");
}

#[test]
fn what_is_sent_again_and_arrives_in_less_than_a_round_trip_was_overtaken() {
    let overtaken = |released_ms: u64, rtt_us: u32, detail: &str| {
        let mut story = held_until(released_ms, Some(HeldBy::Pacing));
        story.traffic.send_queues[0].unsent_bytes = if released_ms > 2 { BYTES } else { 0 };
        story.traffic.send_queues.iter_mut().for_each(|told| told.smoothed_rtt_us = Some(rtt_us));
        story.sends_again(FAR, 7, BYTES);
        check(&story.download(LEECHER, 0, 10), &format!("network 1.0 | {detail} peer_cpu 0.2"));
    };
    overtaken(2, 10_000, "retransmit 0.8");
    overtaken(2, 12_000, "link 0.8");
    // From when it was handed to the link.
    overtaken(5, 6000, "pacing 0.3 retransmit 0.5");
    overtaken(5, 7000, "pacing 0.3 link 0.5");
}

#[test]
fn room_is_not_waited_for_by_what_was_sent_again_for_nothing() {
    let waits = |arrived_ms: Option<u64>, rtt_us: Option<u32>, part: &str| {
        let mut story = Story::default();
        story.connect(NEAR, FAR);
        let script = story.thread(SEEDER, 2).sends(FAR, BYTES).runs(1).waits(SEND, 9, NET_RX);
        script.sends(FAR, BYTES).runs(1);
        story.in_flight(FAR, 0);
        story.sends_again(FAR, 4, BYTES);
        // The script has told of both sends.
        let again = story.traffic.retransmits.last_mut().unwrap();
        (again.sequence, again.past) = (again.sequence.wrapping_sub(BYTES), again.past.wrapping_sub(BYTES));
        story.traffic.send_queues[0].smoothed_rtt_us = rtt_us;
        if let Some(arrived_ms) = arrived_ms {
            story.arrives(NEAR, arrived_ms, BYTES);
        }
        check(&story.upload(SEEDER, 0, 10), &format!("network 0.9 cpu 0.1 | {part} 0.9"));
    };
    waits(None, None, "retransmit");
    waits(Some(3), None, "link");
    waits(Some(5), None, "retransmit");
    waits(Some(5), Some(6000), "retransmit");
    waits(Some(5), Some(8000), "link");
    waits(None, Some(4000), "retransmit");
    waits(None, Some(10_000), "link");
}

#[test]
fn what_tcp_did_not_tell_is_unknown() {
    let mut story = held_until(8, None);
    story.traffic.send_queues.clear();
    check(&story.download(LEECHER, 0, 10), "network 1.0 | unknown 0.8 peer_cpu 0.2");
}

#[test]
fn small_write_small_write_wait_for_the_answer() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    // The second write waits for the acknowledgement of the first, which the peer delays by 40 ms.
    let script = story.thread(LEECHER, 1).sends(NEAR, 10).runs(1).sends(NEAR, 10);
    script.waits(RECV, 45, NET_RX).receives(NEAR, 100).runs(1);
    story.holds(NEAR, 1, 10, HeldBy::Nagle);
    story.in_flight(NEAR, 40);
    let script = story.thread(SEEDER, 2).waits(RECV, 1, NET_RX).receives(FAR, 10).waits(RECV, 41, NET_RX);
    script.receives(FAR, 10).runs(4).sends(FAR, 100).runs(1);
    story.arrives(FAR, 1, 10);
    story.arrives(FAR, 42, 10);
    story.arrives(NEAR, 46, 100);
    let expected = "network 0.9783 cpu 0.0217 | nagle 0.8478 link 0.0435 peer_cpu 0.087";
    check(&story.download(LEECHER, 0, 46), expected);
}

#[test]
fn a_receiver_that_reads_late() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    let script = story.thread(LEECHER, 1).waits(SLEEP, 9, TIMER).receives(NEAR, BYTES).runs(1);
    script.waits(SLEEP, 9, TIMER).receives(NEAR, BYTES).runs(1);
    let script = story.thread(SEEDER, 2).sends(FAR, BYTES).waits(SEND, 9, NET_RX).runs(1).sends(FAR, BYTES);
    script.waits(SEND, 9, NET_RX).runs(1).sends(FAR, BYTES).runs(1);
    for at_ms in [0, 10] {
        story.holds(FAR, at_ms, BYTES / 2, HeldBy::PeerWindow);
    }
    story.arrives(NEAR, 0, BYTES);
    story.arrives(NEAR, 10, BYTES);
    check(&story.upload(SEEDER, 0, 20), "network 0.9 cpu 0.1 | peer_timer 0.9");
    check(&story.download(LEECHER, 0, 19), "timer 0.9474 cpu 0.0526");
}

#[test]
fn a_sender_with_a_full_buffer_waits_for_what_tcp_waits_for() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    story.thread(SEEDER, 2).runs(1).waits(SEND, 9, NET_RX).sends(FAR, BYTES).runs(1);
    story.holds(FAR, 0, BYTES / 2, HeldBy::CongestionWindow);
    check(&story.upload(SEEDER, 0, 10), "network 0.9 cpu 0.1 | cwnd 0.9");
}

#[test]
fn the_send_that_waits_for_room_is_the_one_that_is_asked() {
    let mut story = Story::default();
    // Another connection's window is what delays both blocks.
    let script = story.thread(SEEDER, 2).runs(1).waits_and_queues(SEND, 6, 1, NET_RX).sends(FAR + 1, BYTES);
    script.runs(2).sends(FAR, BYTES).runs(1);
    story.holds(FAR + 1, 0, BYTES / 2, HeldBy::CongestionWindow);
    story.in_flight(FAR, 0);
    check(&story.upload(SEEDER, 0, 10), "network 0.6 cpu 0.3 cpu_wait 0.1 | cwnd 0.6");
}

/// Two blocks that are sent at once, of which the second comes late, in so many receives.
fn second_block_is_lost(again: (u64, u32), receives: &[u32]) -> Story {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    let script =
        story.thread(LEECHER, 1).waits(EPOLL, 10, NET_RX).receives(NEAR, BYTES).waits(EPOLL, 9, NET_RX);
    receives.iter().fold(script, |script, bytes| script.receives(NEAR, *bytes)).runs(1);
    story.thread(SEEDER, 2).sends(FAR, BYTES).sends(FAR, BYTES).waits(SLEEP, 20, TIMER);
    story.in_flight(FAR, 0);
    story.arrives(NEAR, 10, BYTES);
    story.arrives(NEAR, 19, BYTES);
    let (at_ms, bytes) = again;
    story.sends_again(FAR, at_ms, BYTES);
    let segment = story.traffic.retransmits.last_mut().expect("it was just told");
    segment.past = segment.sequence.wrapping_add(bytes);
    story
}

#[test]
fn a_segment_that_was_sent_again_before_the_cut_began_was_lost_all_the_same() {
    let story = second_block_is_lost((5, BYTES), &[BYTES]);
    check(&story.download(LEECHER, 0, 20), "network 0.95 other 0.05 | link 0.5 retransmit 0.45");
}

#[test]
fn what_lies_behind_a_lost_segment_waits_for_it() {
    let story = second_block_is_lost((12, 1000), &[1000, BYTES - 1000]);
    check(&story.download(LEECHER, 0, 20), "network 0.95 other 0.05 | link 0.5 retransmit 0.45");
}

#[test]
fn an_event_loop_waits_for_room_too() {
    let mut story = Story::default();
    story.thread(SEEDER, 2).runs(1).waits(EPOLL, 9, NET_RX).sends(FAR, BYTES).runs(1);
    story.holds(FAR, 0, BYTES / 2, HeldBy::CongestionWindow);
    check(&story.upload(SEEDER, 0, 10), "network 0.9 cpu 0.1 | cwnd 0.9");
}

#[test]
fn an_event_loop_of_no_transfer_waits_for_room_of_the_socket_that_it_sends_on() {
    let told = |segment: Option<u64>, expected: &str| {
        let mut story = Story::default();
        story.thread(SEEDER, 2).runs(1).waits(EPOLL, 9, NET_RX).sends(FAR, BYTES).runs(1);
        story.holds(FAR, 0, BYTES / 2, HeldBy::CongestionWindow);
        story.spans[0].segment = segment;
        check(&story.of_thread(0, 0, 11), expected);
    };
    told(None, "network 0.8182 cpu 0.1818 | cwnd 0.8182");
    told(Some(FAR), "network 0.8182 cpu 0.1818 | cwnd 0.8182");
    told(Some(FAR + 1), "network 0.8182 cpu 0.1818 | unknown 0.8182");
}

#[test]
fn what_is_held_by_the_congestion_window_waits_for_no_reader() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    story.thread(LEECHER, 1).runs(5).receives(NEAR, 10).runs(6);
    story.thread(SEEDER, 2).runs(1).waits(SEND, 9, NET_RX).sends(FAR, BYTES).runs(1);
    story.holds(FAR, 0, BYTES / 2, HeldBy::CongestionWindow);
    check(&story.upload(SEEDER, 0, 10), "network 0.9 cpu 0.1 | cwnd 0.9");
}

#[test]
fn a_buffer_that_nothing_in_tcp_holds_waits_for_the_link() {
    for held_by in [None, Some(HeldBy::Pacing), Some(HeldBy::Nagle)] {
        let mut story = Story::default();
        story.thread(SEEDER, 2).runs(1).waits(SEND, 9, NET_RX).sends(FAR, BYTES).runs(1);
        story.holds(FAR, 0, BYTES / 2, held_by);
        check(&story.upload(SEEDER, 0, 10), "network 0.9 cpu 0.1 | link 0.9");
    }
}

#[test]
fn a_thread_that_is_its_own_reader_cannot_make_room() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    let script = story.thread(SEEDER, 2).receives(NEAR, 10).runs(1).waits(SEND, 9, NET_RX);
    script.sends(FAR, BYTES).runs(1);
    story.holds(FAR, 0, BYTES / 2, HeldBy::PeerWindow);
    check(&story.upload(SEEDER, 0, 10), "network 0.9 cpu 0.1 | peer_window 0.9");
}

#[test]
fn a_send_that_another_thread_lets_go_on_is_what_that_one_did() {
    let mut story = Story::default();
    // A full socket between two threads, which the kernel knows no sequence numbers of.
    story.thread(SEEDER, 2).runs(1).waits(SEND, 8, by(3)).runs(1).sends(FAR, BYTES).runs(1);
    story.thread(SEEDER, 3).waits(PREAD, 9, BLOCK).never_wakes(RECV, 2);
    story.in_flight(FAR, 0);
    check(&story.upload(SEEDER, 0, 10), "disk 0.9 cpu 0.1");
}

#[test]
fn a_segment_without_payload_made_room_and_brought_nothing() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    story.connect(FAR + 1, 30);
    // A message of a third node lies there by chance.
    let script = story.thread(SEEDER, 2).waits(EPOLL, 8, NET_RX).receives(FAR + 1, 10).runs(2);
    script.sends(FAR, BYTES).runs(1);
    story.thread(3, 3).waits(SLEEP, 5, TIMER).sends(30, 10).runs(1);
    story.arrives(FAR + 1, 5, 10);
    story.holds(FAR, 0, BYTES / 2, HeldBy::CongestionWindow);
    story.spans[0].segment = Some(FAR);
    check(&story.upload(SEEDER, 0, 10), "network 0.8 cpu 0.2 | cwnd 0.8");
}

#[test]
fn the_reader_that_made_room_is_the_last_one_before() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    story.thread(LEECHER, 1).waits(SLEEP, 9, TIMER).receives(NEAR, BYTES).runs(1);
    // Another thread reads what comes later.
    story.thread(LEECHER, 3).runs(12).receives(NEAR, BYTES).runs(1);
    story.thread(SEEDER, 2).waits(SEND, 9, NET_RX).runs(1).sends(FAR, BYTES).runs(1);
    story.holds(FAR, 0, BYTES / 2, HeldBy::PeerWindow);
    story.arrives(NEAR, 0, BYTES);
    story.arrives(NEAR, 10, BYTES);
    check(&story.upload(SEEDER, 0, 10), "network 0.9 cpu 0.1 | peer_timer 0.9");
}
