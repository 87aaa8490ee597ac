//! The scheduler's own accounting of CPU time.

use crate::timeline::{Grown, Process, ThreadTime, Timeline};
use capture::{ThreadState, ThreadTotals, families::SCHEDULING};

use super::{Comparison, Measure};

const OF_PROCESS: Measure = Measure {
    what: "time on the CPU",
    cross_check: "/proc/PID/stat",
    unit: "ns",
    follows: "the states of its threads are off by as much, and so are shares that pass through them",
};

const OF_THREADS: Measure = Measure {
    what: "time on the CPU of live threads",
    cross_check: "/proc/PID/task/TID/schedstat",
    unit: "ns",
    follows: OF_PROCESS.follows,
};

/// User and system time are whole ticks of 10 ms each, at both ends.
const TICKS_NS: u64 = 40_000_000;

/// A running thread's time is brought up to date by the timer, at least every 10 ms.
const UPDATE_NS: u64 = 10_000_000;

/// A switch that was not seen makes an off-CPU interval longer: see the method.
const UNSEEN_PARTS: u64 = 100;

pub(super) fn rows(timeline: &Timeline) -> Vec<Comparison> {
    // While scheduling is detached, nothing is known of it.
    if !timeline.has_family(SCHEDULING) || timeline.detached.iter().any(|one| one.family == SCHEDULING) {
        return Vec::new();
    }
    let processes = timeline.processes.iter();
    processes
        .flat_map(|(serial, process)| {
            let all = sum(timeline, process, |_| true);
            let readings = timeline.cross_checks.processes.get(serial);
            let grown = readings.and_then(|readings| readings.grown(|reading| reading.cpu_ns));
            let whole = grown.map(|grown| {
                let known_error = known_error_ns(timeline, &all) + TICKS_NS;
                OF_PROCESS.compare_grown(process.name(), all.on_cpu_ns(), grown, known_error)
            });
            let since_ns = process.totals.as_ref().map_or(0, |totals| totals.since_ns);
            let run = |thread: &ThreadTotals| {
                let readings = timeline.cross_checks.threads.get(&(*serial, thread.tid))?;
                // What was read at the start was another thread, if one has got its id since.
                let readings = if thread.start_ns > since_ns { readings.without_start() } else { *readings };
                readings.grown(|reading| reading.run_ns).filter(|grown| grown.most.is_some())
            };
            let lives = |thread: &ThreadTotals| thread.state != ThreadState::Exited && run(thread).is_some();
            let living = sum(timeline, process, lives);
            let by_thread = (living.threads > 0).then(|| {
                let known_error = known_error_ns(timeline, &living) + UPDATE_NS * living.threads;
                let runs = || process.threads.values().filter(|thread| lives(thread)).filter_map(run);
                let grown = Grown {
                    least: runs().map(|grown| grown.least).sum(),
                    most: runs().map(|grown| grown.most).sum(),
                };
                OF_THREADS.compare_grown(process.name(), living.on_cpu_ns(), grown, known_error)
            });
            [whole, by_thread].into_iter().flatten()
        })
        .collect()
}

/// The time of a process's threads of a kind, added up.
fn sum(timeline: &Timeline, process: &Process, is_wanted: impl Fn(&ThreadTotals) -> bool) -> ThreadTime {
    let mut sum = ThreadTime::default();
    for thread in process.threads.values().filter(|thread| is_wanted(thread)) {
        sum += ThreadTime::of(thread, timeline.whole_until_ns());
    }
    sum
}

/// Kernels account for interrupts on top of a thread, and for what the hypervisor took, or leave both out.
fn known_error_ns(timeline: &Timeline, time: &ThreadTime) -> u64 {
    let stolen_ns = timeline.cross_checks.steal.grown(|ns| *ns).and_then(|grown| grown.most).unwrap_or(0);
    time.softirq_ns + time.hardirq_ns + stolen_ns.min(time.on_cpu_ns()) + time.on_cpu_ns() / UNSEEN_PARTS
}
