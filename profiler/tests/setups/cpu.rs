//! Computing, and being kept from it.

use std::time::Duration;

use libtest_mimic::Trial;

use crate::{
    cgroup::Cgroup,
    expect::{at_least, check, near, truth, within},
    log::State,
    outcome::Outcome,
    pair::{Pair, RECEIVER, SENDER},
    programs::{Program, Spinner, Step, Style},
    stage::{ANYWHERE, Place, Stage, core},
    trial,
};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("cpu::hashing_between_paced_receives_blocking", || {
            hashing_between_paced_receives(Style::Blocking)
        }),
        trial("cpu::hashing_between_paced_receives_loop", || hashing_between_paced_receives(Style::Loop)),
        trial("cpu::quota_of_half_a_cpu", quota_of_half_a_cpu),
        trial("cpu::two_busy_programs_on_one_core", two_busy_programs_on_one_core),
    ]
}

fn hashing_between_paced_receives(style: Style) {
    let pair = Pair {
        before_send: Step::SleepUntilEvery(Duration::from_millis(10)),
        after_receive: Step::Compute(Duration::from_millis(6)),
        ..Pair::of(style)
    };
    let outcome = pair.play(Stage::new());
    let middle = outcome.window(RECEIVER, "p50", "p90");
    let receiver = outcome.truth(RECEIVER);
    let hashes = receiver.cpu(middle);
    truth("the receiver hashes", hashes, within(0.6, 0.03));
    outcome.check_cpu(RECEIVER);
    outcome.check_milestones(RECEIVER, State::Receive);
    outcome.check_milestones(SENDER, State::Send);
    // The next block comes 10 ms after the one before, whatever the receiver does for 6 of them: it delays no byte.
    let sleeps = outcome.truth(SENDER).waits(State::Sleep, middle);
    truth("the sender sleeps", sleeps.off_cpu, at_least(0.9));
    let phase = outcome.phase(RECEIVER, "p90");
    phase.bottleneck("network").peer_waited("peer_timer", sleeps);
}

const BUSY: Spinner = Spinner { time: Duration::from_secs(2) };

fn quota_of_half_a_cpu() {
    let mut stage = Stage::new();
    let quota = Cgroup::with_cpu_quota(50);
    stage.start("spinner", Program::Spinner(BUSY), Place { cgroup: Some(&quota), ..ANYWHERE });
    let outcome = stage.play();
    check_half(&outcome, "spinner");
    let throttled = quota.throttled_ns() as f64 / outcome.truth("spinner").whole().ns() as f64;
    check("throttled", outcome.state("spinner", "throttled"), near(throttled));
}

fn two_busy_programs_on_one_core() {
    let mut stage = Stage::new();
    let place = Place { core: core(0), ..ANYWHERE };
    stage.start("one", Program::Spinner(BUSY), place);
    stage.start("other", Program::Spinner(BUSY), place);
    let outcome = stage.play();
    for name in ["one", "other"] {
        check_half(&outcome, name);
        let log = outcome.truth(name);
        outcome.check_wait(name, "runqueue", log.waits(State::Compute, log.whole()));
    }
}

/// Half of its life a program waits for a CPU.
#[track_caller]
fn check_half(outcome: &Outcome, name: &str) {
    let log = outcome.truth(name);
    let whole = log.whole();
    let (runs, waits) = (log.cpu(whole), log.waits(State::Compute, whole));
    truth("a CPU is waited for", waits.off_cpu, within(0.5, 0.03));
    outcome.check_cpu(name);
    outcome.path(name).waited("cpu_wait", waits).computed(runs);
}
