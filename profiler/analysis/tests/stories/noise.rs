//! Noise that delays no byte moves no share: each story is told without noise and with it.

use analysis::attribution::shares::Share;
use capture::span::Doing;

use crate::{
    expect::check,
    script::Script,
    tell::{BLOCK, BYTES, EPOLL, NET_RX, PREAD, RECV, SLEEP, Story, TIMER, by, futex},
};

const LEECHER: u64 = 1;
const SEEDER: u64 = 2;
const THIRD: u64 = 3;
/// The leecher's socket, and the seeder's; then those of another connection.
const NEAR: u64 = 10;
const FAR: u64 = 20;
const NEAR_TOO: u64 = 11;
const FAR_TOO: u64 = 21;

const MESSAGE: u32 = 10;
const ROUNDS: u64 = 4;

/// The leecher asks for a block every 10 ms, which the seeder reads from its disk for 9 ms.
fn asks_and_waits(besides: impl Fn(Script<'_>) -> Script<'_>) -> Story {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    story.connect(NEAR_TOO, FAR_TOO);
    let mut script = story.thread(LEECHER, 1);
    for _ in 0..ROUNDS {
        script = besides(script.sends(NEAR, 17)).receives(NEAR, BYTES);
    }
    script.runs(1);
    let mut script = story.thread(SEEDER, 2);
    for _ in 0..ROUNDS {
        script = script.receives(FAR, 17).waits(PREAD, 9, BLOCK).runs(1).sends(FAR, BYTES);
    }
    script.runs(1);
    for round in 0..ROUNDS {
        story.arrives(FAR, 10 * round, 17);
        story.arrives(NEAR, 10 * round + 10, BYTES);
    }
    story
}

const SEEDERS_DISK: &str = "network 1.0 | peer_disk 0.9 peer_cpu 0.1";

#[test]
fn a_heartbeat_on_another_connection() {
    let plain = asks_and_waits(|script| script.waits(EPOLL, 10, NET_RX));
    check(&plain.download(LEECHER, 0, 40), SEEDERS_DISK);
    // Its tick, and the echo; both are rounds of the loop in which bytes move.
    let mut with = asks_and_waits(|script| {
        let script = script.waits(EPOLL, 3, TIMER).sends(NEAR_TOO, MESSAGE).waits(EPOLL, 3, NET_RX);
        script.receives(NEAR_TOO, MESSAGE).waits(EPOLL, 4, NET_RX)
    });
    let mut script = with.thread(THIRD, 3);
    for _ in 0..ROUNDS {
        script = script.waits(RECV, 3, NET_RX).receives(FAR_TOO, MESSAGE).waits(SLEEP, 3, TIMER);
        script = script.sends(FAR_TOO, MESSAGE).waits(RECV, 4, NET_RX);
    }
    script.runs(1);
    for round in 0..ROUNDS {
        with.arrives(FAR_TOO, 10 * round + 3, MESSAGE);
        with.arrives(NEAR_TOO, 10 * round + 6, MESSAGE);
    }
    check(&with.download(LEECHER, 0, 40), SEEDERS_DISK);
}

#[test]
fn a_keep_alive_on_the_same_connection() {
    let with =
        asks_and_waits(|script| script.waits(EPOLL, 4, TIMER).sends(NEAR, MESSAGE).waits(EPOLL, 6, NET_RX));
    // The seeder reads it with the next request; none of its waits ends by it.
    let mut with = with;
    for arrival in with.traffic.arrivals.iter_mut().filter(|arrival| arrival.cookie == FAR) {
        let round = (arrival.at_ns / 10_000_000) as u32;
        arrival.sequence = arrival.sequence.map(|sequence| sequence.wrapping_add(round * MESSAGE));
    }
    let mut rounds = 0;
    for payload in with.traffic.payloads.iter_mut().filter(|payload| payload.cookie == FAR) {
        if payload.direction == capture::traffic::Direction::Received {
            payload.sequence = payload.sequence.map(|sequence| sequence.wrapping_add(rounds * MESSAGE));
            payload.bytes += u64::from(if rounds == 0 { 0 } else { MESSAGE });
            rounds += 1;
        }
    }
    check(&with.download(LEECHER, 0, 40), SEEDERS_DISK);
}

#[test]
fn a_thread_that_reads_a_trickle() {
    let mut with = asks_and_waits(|script| script.waits(EPOLL, 10, NET_RX));
    let mut script = with.thread(LEECHER, 4);
    for _ in 0..40 {
        script = script.waits(RECV, 1, NET_RX).receives(NEAR_TOO, 50);
    }
    script.runs(1);
    let mut script = with.thread(THIRD, 3);
    for _ in 0..40 {
        script = script.waits(SLEEP, 1, TIMER).sends(FAR_TOO, 50);
    }
    script.runs(1);
    for at_ms in 1..=40 {
        with.arrives(NEAR_TOO, at_ms, 50);
    }
    // Its 2000 bytes beside 400,000 are half of one part in a hundred.
    let shares = with.download(LEECHER, 0, 40);
    assert!((shares.network_detail.peer_disk - 0.9).abs() < 0.01, "{:?}", shares.network_detail);
    assert!(shares.network_detail.peer_timer < 0.01, "{:?}", shares.network_detail);
}

#[test]
fn idle_threads_and_a_ticker() {
    let mut with = asks_and_waits(|script| script.waits(EPOLL, 10, NET_RX));
    with.thread(LEECHER, 5).never_wakes(futex(9), 41);
    let mut script = with.thread(LEECHER, 6);
    for _ in 0..40 {
        script = script.waits(SLEEP, 1, TIMER);
    }
    script.runs(1);
    check(&with.download(LEECHER, 0, 40), SEEDERS_DISK);
}

/// A seeder that paces itself: a block each 10 ms, by a time-out of its loop or by a timer.
fn paces_itself(waits: impl Fn(Script<'_>, u64) -> Script<'_>) -> Story {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    let mut script = story.thread(LEECHER, 1);
    for _ in 0..ROUNDS {
        script = script.waits(EPOLL, 10, NET_RX).receives(NEAR, BYTES);
    }
    script.runs(1);
    let mut script = story.thread(SEEDER, 2);
    for round in 0..ROUNDS {
        script = waits(script, 10 * round).sends(FAR, BYTES);
    }
    script.runs(1);
    for round in 1..=ROUNDS {
        story.arrives(NEAR, 10 * round, BYTES);
    }
    story
}

/// The leecher's messages come to the seeder 6 ms and 16 ms… after the beginning.
fn with_messages(mut story: Story) -> Story {
    let mut script = story.thread(LEECHER, 7);
    for round in 0..ROUNDS {
        script = script.runs(if round == 0 { 6 } else { 10 }).sends(NEAR, MESSAGE);
    }
    script.runs(1);
    for round in 0..ROUNDS {
        story.arrives(FAR, 10 * round + 6, MESSAGE);
    }
    story
}

const PEERS_TIMER: &str = "network 1.0 | peer_timer 1.0";

#[test]
fn a_message_in_the_middle_of_a_peers_time_out() {
    let plain = paces_itself(|script, at_ms| script.waits_until_due(EPOLL, 10, at_ms + 10, TIMER));
    check(&plain.download(LEECHER, 0, 40), PEERS_TIMER);
    // What is left of the time-out is the same deadline: it was armed as the first wait began.
    let with = with_messages(paces_itself(|script, at_ms| {
        let script = script.waits_until_due(EPOLL, 6, at_ms + 10, NET_RX).receives(FAR, MESSAGE);
        script.waits_until_due(EPOLL, 4, at_ms + 10, TIMER)
    }));
    check(&with.download(LEECHER, 0, 40), PEERS_TIMER);
    // Without the evidence of time-outs the last send is the best guess.
    let mut without = with_messages(paces_itself(|script, _| {
        script.waits(EPOLL, 6, NET_RX).receives(FAR, MESSAGE).waits(EPOLL, 4, TIMER)
    }));
    without.timers.clear();
    check(&without.download(LEECHER, 0, 40), PEERS_TIMER);
}

#[test]
fn a_message_in_the_middle_of_a_peers_timer() {
    let with = with_messages(paces_itself(|script, at_ms| {
        let script = script.sets_timer(77, at_ms + 10).waits(EPOLL, 6, NET_RX).receives(FAR, MESSAGE);
        script.waits_for_timer(EPOLL, 4, 77)
    }));
    check(&with.download(LEECHER, 0, 40), PEERS_TIMER);
}

#[test]
fn a_message_that_comes_as_a_timer_is_due_ended_nothing() {
    // Of four pauses one ends by a message, 1 ms before its own deadline.
    let mut with = paces_itself(|script, at_ms| match at_ms {
        20 => script.waits_until_due(EPOLL, 9, 30, NET_RX).receives(FAR, MESSAGE).runs(1),
        _ => script.waits_until_due(EPOLL, 10, at_ms + 10, TIMER),
    });
    with.thread(LEECHER, 7).runs(29).sends(NEAR, MESSAGE).runs(1);
    with.arrives(FAR, 29, MESSAGE);
    check(&with.download(LEECHER, 0, 40), "network 1.0 | peer_timer 0.975 peer_cpu 0.025");
}

#[test]
fn a_message_in_phase_with_a_peers_timer_is_not_what_it_waits_for() {
    // In every second round a message has come as the timer fires. In the others the timer alone makes it send.
    let mut with = paces_itself(|script, at_ms| {
        let script = script.waits_until_due(EPOLL, 10, at_ms + 10, TIMER);
        if at_ms % 20 == 0 { script.receives(FAR, MESSAGE) } else { script }
    });
    let script = with.thread(LEECHER, 7).runs(9).sends(NEAR, MESSAGE).runs(20).sends(NEAR, MESSAGE);
    script.runs(1);
    with.arrives(FAR, 9, MESSAGE);
    with.arrives(FAR, 29, MESSAGE);
    check(&with.download(LEECHER, 0, 40), PEERS_TIMER);
}

#[test]
fn a_tick_in_phase_with_requests_is_not_what_a_peer_waits_for() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    // The leecher hashes 9 ms for each block before it asks for the next one.
    let mut script = story.thread(LEECHER, 1);
    for _ in 0..ROUNDS {
        script = script.runs(9).sends(NEAR, 17).waits(EPOLL, 1, NET_RX).receives(NEAR, BYTES);
    }
    script.runs(1);
    // In every second round the seeder's own tick wakes it, and the request has come by then.
    let mut script = story.thread(SEEDER, 2);
    for round in 0..ROUNDS {
        let wake = if round % 2 == 0 { TIMER } else { NET_RX };
        script = script.waits(EPOLL, 9, wake).receives(FAR, 17).runs(1).sends(FAR, BYTES);
    }
    script.runs(1);
    for round in 0..ROUNDS {
        story.arrives(FAR, 10 * round + 9, 17);
        story.arrives(NEAR, 10 * round + 10, BYTES);
    }
    check(&story.download(LEECHER, 0, 40), "cpu 0.9 network 0.1 | peer_cpu 0.1");
}

#[test]
fn a_thread_that_pokes_a_loop_for_nothing() {
    let story = |wakes: fn(u64) -> (Doing, u64)| {
        let mut story = Story::default();
        story.connect(NEAR, FAR);
        let mut script = story.thread(LEECHER, 1);
        for _ in 0..ROUNDS {
            script = script.waits(EPOLL, 10, NET_RX).receives(NEAR, BYTES);
        }
        script.runs(1);
        // A worker reads each block, and rings; the poker may have woken the loop just before.
        let mut script = story.thread(SEEDER, 2);
        for round in 0..ROUNDS {
            let (doing, waker) = wakes(round);
            script = script.waits(doing, 10, by(waker as u32)).sends(FAR, BYTES);
        }
        script.runs(1);
        let mut script = story.thread(SEEDER, 3);
        for _ in 0..ROUNDS {
            script = script.waits(PREAD, 9, BLOCK).runs(1);
        }
        script.runs(1);
        let mut script = story.thread(SEEDER, 4);
        for _ in 0..41 {
            script = script.waits(SLEEP, 1, TIMER);
        }
        script.runs(1);
        for round in 1..=ROUNDS {
            story.arrives(NEAR, 10 * round, BYTES);
        }
        story
    };
    check(&story(|_| (EPOLL, 3)).download(LEECHER, 0, 40), SEEDERS_DISK);
    check(&story(|round| (EPOLL, if round == 1 { 4 } else { 3 })).download(LEECHER, 0, 40), SEEDERS_DISK);
}

#[test]
fn a_thread_that_pokes_a_loop_as_its_deadline_comes() {
    // The leecher computes for 4 ms and asks; the seeder answers 6 ms later, and is poked each millisecond meanwhile: most
    // often it is a poke that comes as the deadline does, and sometimes as the request does.
    let story = |is_poked: bool| {
        let mut story = Story::default();
        story.connect(NEAR, FAR);
        let mut script = story.thread(LEECHER, 1);
        for round in 0..ROUNDS {
            let besides = if round == 0 { MESSAGE } else { 0 };
            script = script.runs(4).sends(NEAR, 17).waits(EPOLL, 6, NET_RX).receives(NEAR, BYTES + besides);
        }
        script.runs(1);
        // Once it sends something as it is poked.
        let poked = |round| if is_poked && round % 2 == 0 { by(4) } else { NET_RX };
        let mut script = story.thread(SEEDER, 2).waits(EPOLL, 1, by(4)).sends(FAR, MESSAGE);
        for round in 0..ROUNDS {
            let due_ms = 10 * round + 10;
            let asked_ms = if round == 0 { 3 } else { 4 };
            script = script.waits(EPOLL, asked_ms, poked(round)).receives(FAR, 17);
            script = if is_poked {
                (0..6).fold(script, |script, _| script.waits_until_due(EPOLL, 1, due_ms, by(4)))
            } else {
                script.waits_until_due(EPOLL, 6, due_ms, TIMER)
            };
            script = script.sends(FAR, BYTES);
        }
        script.runs(1);
        let mut script = story.thread(SEEDER, 4);
        for _ in 0..41 {
            script = script.waits(SLEEP, 1, TIMER);
        }
        script.runs(1);
        story.arrives(NEAR, 1, MESSAGE);
        for round in 0..ROUNDS {
            story.arrives(FAR, 10 * round + 4, 17);
            story.arrives(NEAR, 10 * round + 10, BYTES);
        }
        story
    };
    const SHARES: &str = "network 0.6 cpu 0.4 | peer_timer 0.6";
    check(&story(false).download(LEECHER, 0, 40), SHARES);
    check(&story(true).download(LEECHER, 0, 40), SHARES);
}

#[test]
fn a_message_that_is_read_with_the_block_after_it() {
    // The leecher asks at its own tick. A message of the seeder's own timer comes just before.
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    let mut script = story.thread(LEECHER, 1);
    for _ in 0..ROUNDS {
        script =
            script.waits(EPOLL, 10, TIMER).runs(2).sends(NEAR, 17).runs(2).receives(NEAR, MESSAGE + BYTES);
    }
    script.runs(1);
    let mut script = story.thread(SEEDER, 2);
    for round in 0..ROUNDS {
        script = script.waits(EPOLL, if round == 0 { 11 } else { 12 }, TIMER).sends(FAR, MESSAGE);
        script = script.waits(EPOLL, 1, NET_RX).receives(FAR, 17).runs(1).sends(FAR, BYTES);
    }
    script.runs(2);
    for round in 0..ROUNDS {
        story.arrives(NEAR, 14 * round + 11, MESSAGE);
        story.arrives(FAR, 14 * round + 12, 17);
        story.arrives(NEAR, 14 * round + 13, BYTES);
    }
    check(&story.download(LEECHER, 0, 56), "timer 0.7143 cpu 0.2143 network 0.0714 | peer_cpu 0.0714");
}

#[test]
fn a_peer_of_few_bytes_weighs_as_little() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    story.connect(NEAR_TOO, FAR_TOO);
    let script = story.thread(LEECHER, 1).waits(EPOLL, 10, NET_RX).receives(NEAR, 9 * BYTES);
    script.receives(NEAR_TOO, BYTES).runs(1);
    story.thread(SEEDER, 2).runs(10).sends(FAR, 9 * BYTES).runs(1);
    story.thread(THIRD, 3).waits(SLEEP, 10, TIMER).sends(FAR_TOO, BYTES).runs(1);
    story.arrives(NEAR, 10, 9 * BYTES);
    story.arrives(NEAR_TOO, 10, BYTES);
    check(&story.download(LEECHER, 0, 10), "network 1.0 | peer_cpu 0.9 peer_timer 0.1");
}

#[test]
fn what_a_request_arms_begins_with_the_request() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    let mut script = story.thread(LEECHER, 1);
    for _ in 0..ROUNDS {
        script = script.runs(4).sends(NEAR, 17).waits(EPOLL, 6, NET_RX).receives(NEAR, BYTES);
    }
    script.runs(1);
    let mut script = story.thread(SEEDER, 2);
    for round in 0..ROUNDS {
        script = script.waits(EPOLL, 4, NET_RX).receives(FAR, 17);
        script = script.waits_until_due(EPOLL, 6, 10 * round + 10, TIMER).sends(FAR, BYTES);
    }
    script.runs(1);
    for round in 0..ROUNDS {
        story.arrives(FAR, 10 * round + 4, 17);
        story.arrives(NEAR, 10 * round + 10, BYTES);
    }
    check(&story.download(LEECHER, 0, 40), "network 0.6 cpu 0.4 | peer_timer 0.6");
}

#[test]
fn a_block_is_followed_through_any_number_of_nodes() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    story.connect(NEAR_TOO, FAR_TOO);
    story.thread(LEECHER, 1).waits(RECV, 10, NET_RX).receives(NEAR, BYTES).runs(1);
    // The seeder passes on what a third node reads from its disk.
    story
        .thread(SEEDER, 2)
        .waits(EPOLL, 8, NET_RX)
        .receives(NEAR_TOO, BYTES)
        .runs(2)
        .sends(FAR, BYTES)
        .runs(1);
    story.thread(THIRD, 3).waits(PREAD, 7, BLOCK).runs(1).sends(FAR_TOO, BYTES).runs(1);
    story.arrives(NEAR_TOO, 8, BYTES);
    story.arrives(NEAR, 10, BYTES);
    let budget = story.download(LEECHER, 0, 10);
    check(&budget, "network 1.0 | peer_disk 0.7 peer_cpu 0.3");
    let most = budget.of_processes[0];
    assert_eq!((most.0.0, most.1), (THIRD, Share::Disk), "whose disk it was: {:?}", budget.of_processes);
}

#[test]
fn a_message_long_before_a_time_out_is_what_a_peer_answers() {
    // Once it answers at once, 4 ms before its own deadline, and computes.
    let mut with = paces_itself(|script, at_ms| match at_ms {
        20 => script.waits_until_due(EPOLL, 6, 30, NET_RX).receives(FAR, MESSAGE).runs(4),
        _ => script.waits_until_due(EPOLL, 10, at_ms + 10, TIMER),
    });
    with.thread(LEECHER, 7).runs(26).sends(NEAR, MESSAGE).runs(1);
    with.arrives(FAR, 26, MESSAGE);
    let detail = "peer_timer 0.75 peer_cpu 0.1";
    check(&with.download(LEECHER, 0, 40), &format!("network 0.85 cpu 0.15 | {detail}"));
}

/// The leecher hashes 9 ms for each block before it asks for the next one; the seeder computes 1 ms for each.
fn hashes_and_asks(mut waits: impl FnMut(Script<'_>, u64) -> Script<'_>, ticks: bool) -> Story {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    let mut script = story.thread(LEECHER, 1);
    let ticked = if ticks { MESSAGE } else { 0 };
    for _ in 0..ROUNDS {
        script = script.runs(9).sends(NEAR, 17).waits(EPOLL, 1, NET_RX).receives(NEAR, BYTES + ticked);
    }
    script.runs(1);
    let mut script = story.thread(SEEDER, 2);
    for round in 0..ROUNDS {
        script = waits(script, round).receives(FAR, 17).runs(1).sends(FAR, BYTES);
    }
    script.runs(1);
    for round in 0..ROUNDS {
        if ticks {
            story.arrives(NEAR, 10 * round + 4, MESSAGE);
        }
        story.arrives(FAR, 10 * round + 9, 17);
        story.arrives(NEAR, 10 * round + 10, BYTES);
    }
    story
}

const LEECHERS_CPU: &str = "cpu 0.9 network 0.1 | peer_cpu 0.1";

#[test]
fn a_request_that_comes_as_a_time_out_is_due_is_what_a_peer_answers() {
    let story = hashes_and_asks(
        |script, round| match round {
            1 => script.waits_until_due(EPOLL, 9, 20, NET_RX),
            _ => script.waits(EPOLL, 9, NET_RX),
        },
        false,
    );
    check(&story.download(LEECHER, 0, 40), LEECHERS_CPU);
}

#[test]
fn a_tick_that_sends_a_little_is_not_why_a_peer_answers() {
    // It sends a keep-alive each time, and in three of four rounds it is also what wakes the loop as a request has come.
    let by_timer = hashes_and_asks(
        |script, round| {
            let script = script.waits(EPOLL, 4, TIMER).sends(FAR, MESSAGE);
            script.waits(EPOLL, 5, if round == 1 { NET_RX } else { TIMER })
        },
        true,
    );
    check(&by_timer.download(LEECHER, 0, 40), LEECHERS_CPU);
    // The same for a thread that ticks.
    let mut by_thread = hashes_and_asks(
        |script, round| {
            let script = script.waits(EPOLL, 4, by(3)).sends(FAR, MESSAGE);
            script.waits(EPOLL, 5, if round == 1 { NET_RX } else { by(3) })
        },
        true,
    );
    by_thread.thread(SEEDER, 3).waits(PREAD, 41, BLOCK);
    check(&by_thread.download(LEECHER, 0, 40), LEECHERS_CPU);
}

#[test]
fn a_message_in_phase_with_a_peers_worker_is_not_what_it_waits_for() {
    // In every second round a message has come as the worker rings. In the others the worker alone makes it send.
    let mut with = paces_itself(|script, at_ms| {
        let script = script.waits(EPOLL, 10, by(3));
        if at_ms % 20 == 0 { script.receives(FAR, MESSAGE) } else { script }
    });
    let mut script = with.thread(SEEDER, 3);
    for _ in 0..ROUNDS {
        script = script.waits(PREAD, 9, BLOCK).runs(1);
    }
    script.runs(1);
    let script = with.thread(LEECHER, 7).runs(9).sends(NEAR, MESSAGE).runs(20).sends(NEAR, MESSAGE);
    script.runs(1);
    with.arrives(FAR, 9, MESSAGE);
    with.arrives(FAR, 29, MESSAGE);
    check(&with.download(LEECHER, 0, 40), SEEDERS_DISK);
}

/// A seeder whose loop is woken by one of two threads.
fn is_rung(
    wakers: &[u32],
    runs_ms: u64,
    worker: fn(Script<'_>) -> Script<'_>,
    other: fn(Script<'_>) -> Script<'_>,
) -> Story {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    let mut script = story.thread(LEECHER, 1);
    for _ in wakers {
        script = script.waits(EPOLL, 10, NET_RX).receives(NEAR, BYTES);
    }
    script.runs(1);
    let mut script = story.thread(SEEDER, 2);
    for &waker in wakers {
        script = script.waits(EPOLL, 10 - runs_ms, by(waker)).runs(runs_ms).sends(FAR, BYTES);
    }
    script.runs(1);
    worker(story.thread(SEEDER, 3));
    other(story.thread(SEEDER, 4));
    for round in 1..=wakers.len() as u64 {
        story.arrives(NEAR, 10 * round, BYTES);
    }
    story
}

#[test]
fn a_thread_that_sleeps_through_a_round_did_not_begin_it() {
    // As the other one rings, at 20 ms, the worker waits for its disk.
    let story = is_rung(
        &[3, 4, 3, 3],
        0,
        |script| {
            let script = script.waits(PREAD, 9, BLOCK).runs(1).waits(PREAD, 19, BLOCK).runs(1);
            script.waits(PREAD, 9, BLOCK).runs(2)
        },
        |script| script.runs(20).never_wakes(futex(7), 21),
    );
    check(&story.download(LEECHER, 0, 40), "network 1.0 | peer_disk 0.675 peer_cpu 0.325");
}

#[test]
fn a_thread_that_goes_to_sleep_within_a_round_may_have_begun_it() {
    let story = is_rung(
        &[3, 4, 3, 3],
        2,
        |script| {
            let mut script = script.waits(PREAD, 8, BLOCK);
            for _ in 0..3 {
                script = script.runs(1).waits(PREAD, 9, BLOCK);
            }
            script.runs(3)
        },
        |script| script.waits(SLEEP, 18, TIMER).never_wakes(futex(7), 23),
    );
    check(&story.download(LEECHER, 0, 40), "network 1.0 | peer_disk 0.8 peer_cpu 0.2");
}

#[test]
fn of_two_threads_that_both_make_a_loop_send_the_one_that_rang_is_believed() {
    let story = is_rung(
        &[3, 4, 3],
        0,
        |mut script| {
            for _ in 0..3 {
                script = script.waits(PREAD, 9, BLOCK).runs(1);
            }
            script.runs(1)
        },
        |script| script.runs(31),
    );
    check(&story.download(LEECHER, 0, 30), "network 1.0 | peer_disk 0.6 peer_cpu 0.4");
}

#[test]
fn a_timer_counts_from_when_it_was_set() {
    // A worker reads 3 ms for each block before the loop sets its timer; a message comes meanwhile.
    let mut with = paces_itself(|script, at_ms| {
        let script = script.waits(EPOLL, 3, by(3)).sets_timer(77, at_ms + 10);
        script.waits(EPOLL, 3, NET_RX).receives(FAR, MESSAGE).waits_for_timer(EPOLL, 4, 77)
    });
    let mut script = with.thread(SEEDER, 3);
    for _ in 0..ROUNDS {
        script = script.waits(PREAD, 3, BLOCK).waits(futex(7), 7, by(2));
    }
    script.runs(1);
    let with = with_messages(with);
    check(&with.download(LEECHER, 0, 40), "network 1.0 | peer_timer 0.7 peer_disk 0.3");
}

#[test]
fn without_time_outs_the_last_send_is_the_best_guess_unless_the_timer_fired_in_vain() {
    // 1 ms between a message and the next wait: it was moved last.
    let with = with_messages(paces_itself(|script, _| {
        script.waits(EPOLL, 6, NET_RX).receives(FAR, MESSAGE).runs(1).waits(EPOLL, 3, TIMER)
    }));
    check(&with.download(LEECHER, 0, 40), PEERS_TIMER);
    // A tick had sent nothing; as a message had come, the next one did.
    let with = with_messages(paces_itself(|script, _| {
        let script = script.waits(EPOLL, 3, TIMER).waits(EPOLL, 3, NET_RX).receives(FAR, MESSAGE);
        script.runs(1).waits(EPOLL, 3, TIMER)
    }));
    check(&with.download(LEECHER, 0, 40), "cpu 0.6 network 0.4 | peer_timer 0.3 peer_cpu 0.1");
}

#[test]
fn where_rounds_always_have_two_reasons_the_message_is_believed() {
    for wake in [TIMER, by(3)] {
        let mut story = hashes_and_asks(|script, _| script.waits(EPOLL, 9, wake), false);
        story.thread(SEEDER, 3).waits(PREAD, 41, BLOCK);
        check(&story.download(LEECHER, 0, 40), LEECHERS_CPU);
    }
}
