//! Waiting for a mutex.

use std::time::Duration;

use libtest_mimic::Trial;

use crate::{
    expect::{at_least, check, truth, within},
    log::State,
    programs::{Mutual, Program},
    stage::{ANYWHERE, Stage},
    trial,
};

pub fn trials() -> Vec<Trial> {
    vec![trial("locks::mutex_held_by_another_thread", mutex_held_by_another_thread)]
}

fn mutex_held_by_another_thread() {
    // Of some 10 ms, the main thread computes 3: 2 with the mutex, and 1 before it wants it again.
    let program = Mutual {
        held: Duration::from_micros(8700),
        held_by_main: Duration::from_millis(2),
        time: Duration::from_millis(1500),
    };
    let mut stage = Stage::new();
    stage.start("waiter", Program::Mutual(program), ANYWHERE);
    let outcome = stage.play();
    let log = outcome.truth("waiter");
    let waits = log.waits(State::Lock, log.whole());
    // A busy host makes it longer or shorter; the report has to follow.
    truth("the mutex is waited for", waits.off_cpu, within(0.7, 0.1));
    let path = outcome.path("waiter");
    path.bottleneck("lock").waited("lock", waits).longest("lock", &["holder", "comm"], "mutex-holder");
    let holder = &path.longest_of("lock")["holder"];
    let did = |what: &str| holder["did"][what].as_f64().expect("a part of the wait");
    check("the holder computed, or wanted to", did("cpu") + did("cpu_wait"), at_least(0.95));
    outcome.check_threads_wait("waiter", "waiter", "wait_lock", waits);
}
