//! What the recording costs: the probes' run time, in marked windows only, and the daemon's own resources.

pub mod dispatch;

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, AsRawFd as _, OwnedFd},
};

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, TestRun as _, TestRunOptions,
    programs::Program,
    sys::{Stats, enable_stats},
};

use crate::{
    clock::{now_ns, process_cpu_ns},
    collect::maps,
};
use capture::{ARRIVAL_REENTRY, ARRIVALS, Daemon, EMPTY_PROGRAM, PROBE_REENTRY, ProbeWindow, ProgramRuns};

/// How long the kernel's statistics are on, and how often. They add some 50 ns to every run of every program
/// on the host (6.18), so they are off nine tenths of the time; often and not for long, because transfers come in bursts.
const WINDOW_NS: u64 = 50_000_000;
const PERIOD_NS: u64 = 500_000_000;

/// Runs of the empty program in each window: some 0.1 ms.
const EMPTY_RUNS: u32 = 1000;

/// Opens and closes the windows.
pub struct Windows {
    open: Option<Window>,
    next_ns: u64,
}

struct Window {
    /// Statistics are on while this is open.
    _statistics: OwnedFd,
    from_ns: u64,
    before: Vec<ProgramRuns>,
}

/// Asks the kernel whether this process may switch on the statistics, which takes CAP_SYS_ADMIN.
///
/// # Errors
/// It may not: what the probes cost cannot be measured then.
pub fn check_statistics() -> Result<()> {
    statistics().map(drop)
}

impl Windows {
    /// Windows from now on, or never.
    pub fn new(are_counted: bool) -> Self {
        Self { open: None, next_ns: if are_counted { 0 } else { u64::MAX } }
    }

    /// Opens or closes a window when it is time; gives the one that it closed.
    pub fn tick(&mut self, ebpf: &Ebpf) -> Result<Option<ProbeWindow>> {
        let now = now_ns();
        match &self.open {
            Some(window) if now - window.from_ns >= WINDOW_NS => self.close(ebpf),
            Some(_) => Ok(None),
            None if now >= self.next_ns => {
                self.next_ns = now + PERIOD_NS;
                let statistics = statistics()?;
                self.open = Some(Window { _statistics: statistics, from_ns: now_ns(), before: runs(ebpf)? });
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Closes the open window, if there is one.
    pub fn close(&mut self, ebpf: &Ebpf) -> Result<Option<ProbeWindow>> {
        let Some(window) = self.open.take() else { return Ok(None) };
        run_empty(ebpf);
        let to_ns = now_ns();
        let programs = runs(ebpf)?
            .into_iter()
            .zip(window.before)
            .map(|(after, before)| ProgramRuns {
                program: after.program,
                runs: after.runs - before.runs,
                run_ns: after.run_ns - before.run_ns,
            })
            .collect();
        Ok(Some(ProbeWindow { from_ns: window.from_ns, to_ns, programs }))
    }
}

/// What this process uses now; `cpu_before_ns` is what it had used when the recording began.
pub fn daemon(cpu_before_ns: u64, map_bytes: u64, capture_bytes: u64) -> Result<Daemon> {
    let status =
        procfs::process::Process::myself().and_then(|me| me.status()).context("read /proc/self/status")?;
    Ok(Daemon {
        at_ns: now_ns(),
        cpu_ns: process_cpu_ns() - cpu_before_ns,
        anon_rss_bytes: status.rssanon.unwrap_or(0) * 1024,
        map_bytes,
        capture_bytes,
    })
}

/// Memory of all maps of the object, the ring buffers among them, as the kernel accounts for it.
pub fn map_bytes(ebpf: &Ebpf) -> Result<u64> {
    ebpf.maps().map(|(name, map)| fdinfo(maps::data(name, map)?.fd(), "memlock:")).sum()
}

/// Runs of our programs that the kernel skipped because one was interrupted by the same program, by class.
pub fn reentries(ebpf: &Ebpf) -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::from([PROBE_REENTRY, ARRIVAL_REENTRY].map(|class| (class.to_owned(), 0)));
    for (name, program) in loaded(ebpf) {
        let class = if name == ARRIVALS { ARRIVAL_REENTRY } else { PROBE_REENTRY };
        *counts.entry(class.to_owned()).or_default() += fdinfo(program.fd()?, "recursion_misses:")?;
    }
    Ok(counts)
}

/// Has the kernel run, and count, a program that does nothing: the kernel reads the clock before and after each run,
/// and one of the two readings falls into what it counts. Where it cannot be run, it has no runs.
fn run_empty(ebpf: &Ebpf) {
    /// As long as an Ethernet header: the kernel wants that much.
    const PACKET: [u8; 14] = [0; 14];
    if let Some(Program::SocketFilter(empty)) = ebpf.program(EMPTY_PROGRAM) {
        let _ = empty.test_run(TestRunOptions {
            data_in: Some(&PACKET),
            repeat: EMPTY_RUNS,
            ..TestRunOptions::default()
        });
    }
}

/// Switches the kernel's statistics on, for as long as the descriptor is open.
fn statistics() -> Result<OwnedFd> {
    enable_stats(Stats::RunTime).context("switch on the kernel's BPF statistics")
}

fn runs(ebpf: &Ebpf) -> Result<Vec<ProgramRuns>> {
    loaded(ebpf)
        .map(|(name, program)| {
            let info = program.info().with_context(|| format!("statistics of {name}"))?;
            Ok(ProgramRuns {
                program: name.to_owned(),
                runs: info.run_count(),
                run_ns: info.run_time().as_nanos() as u64,
            })
        })
        .collect()
}

/// Programs of families that could not be attached are in the object, but not in the kernel.
fn loaded(ebpf: &Ebpf) -> impl Iterator<Item = (&str, &Program)> {
    ebpf.programs().filter(|(_, program)| program.fd().is_ok())
}

/// A number that the kernel shows of a file descriptor.
fn fdinfo(fd: impl AsFd, key: &str) -> Result<u64> {
    let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .with_context(|| format!("{path} has no {key}"))?;
    value.trim().parse().with_context(|| format!("{path}: {key} {value}"))
}
