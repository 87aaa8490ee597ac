//! Small processes that are told of together: a shell script's `sh`, `cat` and `sleep` would have a row each, and say
//! nothing. What they moved and took is added up, not left out; each of them is in the report's `processes` too.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::AddAssign,
};

use serde::Serialize;

use super::processes::{self, DiskBytes, NetworkBytes, PeerReport, ProcessReport};
use crate::timeline::{ThreadTime, Timeline};
use capture::{ProcessSerial, ProcessTotals};

/// Fewer processes of one command are no crowd.
const FEWEST: usize = 4;

/// A part of the whole capture that is worth a row.
const PART: u64 = 1_000;

/// What every program moves to start: its own file, libraries, locales.
const START_BYTES: u64 = 64 << 10;

/// CPU time that every program takes to start.
const START_NS: u64 = 10_000_000;

/// Processes of one command below one target, of which none has a label, a transfer, 1/1000 of the capture's payload
/// on sockets, as much of its bytes in files and on devices (at least 64 KiB), or as much of one CPU (at least 10 ms).
#[derive(Clone, Debug, Serialize)]
pub struct HelperReport {
    pub comm: String,
    /// Their places in the report's `processes`, the first of which is 0.
    pub members: Vec<usize>,
    pub network: NetworkBytes,
    pub peers: Vec<PeerReport>,
    pub disk: DiskBytes,
    pub time: Option<ThreadTime>,
}

/// In the order of their first members. `processes` are those of the timeline that have totals, in their order.
pub(super) fn report(timeline: &Timeline, processes: &[ProcessReport]) -> Vec<HelperReport> {
    let small = Small::of(timeline, processes);
    let trees = Trees::of(timeline);
    let busy: BTreeSet<ProcessSerial> =
        timeline.transfers.iter().map(|timed| timed.transfer.process).collect();
    let mut groups: BTreeMap<(ProcessSerial, &str), Vec<usize>> = BTreeMap::new();
    for (place, (serial, process)) in trees.serials.iter().zip(processes).enumerate() {
        if process.label.is_none()
            && !busy.contains(serial)
            && small.holds(process)
            && let Some(root) = trees.root_above(*serial)
        {
            groups.entry((root, process.comm.as_str())).or_default().push(place);
        }
    }
    let groups = groups.into_iter().filter(|(_, members)| members.len() >= FEWEST);
    let mut helpers: Vec<_> = groups
        .map(|((_, comm), members)| {
            let members_sockets =
                members.iter().flat_map(|place| timeline.processes[&trees.serials[*place]].sockets.values());
            let peers = processes::peers(members_sockets);
            sum(comm, peers, members, processes)
        })
        .collect();
    helpers.sort_by_key(|helpers| helpers.members[0]);
    helpers
}

fn sum(comm: &str, peers: Vec<PeerReport>, members: Vec<usize>, processes: &[ProcessReport]) -> HelperReport {
    let mut all = HelperReport {
        comm: comm.to_owned(),
        network: NetworkBytes::default(),
        peers,
        disk: DiskBytes::default(),
        time: None,
        members,
    };
    for process in all.members.iter().map(|place| &processes[*place]) {
        all.network += process.network;
        all.disk += process.disk;
        if let Some(time) = process.time {
            *all.time.get_or_insert_default() += time;
        }
    }
    all
}

/// Up to where a process is small, in this capture.
struct Small {
    network_bytes: u64,
    disk_bytes: u64,
    cpu_ns: u64,
}

impl Small {
    fn of(timeline: &Timeline, processes: &[ProcessReport]) -> Self {
        let part = |of: fn(&ProcessReport) -> u64| processes.iter().map(of).sum::<u64>() / PART;
        Self {
            network_bytes: part(|process| process.network.bytes()),
            disk_bytes: part(|process| process.disk.bytes()).max(START_BYTES),
            cpu_ns: (timeline.duration_ns() / PART).max(START_NS),
        }
    }

    fn holds(&self, process: &ProcessReport) -> bool {
        process.network.bytes() <= self.network_bytes
            && process.disk.bytes() <= self.disk_bytes
            && process.time.map_or(0, |time| time.cpu_ns) <= self.cpu_ns
    }
}

/// Which process started which.
struct Trees<'t> {
    /// Of the processes with totals.
    serials: Vec<ProcessSerial>,
    totals: BTreeMap<ProcessSerial, &'t ProcessTotals>,
    /// A process id is used again: by when it became a target.
    by_pid: BTreeMap<(u32, u64), ProcessSerial>,
}

impl<'t> Trees<'t> {
    fn of(timeline: &'t Timeline) -> Self {
        let all = timeline.processes.iter();
        let totals: BTreeMap<_, _> =
            all.filter_map(|(serial, process)| Some((*serial, process.totals.as_ref()?))).collect();
        Self {
            serials: totals.keys().copied().collect(),
            by_pid: totals.iter().map(|(serial, totals)| ((totals.pid, totals.since_ns), *serial)).collect(),
            totals,
        }
    }

    /// The first target above it; `None` if it has none: it is what somebody asked for.
    fn root_above(&self, of: ProcessSerial) -> Option<ProcessSerial> {
        let mut root = self.parent(of)?;
        while let Some(above) = self.parent(root) {
            root = above;
        }
        Some(root)
    }

    /// A parent is a target before its child is; so the way up has an end.
    fn parent(&self, of: ProcessSerial) -> Option<ProcessSerial> {
        let child = self.totals[&of];
        let before = (child.parent_pid, 0)..=(child.parent_pid, child.since_ns);
        self.by_pid.range(before).next_back().map(|(_, parent)| *parent).filter(|parent| *parent < of)
    }
}

impl AddAssign for NetworkBytes {
    fn add_assign(&mut self, other: Self) {
        self.tcp_rx_bytes += other.tcp_rx_bytes;
        self.tcp_tx_bytes += other.tcp_tx_bytes;
        self.udp_rx_bytes += other.udp_rx_bytes;
        self.udp_tx_bytes += other.udp_tx_bytes;
        self.peer_rx_bytes += other.peer_rx_bytes;
        self.peer_tx_bytes += other.peer_tx_bytes;
        self.tcp_retransmits += other.tcp_retransmits;
    }
}

impl AddAssign for DiskBytes {
    fn add_assign(&mut self, other: Self) {
        let both = |a: Option<u64>, b: Option<u64>| a.map_or(b, |a| Some(a + b.unwrap_or(0)));
        self.file_read_bytes += other.file_read_bytes;
        self.file_written_bytes += other.file_written_bytes;
        self.other_read_bytes += other.other_read_bytes;
        self.other_written_bytes += other.other_written_bytes;
        self.uncounted_ways |= other.uncounted_ways;
        self.dirtied_bytes = both(self.dirtied_bytes, other.dirtied_bytes);
        self.device_read_bytes += other.device_read_bytes;
        self.device_written_bytes += other.device_written_bytes;
        self.writeback_bytes = both(self.writeback_bytes, other.writeback_bytes);
    }
}

#[cfg(test)]
mod tests;
