//! One-thread event loops, in which every wait looks the same.

use std::time::Duration;

use libtest_mimic::Trial;

use crate::{
    cgroup::Cgroup,
    expect::{at_least, check, near, truth, within},
    log::State,
    pair::{Pair, RECEIVER, SENDER},
    programs::{Step, Style},
    stage::{ANYWHERE, Place, Stage},
    trial,
};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("loops::tick_and_slow_peer", tick_and_slow_peer),
        trial("loops::sleeps_while_bytes_wait", sleeps_while_bytes_wait),
        trial("loops::worker_reads_the_disk", worker_reads_the_disk),
    ]
}

fn tick_and_slow_peer() {
    let pair = Pair {
        blocks: 60,
        // No multiple of the tick.
        before_send: Step::Sleep(Duration::from_millis(23)),
        receiver: (Style::TickingLoop(Duration::from_millis(5)), ANYWHERE),
        ..Pair::of(Style::Loop)
    };
    let outcome = pair.play(Stage::new());
    let middle = outcome.window(RECEIVER, "p50", "p90");
    let (sender, receiver) = (outcome.truth(SENDER), outcome.truth(RECEIVER));
    let (sleeps, receives) = (sender.waits(State::Sleep, middle), receiver.waits(State::Receive, middle));
    truth("the peer sleeps", sleeps.off_cpu, at_least(0.95));
    truth("the loop waits", receives.off_cpu, at_least(0.95));
    // Four ticks of 5 ms in 23 ms.
    check("wait_timer", outcome.state(RECEIVER, "wait_timer"), within(20.0 / 23.0, 0.05));
    outcome.check_milestones(RECEIVER, State::Receive);
    let phase = outcome.phase(RECEIVER, "p90");
    phase.bottleneck("network").waited("network", receives).share("timer", near(0.0));
    phase.peer_waited("peer_timer", sleeps);
}

fn sleeps_while_bytes_wait() {
    let pair =
        Pair { blocks: 120, after_receive: Step::Sleep(Duration::from_millis(10)), ..Pair::of(Style::Loop) };
    let outcome = pair.play(Stage::new());
    let middle = outcome.window(RECEIVER, "p50", "p90");
    let receiver = outcome.truth(RECEIVER);
    let sleeps = receiver.waits(State::Sleep, middle);
    truth("the loop sleeps", sleeps.off_cpu, at_least(0.9));
    let whole = receiver.whole();
    outcome.check_wait(RECEIVER, "wait_timer", receiver.waits(State::Sleep, whole));
    outcome.check_milestones(RECEIVER, State::Receive);
    let phase = outcome.phase(RECEIVER, "p90");
    phase.bottleneck("timer").waited("timer", sleeps).share("network", near(0.0));
}

fn worker_reads_the_disk() {
    let stage = Stage::new();
    let limit = Cgroup::with_disk_limit(stage.folder(), 20_000_000);
    let (blocks, block_bytes) = (160, 256 << 10);
    let before_send = Step::HaveRead(stage.cold_file(blocks * block_bytes));
    let sender = (Style::Loop, Place { cgroup: Some(&limit), ..ANYWHERE });
    let outcome = Pair { blocks, block_bytes, before_send, sender, ..Pair::of(Style::Loop) }.play(stage);
    let middle = outcome.window(SENDER, "p50", "p90");
    let sender = outcome.truth(SENDER);
    let waits = sender.waits(State::WaitForWorker, middle);
    truth("the loop waits for its worker", waits.off_cpu, at_least(0.9));
    outcome.check_milestones(SENDER, State::Send);
    outcome.check_milestones(RECEIVER, State::Receive);
    let whole = sender.whole();
    let waited = sender.waits(State::WaitForWorker, whole);
    outcome.check_threads_wait(SENDER, SENDER, "wait_thread", waited);
    outcome.check_threads_wait(SENDER, "disk-worker", "wait_disk", waited);
    outcome.phase(SENDER, "p90").bottleneck("disk").waited("disk", waits);
    outcome.phase(RECEIVER, "p90").bottleneck("network").peer_waited("peer_disk", waits);
}
