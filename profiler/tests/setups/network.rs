//! Transfers that wait for the network: the link, the peer, or TCP itself.

use std::time::Duration;

use capture::Direction;
use libtest_mimic::Trial;

use crate::{
    cgroup::Cgroup,
    expect::{at_least, truth, within},
    link::Link,
    log::State,
    outcome::Outcome,
    pair::{Pair, RECEIVER, SENDER},
    programs::{Answerer, Asker, Program, Step, Style, exchange::Talk},
    stage::{ANYWHERE, LOOPBACK, Place, Stage, core},
    trial,
    truth::Waits,
};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("network::shaped_link_blocking", || shaped_link(Style::Blocking)),
        trial("network::shaped_link_loop", || shaped_link(Style::Loop)),
        trial("network::sender_sleeps_blocking", || sender_sleeps(Style::Blocking)),
        trial("network::sender_sleeps_loop", || sender_sleeps(Style::Loop)),
        trial("network::sender_reads_slow_disk_blocking", || sender_reads_slow_disk(Style::Blocking)),
        trial("network::sender_reads_slow_disk_loop", || sender_reads_slow_disk(Style::Loop)),
        trial("network::both_compute_blocking", || both_compute(Style::Blocking)),
        trial("network::both_compute_loop", || both_compute(Style::Loop)),
        trial("network::small_writes_and_nagle", small_writes_and_nagle),
        trial("network::receiver_reads_late_asleep_blocking", || reads_late_asleep(Style::Blocking)),
        trial("network::receiver_reads_late_asleep_loop", || reads_late_asleep(Style::Loop)),
        trial("network::receiver_reads_late_computing_blocking", || reads_late_computing(Style::Blocking)),
        trial("network::receiver_reads_late_computing_loop", || reads_late_computing(Style::Loop)),
    ]
}

fn shaped_link(style: Style) {
    let stage = Stage::new();
    let link = Link::new(100_000_000, stage.folder());
    let sender = (style, Place { host: Some(&link.sender), ..ANYWHERE });
    let receiver = (style, Place { host: Some(&link.receiver), ..ANYWHERE });
    let pair = Pair { blocks: 320, sender, receiver, ..Pair::of(style) };
    let bytes = pair.bytes();
    let outcome = pair.play(stage);
    let middle = outcome.window(RECEIVER, "p50", "p90");
    let mbit_per_s = bytes as f64 * 0.4 * 8e3 / middle.ns() as f64;
    truth("Mbit/s", mbit_per_s, within(95.0, 3.0));
    let receives = outcome.truth(RECEIVER).waits(State::Receive, middle);
    truth("the receiver waits", receives.off_cpu, at_least(0.95));
    let receiver = outcome.truth(RECEIVER);
    outcome.check_wait(RECEIVER, "wait_network", receiver.waits(State::Receive, receiver.whole()));
    outcome.check_milestones(RECEIVER, State::Receive);
    outcome.check_milestones(SENDER, State::Send);
    let phase = outcome.phase(RECEIVER, "p90");
    phase.bottleneck("network").waited("network", receives);
    phase.details(&["link", "pacing", "cwnd"], at_least(0.9));
}

fn sender_sleeps(style: Style) {
    let pair = Pair { before_send: Step::Sleep(Duration::from_millis(10)), ..Pair::of(style) };
    let outcome = pair.play(Stage::new());
    let middle = outcome.window(RECEIVER, "p50", "p90");
    let (sender, receiver) = (outcome.truth(SENDER), outcome.truth(RECEIVER));
    let (sleeps, receives) = (sender.waits(State::Sleep, middle), receiver.waits(State::Receive, middle));
    truth("the sender sleeps", sleeps.off_cpu, at_least(0.9));
    truth("the receiver waits", receives.off_cpu, at_least(0.9));
    outcome.check_wait(SENDER, "wait_timer", sender.waits(State::Sleep, sender.whole()));
    outcome.check_milestones(RECEIVER, State::Receive);
    outcome.check_milestones(SENDER, State::Send);
    let phase = outcome.phase(RECEIVER, "p90");
    phase.bottleneck("network").waited("network", receives);
    phase.peer_waited("peer_timer", sleeps);
}

fn sender_reads_slow_disk(style: Style) {
    let stage = Stage::new();
    let limit = Cgroup::with_disk_limit(stage.folder(), 20_000_000);
    let (blocks, block_bytes) = (160, 256 << 10);
    let before_send = Step::Read(stage.cold_file(blocks * block_bytes));
    let sender = (style, Place { cgroup: Some(&limit), ..ANYWHERE });
    let outcome = Pair { blocks, block_bytes, before_send, sender, ..Pair::of(style) }.play(stage);
    let middle = outcome.window(RECEIVER, "p50", "p90");
    let (sender, receiver) = (outcome.truth(SENDER), outcome.truth(RECEIVER));
    let (reads, receives) = (sender.waits(State::Read, middle), receiver.waits(State::Receive, middle));
    truth("the sender reads", reads.off_cpu, at_least(0.9));
    truth("the receiver waits", receives.off_cpu, at_least(0.9));
    outcome.check_wait(SENDER, "wait_disk", sender.waits(State::Read, sender.whole()));
    outcome.check_milestones(RECEIVER, State::Receive);
    outcome.check_milestones(SENDER, State::Send);
    let phase = outcome.phase(RECEIVER, "p90");
    phase.bottleneck("network").waited("network", receives);
    phase.peer_waited("peer_disk", reads);
}

fn both_compute(style: Style) {
    let talk = Talk {
        rounds: 100,
        question_bytes: vec![1000],
        answer_bytes: 64 << 10,
        after_each: Step::Compute(Duration::from_millis(5)),
        no_delay: true,
        style,
    };
    let outcome = exchange(talk, Direction::Download, |talk| talk.answer_bytes);
    let middle = outcome.window("asker", "p50", "p90");
    let (asker, answerer) = (outcome.truth("asker").cpu(middle), outcome.truth("answerer").cpu(middle));
    truth("the asker computes", asker, within(0.5, 0.05));
    truth("the answerer computes", answerer, within(0.5, 0.05));
    let receives = outcome.truth("asker").waits(State::Receive, middle);
    outcome.check_cpu("asker");
    outcome.check_milestones("asker", State::Receive);
    outcome.check_milestones("answerer", State::Send);
    let phase = outcome.phase("asker", "p90");
    phase.computed(asker).waited("network", receives);
    phase.peer_computed(answerer);
}

fn small_writes_and_nagle() {
    let rounds = 30;
    let talk = Talk {
        rounds,
        question_bytes: vec![700, 700],
        answer_bytes: 100,
        after_each: Step::Nothing,
        no_delay: false,
        style: Style::Blocking,
    };
    let outcome = exchange(talk, Direction::Upload, |talk| talk.question_bytes.iter().sum());
    let middle = outcome.window("answerer", "p50", "p90");
    // The shortest delay of an acknowledgement.
    let round_ms = middle.ns() as f64 / 1e6 / (0.4 * rounds as f64);
    truth("ms of a round", round_ms, within(42.0, 4.0));
    let receives = outcome.truth("answerer").waits(State::Receive, middle);
    truth("the answerer waits", receives.off_cpu, at_least(0.95));
    outcome.check_milestones("answerer", State::Receive);
    outcome.check_milestones("asker", State::Send);
    outcome.phase("answerer", "p90").waited("network", receives);
    for who in ["asker", "answerer"] {
        let phase = outcome.phase(who, "p90");
        phase.bottleneck("network");
        phase.largest_detail("nagle");
    }
}

fn reads_late_asleep(style: Style) {
    let outcome = reads_late(style, Step::Sleep(Duration::from_millis(10)));
    let middle = outcome.window(RECEIVER, "p50", "p90");
    let receiver = outcome.truth(RECEIVER);
    let sleeps = receiver.waits(State::Sleep, middle);
    truth("the receiver sleeps", sleeps.off_cpu, at_least(0.9));
    let whole = receiver.whole();
    outcome.check_wait(RECEIVER, "wait_timer", receiver.waits(State::Sleep, whole));
    outcome.phase(RECEIVER, "p90").bottleneck("timer").waited("timer", sleeps);
    // What used up its window is the reader's sleep.
    let window = outcome.window(SENDER, "p50", "p90");
    let sleeps = receiver.waits(State::Sleep, window);
    outcome.phase(SENDER, "p90").peer_waited("peer_timer", sleeps);
}

fn reads_late_computing(style: Style) {
    let outcome = reads_late(style, Step::Compute(Duration::from_millis(10)));
    let middle = outcome.window(RECEIVER, "p50", "p90");
    let receiver = outcome.truth(RECEIVER);
    let computes = receiver.cpu(middle);
    truth("the receiver computes", computes, at_least(0.9));
    outcome.check_cpu(RECEIVER);
    outcome.phase(RECEIVER, "p90").bottleneck("cpu").computed(computes);
    let computes = receiver.cpu(outcome.window(SENDER, "p50", "p90"));
    // Between two blocks the sender waits for a CPU, and hands over the next one.
    let computes = Waits { off_cpu: computes, cpu: computes };
    outcome.phase(SENDER, "p90").peer_waited("peer_cpu", computes);
}

/// The sender's side, which is the same whatever the receiver does.
fn reads_late(style: Style, after_receive: Step) -> Outcome {
    let buffer_bytes = Some(128 << 10);
    let outcome = Pair { blocks: 120, buffer_bytes, after_receive, ..Pair::of(style) }.play(Stage::new());
    let middle = outcome.window(SENDER, "p50", "p90");
    let sends = outcome.truth(SENDER).waits(State::Send, middle);
    truth("the sender waits", sends.off_cpu, at_least(0.9));
    outcome.check_milestones(RECEIVER, State::Receive);
    outcome.check_milestones(SENDER, State::Send);
    let phase = outcome.phase(SENDER, "p90");
    phase.bottleneck("network").waited("network", sends);
    outcome
}

/// `direction` and `bytes` of a round are the asker's.
fn exchange(talk: Talk, direction: Direction, bytes: impl Fn(&Talk) -> usize) -> Outcome {
    let bytes = talk.rounds * bytes(&talk);
    let opposite = match direction {
        Direction::Download => Direction::Upload,
        Direction::Upload => Direction::Download,
        Direction::Intake => panic!("nobody uploads here"),
    };
    let mut stage = Stage::new();
    let answerer = Program::Answerer(Answerer { talk: talk.clone() });
    let port = stage.start("answerer", answerer, Place { core: core(0), ..ANYWHERE });
    stage.transfers(opposite, bytes);
    let asker = Program::Asker(Asker { of: (LOOPBACK, port).into(), talk });
    stage.start("asker", asker, Place { core: core(1), ..ANYWHERE });
    stage.transfers(direction, bytes);
    stage.play()
}
