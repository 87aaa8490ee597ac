//! Who had the CPU that a thread waited for.

use std::{
    io::{Read as _, Write as _},
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use profiler::clock::{now_ns, thread_cpu_ns};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::{
    actor::Actor,
    recorded::{record_others, spin},
};

#[test]
fn a_process_that_is_no_target_is_named_with_the_time_that_it_had_the_cpu() {
    let (mut times, mut tell) = std::io::pipe().unwrap();
    let actor = Actor::new(|| {
        tell.write_all(&now_ns().to_ne_bytes()).unwrap();
        take_a_cpu();
        spin(Duration::from_millis(700));
    });
    let pid = actor.pid;
    let (there, over) = (Barrier::new(2), AtomicBool::new(false));
    // Monotonic time, and the CPU time so far.
    let mut hogged: Vec<(u64, u64)> = Vec::new();
    let recorded = record_others(|recording| {
        recording.register(pid).unwrap();
        thread::scope(|scope| {
            let hog = scope.spawn(|| {
                take_a_cpu();
                there.wait();
                let mut log = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    log.push((now_ns(), thread_cpu_ns()));
                    spin(Duration::from_micros(200));
                }
                log
            });
            there.wait();
            actor.act();
            over.store(true, Ordering::Relaxed);
            hogged = hog.join().unwrap();
        });
    });
    let mut bytes = [0; 8];
    times.read_exact(&mut bytes).unwrap();
    let began_ns = u64::from_ne_bytes(bytes);
    let thread = recorded.with_pid(pid).threads.values().next().expect("its thread");
    // It left its CPU for good.
    let ended_ns = thread.state_since_ns;
    let until = |at_ns: u64| hogged[hogged.partition_point(|(now_ns, _)| *now_ns < at_ns).max(1) - 1].1;
    let hogged_s = (until(ended_ns) - until(began_ns)) as f64 / 1e9;
    let report = analysis::report::build(&recorded.timeline);
    let process = report.processes.iter().find(|process| process.pid == pid).expect("the actor");
    let path = process.path.as_ref().expect("a path");
    let held = path.budget.cpu_held.as_ref().expect("it waited for its CPU");
    let first = held.by.first().expect("somebody had it");
    assert_eq!((first.pid, first.is_target), (Some(std::process::id()), false), "{held:?}");
    assert!(first.process.starts_with("kernel"), "{held:?}");
    let off = (first.seconds - hogged_s).abs();
    assert!(off < 0.05 * hogged_s + 0.01, "{hogged_s} s by its own clock, {held:?}");
    // Beside real-time threads the kernel leaves 5 % of a CPU to others, whose runs may be too short to be noted.
    assert!(held.unknown < 0.08, "{held:?}");
}

/// Before whatever else the host has to do there.
fn take_a_cpu() {
    let mut cpus = CpuSet::new();
    cpus.set(0);
    sched_setaffinity(None, &cpus).unwrap();
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: of the calling thread, by Linux's meaning of 0.
    assert_eq!(unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &raw const priority) }, 0);
}
