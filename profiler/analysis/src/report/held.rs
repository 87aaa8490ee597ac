//! Who had what was waited for: the CPU, a disk.

use serde::Serialize;

use crate::{
    attribution::sums::{Budget, Holder},
    timeline::Timeline,
};

/// So many are told by name.
const NAMED: usize = 5;

/// Who had the CPU while threads waited for one, own and peers'. Parts of the interval; with `others` and `unknown` they sum to
/// `shares.cpu_wait` and `network_detail.peer_cpu_wait` together.
#[derive(Clone, Debug, Serialize)]
pub struct CpuHeld {
    /// The first five, the largest first.
    pub by: Vec<CpuHolder>,
    pub others: f64,
    /// Waits of less than 10 µs, CPUs that were idle, and runs that were not recorded.
    pub unknown: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct CpuHolder {
    /// Of a target its label, or its command name; `CPU quota` where the thread's control group had used up its own.
    pub process: String,
    pub pid: Option<u32>,
    pub is_target: bool,
    pub part: f64,
    pub seconds: f64,
}

/// None where nothing waited for a CPU.
pub(super) fn cpu(timeline: &Timeline, budget: &Budget) -> Option<CpuHeld> {
    let waited = budget.shares.cpu_wait + budget.network_detail.peer_cpu_wait;
    if waited == 0.0 {
        return None;
    }
    let named = budget.held.len().min(NAMED);
    let sum = |held: &[(Holder, f64)]| held.iter().fold(0.0, |sum, (_, part)| sum + part);
    let by = budget.held[..named].iter().map(|&(holder, part)| {
        let (process, pid, is_target) = holder_name(timeline, holder);
        CpuHolder { process, pid, is_target, part, seconds: part * super::seconds(budget.wall_ns) }
    });
    Some(CpuHeld {
        by: by.collect(),
        others: sum(&budget.held[named..]),
        unknown: (waited - sum(&budget.held)).max(0.0),
    })
}

/// Whose requests a disk did while threads waited for theirs, own and peers', these among them: the time that an own one was in
/// the disk's queue, in proportion to the bytes that the disk did meanwhile. Parts of the interval; with `others` and `unknown`
/// they sum to `shares.disk` and `network_detail.peer_disk` together.
#[derive(Clone, Debug, Serialize)]
pub struct DiskHeld {
    /// The first five, the largest first.
    pub by: Vec<DiskHolder>,
    pub others: f64,
    /// No request was in a disk's queue: a throttle, what a file system waits for by itself.
    pub unknown: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct DiskHolder {
    /// Of a target its label, or its command name.
    pub process: String,
    pub pid: Option<u32>,
    pub is_target: bool,
    pub part: f64,
    pub seconds: f64,
    /// In proportion to the part of the transfer's bytes that waited, as seconds are.
    pub bytes: u64,
}

/// None where nothing waited for a disk, or no request was seen meanwhile.
pub(super) fn disk(timeline: &Timeline, budget: &Budget) -> Option<DiskHeld> {
    if budget.disk_held.is_empty() {
        return None;
    }
    let waited = budget.shares.disk + budget.network_detail.peer_disk;
    let named = budget.disk_held.len().min(NAMED);
    let sum = |held: &[(Holder, f64, f64)]| held.iter().fold(0.0, |sum, (_, part, _)| sum + part);
    let by = budget.disk_held[..named].iter().map(|&(holder, part, bytes)| {
        let (process, pid, is_target) = holder_name(timeline, holder);
        let seconds = part * super::seconds(budget.wall_ns);
        DiskHolder { process, pid, is_target, part, seconds, bytes: bytes.round() as u64 }
    });
    Some(DiskHeld {
        by: by.collect(),
        others: sum(&budget.disk_held[named..]),
        unknown: (waited - sum(&budget.disk_held)).max(0.0),
    })
}

/// With its id, and whether it is a target.
pub(crate) fn holder_name(timeline: &Timeline, holder: Holder) -> (String, Option<u32>, bool) {
    match holder {
        Holder::Process(serial) => {
            let process = timeline.processes.get(&serial);
            let pid = process.and_then(|process| process.totals.as_ref()).map(|totals| totals.pid);
            (process.map_or_else(String::new, |process| process.name()), pid, true)
        }
        Holder::Outsider(outsider) => {
            let outsider = &timeline.events.outside_runs.outsiders[outsider as usize];
            (outsider.comm.clone(), Some(outsider.pid), false)
        }
        Holder::Quota => ("CPU quota".to_owned(), None, false),
    }
}
