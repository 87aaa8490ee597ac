//! What comes while a thread is awake wakes nobody: it shows in what the thread does then.

use crate::{
    expect::check,
    script::Script,
    tell::{BYTES, EPOLL, NET_RX, SLEEP, Story, TIMER, by},
};

const LEECHER: u64 = 1;
const SEEDER: u64 = 2;
/// The leecher's socket, and the seeder's.
const NEAR: u64 = 10;
const FAR: u64 = 20;

const MESSAGE: u32 = 10;
const ROUNDS: u64 = 4;
const ROUND_MS: u64 = 11;

/// The leecher computes for 4 ms and asks. The seeder waits until 10 ms of each round, as it is told, but is poked by its thread 4
/// before that, and busy with the poke until 11.
fn is_poked_as_a_time_passes(waits: impl Fn(Script<'_>, u64) -> Script<'_>) -> Story {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    let mut script = story.thread(LEECHER, 1);
    for _ in 0..ROUNDS {
        script = script.runs(4).sends(NEAR, 17).waits(EPOLL, 7, NET_RX).receives(NEAR, BYTES);
    }
    script.runs(1);
    let mut script = story.thread(SEEDER, 2);
    for round in 0..ROUNDS {
        script = script.waits(EPOLL, 4, NET_RX).receives(FAR, 17);
        script = waits(script, ROUND_MS * round + 10).sends(FAR, BYTES);
    }
    script.runs(1);
    let mut script = story.thread(SEEDER, 4);
    for _ in 0..ROUND_MS * ROUNDS {
        script = script.waits(SLEEP, 1, TIMER);
    }
    script.runs(1);
    for round in 0..ROUNDS {
        story.arrives(FAR, ROUND_MS * round + 4, 17);
        story.arrives(NEAR, ROUND_MS * round + 11, BYTES);
    }
    story
}

#[test]
fn a_time_out_that_passes_while_a_loop_is_busy_with_a_poke() {
    let story = |due_later_ms| {
        is_poked_as_a_time_passes(move |script, due_ms| {
            let due_ms = due_ms + due_later_ms;
            let script = script.waits_until_due(EPOLL, 3, due_ms, by(4));
            script.waits_until_due(EPOLL, 1, due_ms, by(4)).runs(3)
        })
    };
    const SHARES: &str = "network 0.6364 cpu 0.3636 | peer_timer 0.3636 peer_cpu 0.2727";
    check(&story(0).download(LEECHER, 0, 44), SHARES);
    // The call counts in whole ms, and the thread sees before that the time is over.
    check(&story(2).download(LEECHER, 0, 44), SHARES);
}

#[test]
fn a_timer_that_passes_while_a_loop_is_busy_with_a_poke() {
    let story = is_poked_as_a_time_passes(|script, due_ms| {
        script.sets_timer(77, due_ms).waits(EPOLL, 3, by(4)).waits(EPOLL, 1, by(4)).runs(3)
    });
    let detail = "peer_timer 0.3636 peer_cpu 0.2727";
    check(&story.download(LEECHER, 0, 44), &format!("network 0.6364 cpu 0.3636 | {detail}"));
}

/// Until then it waits for that, and not for the CPU.
#[test]
fn a_time_out_that_passes_while_a_poked_loop_waits_for_a_cpu() {
    let story = is_poked_as_a_time_passes(|script, due_ms| {
        let script = script.waits_until_due(EPOLL, 3, due_ms, by(4));
        script.waits_until_due(EPOLL, 1, due_ms, by(4)).queues(3)
    });
    let detail = "peer_timer 0.5455 peer_cpu_wait 0.0909";
    check(&story.download(LEECHER, 0, 44), &format!("network 0.6364 cpu 0.3636 | {detail}"));
}

/// The leecher asks at its own tick. Once a message of the peer's comes at about that time, and it asks at 31 ms.
fn ticks(message_ms: u64) -> Story {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    let mut script = story.thread(LEECHER, 1).sends(NEAR, 17);
    for due_ms in [10, 20, 30, 40] {
        script = script.sets_timer(77, due_ms).waits(EPOLL, 1, NET_RX).receives(NEAR, BYTES);
        script = match due_ms {
            30 => script.waits(EPOLL, message_ms - 21, NET_RX).receives(NEAR, MESSAGE).runs(31 - message_ms),
            40 => script.waits_for_timer(EPOLL, 8, 77),
            _ => script.waits_for_timer(EPOLL, 9, 77),
        };
        script = script.sends(NEAR, 17);
    }
    script.waits(EPOLL, 1, NET_RX).receives(NEAR, BYTES).runs(1);
    fn answers(script: Script<'_>) -> Script<'_> {
        script.receives(FAR, 17).runs(1).sends(FAR, BYTES)
    }
    let script = answers(answers(story.thread(SEEDER, 2)).waits(EPOLL, 9, NET_RX));
    let script = answers(script.waits(EPOLL, 9, NET_RX)).waits(EPOLL, message_ms - 21, TIMER);
    let script = script.sends(FAR, MESSAGE);
    let script = if message_ms < 31 { script.waits(EPOLL, 31 - message_ms, NET_RX) } else { script };
    let script = answers(script).waits(EPOLL, 8, NET_RX);
    answers(script).runs(1);
    for asked_ms in [0, 10, 20, 31, 40] {
        story.arrives(FAR, asked_ms, 17);
        if asked_ms == 31 {
            story.arrives(NEAR, message_ms, MESSAGE);
        }
        story.arrives(NEAR, asked_ms + 1, BYTES);
    }
    story
}

#[test]
fn a_tick_that_passes_while_a_loop_is_busy_with_a_message() {
    let shares = ticks(29).download(LEECHER, 0, 41);
    check(&shares, "timer 0.8293 network 0.1220 cpu 0.0488 | peer_cpu 0.1220");
}

/// The timer was due at 30 ms, and the message comes before its interrupt.
#[test]
fn a_tick_whose_interrupt_is_late() {
    check(&ticks(31).download(LEECHER, 0, 41), "timer 0.8780 network 0.1220 | peer_cpu 0.1220");
}

/// A timer that passes while a peer works on an answer is not why it answers.
#[test]
fn a_tick_that_passes_while_a_peer_answers() {
    let mut story = Story::default();
    story.connect(NEAR, FAR);
    let mut script = story.thread(LEECHER, 1);
    for _ in 0..ROUNDS {
        script = script.runs(7).sends(NEAR, 17).waits(EPOLL, 3, NET_RX).receives(NEAR, BYTES);
    }
    script.runs(1);
    let mut script = story.thread(SEEDER, 2);
    for round in 0..ROUNDS {
        script = script.sets_timer(77, 10 * round + 9);
        script = script.waits(EPOLL, 7, NET_RX).receives(FAR, 17).runs(3).sends(FAR, BYTES);
    }
    script.runs(1);
    for round in 0..ROUNDS {
        story.arrives(FAR, 10 * round + 7, 17);
        story.arrives(NEAR, 10 * round + 10, BYTES);
    }
    check(&story.download(LEECHER, 0, 40), "cpu 0.7 network 0.3 | peer_cpu 0.3");
}
