//! Who had the CPU, or the disk, that a thread waited for.

use std::{
    fs::OpenOptions,
    io::{Read as _, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
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
    files::{Cold, MIB},
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

/// Both read past the page cache, and log when each read began and ended.
#[test]
fn a_process_that_keeps_the_disk_busy_is_named_with_its_bytes() {
    const BLOCK: usize = 64 << 10;
    const HOGS_BLOCK: usize = 512 << 10;
    let (own, hogs) = (Cold::file(32 * MIB), Cold::file(64 * MIB));
    let (mut times, mut tell) = std::io::pipe().unwrap();
    let actor = Actor::new(|| {
        let log = read_over_and_over(&own.path, BLOCK, |began_ns| began_ns > 700_000_000);
        log.iter().for_each(|(from_ns, to_ns)| {
            tell.write_all(&[from_ns.to_ne_bytes(), to_ns.to_ne_bytes()].concat()).unwrap();
        });
    });
    drop(tell);
    let pid = actor.pid;
    let over = AtomicBool::new(false);
    let (mut waits, mut reads) = (Vec::new(), Vec::new());
    let recorded = record_others(|recording| {
        recording.register(pid).unwrap();
        thread::scope(|scope| {
            let hog =
                scope.spawn(|| read_over_and_over(&hogs.path, HOGS_BLOCK, |_| over.load(Ordering::Relaxed)));
            let told = scope.spawn(|| {
                let mut bytes = Vec::new();
                times.read_to_end(&mut bytes).unwrap();
                bytes
            });
            actor.act();
            over.store(true, Ordering::Relaxed);
            reads = hog.join().unwrap();
            let bytes = told.join().unwrap();
            let numbers = bytes.chunks_exact(8).map(|number| u64::from_ne_bytes(number.try_into().unwrap()));
            let numbers: Vec<u64> = numbers.collect();
            waits = numbers.chunks_exact(2).map(|wait| (wait[0], wait[1])).collect();
        });
    });
    let report = analysis::report::build(&recorded.timeline);
    let process = report.processes.iter().find(|process| process.pid == pid).expect("the actor");
    let path = process.path.as_ref().expect("a path");
    let held = path.budget.disk_held.as_ref().expect("it waited for its disk");
    // What the hog's own log has of bytes while the other waited, each read's evenly.
    let together =
        |read: &(u64, u64), wait: &(u64, u64)| read.1.min(wait.1).saturating_sub(read.0.max(wait.0));
    let of_read = |read: &(u64, u64)| {
        let ns: u64 = waits.iter().map(|wait| together(read, wait)).sum();
        HOGS_BLOCK as f64 * ns as f64 / (read.1 - read.0) as f64
    };
    let all: f64 = reads.iter().map(of_read).sum();
    // Of its calls only what it waited for the disk.
    let waited_ns: u64 = waits.iter().map(|(from_ns, to_ns)| to_ns - from_ns).sum();
    let disk_s = path.budget.shares.disk * path.wall_s;
    let hogged = all * 1e9 * disk_s / waited_ns as f64;
    let first = held.by.first().expect("somebody had it");
    assert_eq!((first.pid, first.is_target), (Some(std::process::id()), false), "{held:?}");
    assert!(first.process.starts_with("kernel"), "{held:?}");
    // Between the two: others may want the disk, too.
    let own = held.by.iter().find(|holder| holder.pid == Some(pid)).expect("its own requests");
    let hogs_s = (first.seconds + own.seconds) * all / (all + (waits.len() * BLOCK) as f64);
    let is_near = |found: f64, by_log: f64| (found - by_log).abs() < 0.05 * by_log;
    assert!(is_near(first.bytes as f64, hogged), "{hogged} of {all} bytes by its own log, {held:?}");
    assert!(is_near(first.seconds, hogs_s), "{hogs_s} s of both by the logs, {held:?}");
}

/// Until it is over, by the time since the first; when each read began and ended.
fn read_over_and_over(path: &Path, block: usize, is_over: impl Fn(u64) -> bool) -> Vec<(u64, u64)> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(path).unwrap();
    let blocks = file.metadata().unwrap().len() as usize / block;
    let mut memory = memmap2::MmapMut::map_anon(block).unwrap();
    memory.fill(7);
    let (mut log, since_ns) = (Vec::new(), now_ns());
    while !is_over(now_ns() - since_ns) {
        let from_ns = now_ns();
        let offset = log.len() % blocks * block;
        assert_eq!(file.read_at(&mut memory, offset as u64).unwrap(), block);
        log.push((from_ns, now_ns()));
    }
    log
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
