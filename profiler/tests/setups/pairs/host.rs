//! What others took of the host while a run was under way.

use std::{collections::BTreeMap, fs, thread};

use profiler::clock::now_ns;
use serde::{Deserialize, Serialize};

/// Parts of the time of all CPUs.
#[derive(Serialize, Deserialize, Clone, Copy, Debug)]
pub struct Disturbance {
    /// Taken by the hypervisor.
    pub stolen: f64,
    /// Taken by processes that are not of the run.
    pub strangers: f64,
}

/// A look at the host before a run.
pub struct Look {
    at_ns: u64,
    steal_ticks: u64,
    strangers_ticks: u64,
}

const MOST_STOLEN: f64 = 0.01;
const MOST_OF_STRANGERS: f64 = 0.02;
const TICKS_PER_S: f64 = 100.0;
const KERNEL_THREADS: u32 = 2;

impl Look {
    pub fn now() -> Self {
        Self { at_ns: now_ns(), steal_ticks: steal_ticks(), strangers_ticks: strangers_ticks() }
    }

    /// Since this look.
    pub fn disturbance(&self) -> Disturbance {
        let now = Self::now();
        let cpus = thread::available_parallelism().expect("count the CPUs").get() as f64;
        let ticks = (now.at_ns - self.at_ns) as f64 / 1e9 * TICKS_PER_S * cpus;
        Disturbance {
            stolen: (now.steal_ticks - self.steal_ticks) as f64 / ticks,
            strangers: now.strangers_ticks.saturating_sub(self.strangers_ticks) as f64 / ticks,
        }
    }
}

impl Disturbance {
    /// Why a run proves nothing. `busy_host`: strangers are put up with.
    pub fn too_much(&self, busy_host: bool) -> Option<String> {
        if self.stolen > MOST_STOLEN {
            return Some(format!("{:.1} % stolen", self.stolen * 100.0));
        }
        (self.strangers > MOST_OF_STRANGERS && !busy_host)
            .then(|| format!("{:.1} % for other processes", self.strangers * 100.0))
    }
}

fn steal_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/stat").expect("read the CPUs' times");
    // cpu, user, nice, system, idle, iowait, irq, softirq, steal.
    let steal = stat.lines().next().and_then(|line| line.split_whitespace().nth(8));
    steal.and_then(|ticks| ticks.parse().ok()).expect("the CPUs' stolen time")
}

/// CPU time of all processes but this one and those that it started, with their children that have ended. Their own
/// counts are summed: most kernels only sample the times in /proc/stat, and a program that wakes by a timer runs just
/// beside the samples, or at each. Threads of the kernel work for whoever asked: they are nobody's.
fn strangers_ticks() -> u64 {
    let own = std::process::id();
    let times: BTreeMap<u32, Times> = fs::read_dir("/proc")
        .expect("list the processes")
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            // It may have ended.
            Some((pid, times(&fs::read_to_string(entry.path().join("stat")).ok()?)?))
        })
        .collect();
    let is_stranger = |pid: u32, times: &Times| {
        !(pid == own || times.parent == own || pid == KERNEL_THREADS || times.parent == KERNEL_THREADS)
    };
    times.iter().filter(|(pid, times)| is_stranger(**pid, times)).map(|(_, times)| times.ticks).sum()
}

struct Times {
    parent: u32,
    ticks: u64,
}

fn times(stat: &str) -> Option<Times> {
    // A command's name may have spaces and brackets.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // state, ppid, pgrp, session, tty_nr, tpgid, flags, four counts of faults; utime, stime, cutime, cstime.
    let ticks = fields.get(11..15)?.iter().map(|ticks| ticks.parse::<u64>().ok()).sum::<Option<u64>>()?;
    Some(Times { parent: fields.get(1)?.parse().ok()?, ticks })
}
