//! Whatever the ring buffer could not take is counted to the last record, and the report says in which phase.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    num::NonZeroU32,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use analysis::{
    report::{self, Report, Verdict},
    timeline::{Runs, ThreadTime},
};
use profiler::collect::probes::Settings;
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::{CpuSet, sched_setaffinity},
};

#[path = "../setups/cgroup.rs"]
#[expect(dead_code, reason = "of its limits only the disk's is used")]
mod cgroup;

use crate::{
    files::MIB,
    image::Image,
    recorded::{Recorded, named, read, record, record_with, wait_until_followed},
};

const PROFILER: &str = env!("CARGO_BIN_EXE_profiler");

#[test]
fn two_hundred_thousand_switches_a_second_lose_no_record() {
    let (recorded, rate) = record_storm(Some(210_000));
    assert_eq!(switches(&recorded).lost, 0);
    check_cost(&recorded);
    // A host that is busy otherwise reaches fewer.
    assert!(rate > 50_000.0, "that was no storm: {rate:.0} context switches/s");
}

#[test]
fn as_many_switches_as_the_host_can_make_are_recorded_or_counted_as_lost() {
    let (_, rate) = record_storm(None);
    assert!(rate > 50_000.0, "that was no storm: {rate:.0} context switches/s");
}

#[track_caller]
fn record_storm(switches_per_s: Option<u64>) -> (Recorded, f64) {
    let mut seconds = 0.0;
    let recorded = record(|| {
        let began = Instant::now();
        let storm = Storm::on_every_cpu(switches_per_s);
        thread::sleep(Duration::from_secs(4));
        storm.stop();
        seconds = began.elapsed().as_secs_f64();
    });
    let Switches { made, recorded: spans, lost } = switches(&recorded);
    let rate = made as f64 / seconds;
    eprintln!("{rate:.0} context switches/s of {switches_per_s:?}: {spans} spans, {lost} records lost");
    check_all_are_known(&recorded);
    (recorded, rate)
}

/// What switching costs of the CPU time of those that switch, both in one run.
#[track_caller]
fn check_cost(recorded: &Recorded) {
    const LIMIT: f64 = 0.3;
    let timeline = &recorded.timeline;
    let storm = recorded.own().threads.values().filter(|thread| thread.comm == "storm");
    let storm_ns: u64 = storm.map(|thread| ThreadTime::of(thread, timeline.whole_until_ns()).cpu_ns).sum();
    let recorded_ns = timeline.end_ns - timeline.start.at_ns;
    let windows = &timeline.windows;
    let sum = |of: fn(&Runs) -> u64| windows.programs.values().map(of).sum::<u64>() as f64;
    let empty = windows.empty.as_ref().expect("this host counts runs");
    let counting_ns = empty.run_ns as f64 / empty.runs as f64;
    let probe_ns = sum(|program| program.run_ns) - sum(|program| program.runs) * counting_ns;
    let share = probe_ns / windows.wall_ns as f64 * recorded_ns as f64 / storm_ns as f64;
    eprintln!("probes take {share:.3} of what switching takes");
    assert!(share < LIMIT, "{share:.3} of the CPU time of threads that do nothing but switch");
}

/// It is not optimised here. The storm is another program's: to name stacks of this one, which has all its symbols, takes more than
/// to record it.
#[test]
fn what_the_profiler_itself_takes_beside_a_storm_has_limits() {
    /// Of the CPU time of the threads that switch, in the same run.
    const CPU_LIMIT: f64 = 0.6;
    const MEMORY_LIMIT: u64 = 64 * MIB;
    const STORM: &str = "pipe(A, B); pipe(C, D); $end = time + 3;
        if (fork) { while (time < $end) { syswrite B, 'x'; sysread C, $x, 1 } close B; wait }
        else { close B; while (sysread A, $x, 1) { syswrite D, 'x' } }";
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let path = folder.path().join("run.capture");
    let mut profiler = Command::new(PROFILER);
    profiler.arg("record").arg("-o").arg(&path).args(["--", "perl", "-e", STORM]);
    assert!(profiler.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    let timeline = read(&path);
    let threads = timeline.processes.values().flat_map(|process| process.threads.values());
    let times = threads.map(|thread| ThreadTime::of(thread, timeline.whole_until_ns()));
    let storm_ns: u64 = times.map(|time| time.cpu_ns).sum();
    let daemon = timeline.daemon.as_ref().expect("the capture has its daemon");
    let (share, memory) = (daemon.last.cpu_ns as f64 / storm_ns as f64, daemon.peak_anon_rss_bytes);
    eprintln!("the profiler takes {share:.3} of what switching takes, and {} MiB", memory / MIB);
    assert!(share < CPU_LIMIT, "{share:.3} of the CPU time of threads that do nothing but switch");
    assert!(memory < MEMORY_LIMIT, "{memory} bytes of memory");
    // Else the limits would be those of a profiler that has nothing to do.
    assert!(timeline.events.spans.len() > 50_000, "{} switches are no storm", timeline.events.spans.len());
}

/// A storm that fills a ring buffer of [`LASTS_170_MS`] in about that time: eight times as long as the loop sleeps, and half
/// of what it takes to read the symbols of this program, which is not optimised.
const SWITCHES_PER_S: u64 = 30_000;
const LASTS_170_MS: u32 = 1 << 19;

/// Each is borrowed and asked before the probes are detached, and their process's stacks are named before that.
#[test]
fn thousands_of_open_connections_at_the_end_lose_no_record() {
    const CONNECTIONS: usize = 9000;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let settings = Settings { ring_buffer_bytes: NonZeroU32::new(LASTS_170_MS), ..Settings::default() };
    let mut connections = Vec::new();
    let mut storm = None;
    let recorded = record_with(&settings, |_| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        for _ in 0..CONNECTIONS {
            connections.push((TcpStream::connect(address).unwrap(), listener.accept().unwrap().0));
        }
        storm = Some(Storm::on_every_cpu(Some(SWITCHES_PER_S)));
        thread::sleep(Duration::from_secs(1));
    });
    storm.expect("it was begun").stop();
    assert!(switches(&recorded).made > 10_000, "that was no storm");
    assert_eq!(switches(&recorded).lost, 0, "{:?}", recorded.timeline.lossy);
}

#[test]
fn a_ring_buffer_that_is_too_small_loses_records_and_counts_each() {
    let settings = Settings { ring_buffer_bytes: NonZeroU32::new(64 << 10), ..Settings::default() };
    let recorded = record_with(&settings, |_| {
        let storm = Storm::on_every_cpu(None);
        thread::sleep(Duration::from_secs(2));
        storm.stop();
    });
    let Switches { made, lost, .. } = switches(&recorded);
    assert!(lost * 10 > made, "{lost} of {made}");
    check_all_are_known(&recorded);
}

#[test]
fn a_drain_that_is_stopped_loses_records_of_the_phase_that_it_is_stopped_in() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let report = check_phase(folder.path(), |profiler| {
        signal(profiler, libc::SIGSTOP);
        storm_for(Duration::from_millis(600));
        signal(profiler, libc::SIGCONT);
    });
    assert_eq!(report.trust.verdict, Verdict::Degraded);
}

#[test]
fn a_slow_disk_under_the_capture_loses_records_of_the_phase_that_it_is_slow_in() {
    // Every write waits for the device.
    let disk = Image::mount(&["mkfs.ext4", "-q", "-O", "^has_journal"], 64 * MIB, "sync");
    let group = cgroup::Cgroup::with_disk_limit(&disk.folder(), 40_000);
    let everybody = group.procs().parent().unwrap().parent().unwrap().join("cgroup.procs");
    check_phase(&disk.folder(), |profiler| {
        fs::write(group.procs(), profiler.id().to_string()).unwrap();
        storm_for(Duration::from_millis(1500));
        fs::write(&everybody, profiler.id().to_string()).unwrap();
    });
}

/// Records a transfer of this process by a profiler of its own, with a ring buffer of 256 KiB and with this trouble
/// between 50 and 90 %, and checks that what is lost is told of this phase, and no other.
#[track_caller]
fn check_phase(folder: &Path, trouble: impl FnOnce(&Child)) -> Report {
    const CHUNK: usize = 20_000;
    let path = folder.join("run.capture");
    let mut profiler = Command::new(PROFILER)
        .args(["record", "--ring-buffer", "262144", "--size", &(100 * CHUNK).to_string(), "--pid"])
        .arg(std::process::id().to_string())
        .arg("-o")
        .arg(&path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until_followed(&path);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut far = listener.accept().unwrap().0;
    let mut trouble = Some(trouble);
    for chunk in 0..100 {
        near.write_all(&[7; CHUNK]).unwrap();
        far.read_exact(&mut [0; CHUNK]).unwrap();
        thread::sleep(Duration::from_millis(10));
        if chunk == 70 {
            trouble.take().unwrap()(&profiler);
        }
        if chunk == 80 {
            // What is still in the disk's queue.
            thread::sleep(Duration::from_secs(2));
        }
    }
    thread::sleep(Duration::from_millis(500));
    signal(&profiler, libc::SIGINT);
    assert!(profiler.wait().unwrap().success());
    let recorded = Recorded { timeline: read(&path) };
    assert!(switches(&recorded).lost > 0, "nothing was lost");
    check_all_are_known(&recorded);
    let report = report::build(&recorded.timeline);
    assert_eq!(report.trust.events_lost["ring_full"], switches(&recorded).lost);
    let reasons = &report.trust.reasons;
    let phases = reasons.iter().find(|reason| reason.contains("records were lost in the phases"));
    let phases = phases.unwrap_or_else(|| panic!("no phase is named: {reasons:#?}"));
    assert!(phases.contains("phases p50 to p90 (") && !phases.contains("p90 to p100"), "{phases}");
    report
}

struct Switches {
    made: u64,
    recorded: u64,
    lost: u64,
}

/// Of this process. The counters in the maps cannot be lost.
fn switches(recorded: &Recorded) -> Switches {
    Switches {
        made: recorded.own().threads.values().map(|thread| thread.switches).sum(),
        recorded: recorded.timeline.events.spans.len() as u64,
        lost: recorded.timeline.losses["ring_full"],
    }
}

/// A switch off the CPU is a span when the thread runs again, or one that was lost; and so is the beginning of a thread.
/// Sends, receives and progress are lost too, and so few here that they do not matter.
#[track_caller]
fn check_all_are_known(recorded: &Recorded) {
    let Switches { made, recorded: spans, lost } = switches(recorded);
    let doubt = 2 * recorded.own().threads.len() as u64
        + 2 * recorded.timeline.losses["switch_unseen"]
        + if recorded.timeline.events.payloads.is_empty() { 0 } else { 500 };
    // So are the runs of others that threads waited for: as many as the host has, up to one in twenty.
    let known = made.saturating_sub(doubt)..=made + doubt + made / 20;
    assert!(known.contains(&(spans + lost)), "{spans} spans, {lost} lost, {made} made, ± {doubt}");
}

fn signal(child: &Child, signal: i32) {
    // SAFETY: a child that was not waited for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

fn storm_for(time: Duration) {
    let storm = Storm::on_every_cpu(None);
    thread::sleep(time);
    storm.stop();
}

/// What a storm with a rate keeps to.
const SLOT: Duration = Duration::from_millis(10);

/// Two threads on each CPU that wake each other in turn.
struct Storm {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Storm {
    /// So many switches a second on all CPUs together, or as many as they can.
    fn on_every_cpu(switches_per_s: Option<u64>) -> Self {
        let cpus = thread::available_parallelism().unwrap().get();
        // A turn is two switches.
        let turns_per_slot = switches_per_s
            .map_or(u64::MAX, |rate| rate * SLOT.as_micros() as u64 / 1_000_000 / (2 * cpus as u64));
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for cpu in 0..cpus {
            let (here, there) = (std::io::pipe().unwrap(), std::io::pipe().unwrap());
            for (first, mut from, mut to) in [(true, here.0, there.1), (false, there.0, here.1)] {
                let stop = Arc::clone(&stop);
                threads.push(named("storm", move || {
                    let mut only = CpuSet::new();
                    only.set(cpu);
                    sched_setaffinity(None, &only).unwrap();
                    if first {
                        to.write_all(&[0]).unwrap();
                    }
                    let (mut turns, mut slot_ends) = (0, Instant::now() + SLOT);
                    // The other end is gone when the other thread has stopped.
                    while !stop.load(Ordering::Relaxed) && from.read_exact(&mut [0]).is_ok() {
                        if to.write_all(&[0]).is_err() {
                            break;
                        }
                        turns += 1;
                        if first && turns >= turns_per_slot {
                            thread::sleep(slot_ends.saturating_duration_since(Instant::now()));
                            // What it missed on a busy host it does not make up for: that would be more than the rate.
                            (turns, slot_ends) = (0, slot_ends.max(Instant::now()) + SLOT);
                        }
                    }
                }));
            }
        }
        Self { stop, threads }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}
