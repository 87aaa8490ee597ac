//! What each process moved, with whom, and where its threads' time went.

use rayon::prelude::*;
use serde::Serialize;

use super::{Budget, ConnectionReport, DropReport, budget, connections, drops, seconds};

use crate::{
    attribution::{Evidence, phase, states::States},
    timeline::{FileIo, Process, ThreadTime, Timeline, WayBytes, Ways, by_peer},
};
use capture::{Operation, ProcessSerial, ProcessTotals, Protocol, Role, SocketTotals, ThreadTotals};

#[derive(Clone, Debug, Serialize)]
pub struct ProcessReport {
    pub pid: u32,
    pub comm: String,
    pub label: Option<String>,
    pub role: Option<Role>,
    /// Name and version of the program, where the benchmark asked for it.
    pub program: Option<String>,
    pub network: NetworkBytes,
    pub peers: Vec<PeerReport>,
    /// TCP connections without control traffic of which the send queue's state was recorded, those that sent most first.
    pub connections: Vec<ConnectionReport>,
    /// How many more there are.
    pub connections_left_out: usize,
    /// What the kernel threw away of its sockets.
    pub dropped: Vec<DropReport>,
    pub disk: DiskBytes,
    /// Of all threads together. Missing where scheduling was not recorded.
    pub time: Option<ThreadTime>,
    pub threads: Vec<ThreadReport>,
    /// Of its first thread, over the time that it was recorded.
    pub path: Option<ProcessPath>,
}

/// What a process's first thread was waiting for, one way or another.
#[derive(Clone, Debug, Serialize)]
pub struct ProcessPath {
    pub wall_s: f64,
    #[serde(flatten)]
    pub budget: Budget,
}

/// One thread's states, in the order in which threads started.
#[derive(Clone, Debug, Serialize)]
pub struct ThreadReport {
    pub tid: u32,
    pub comm: String,
    pub time: ThreadTime,
}

/// Payload: what the process's own calls returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NetworkBytes {
    pub tcp_rx_bytes: u64,
    pub tcp_tx_bytes: u64,
    pub udp_rx_bytes: u64,
    pub udp_tx_bytes: u64,
    /// Without control traffic.
    pub peer_rx_bytes: u64,
    pub peer_tx_bytes: u64,
    /// Of the sockets that the process used; a socket of two processes counts for both.
    pub tcp_retransmits: u64,
}

/// The traffic with one remote address.
#[derive(Clone, Debug, Serialize)]
pub struct PeerReport {
    /// An address, `unconnected`, or `unknown`.
    pub peer: String,
    pub protocol: Option<Protocol>,
    pub control: bool,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    /// Sockets.
    pub connections: u64,
    pub retransmits: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DiskBytes {
    /// The tasks' own accounting, which counts `read()` and `write()` on sockets too.
    pub file_read_bytes: u64,
    pub file_written_bytes: u64,
    /// What its calls moved past this accounting.
    #[serde(skip_serializing_if = "WayBytes::is_zero")]
    pub other_read_bytes: WayBytes,
    #[serde(skip_serializing_if = "WayBytes::is_zero")]
    pub other_written_bytes: WayBytes,
    /// Ways past it on which the process was seen, and whose bytes are not in these, or not all.
    pub uncounted_ways: Ways,
    /// Page cache of files that it dirtied, by calls and through mappings: whole folios, again after each writeback.
    /// Missing where that was not recorded.
    pub dirtied_bytes: Option<u64>,
    /// On devices, whoever submitted it there: what is still dirty at the capture's end is not in here.
    pub device_read_bytes: u64,
    pub device_written_bytes: u64,
    /// The part of `device_written_bytes` that went through the page cache. Missing where that was not recorded.
    pub writeback_bytes: Option<u64>,
}

impl ProcessReport {
    /// Its label, or its command name.
    pub fn name(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.comm)
    }

    /// Whether it ran or moved a byte.
    pub fn did_something(&self) -> bool {
        let Self { network, disk, time, .. } = self;
        time.is_some_and(|time| time.cpu_ns > 0) || network.moved() || disk.moved()
    }
}

impl NetworkBytes {
    pub fn moved(&self) -> bool {
        self.bytes() > 0
    }

    /// Over all protocols, in both directions.
    pub(super) fn bytes(&self) -> u64 {
        self.tcp_rx_bytes + self.tcp_tx_bytes + self.udp_rx_bytes + self.udp_tx_bytes
    }
}

impl DiskBytes {
    pub fn moved(&self) -> bool {
        self.bytes() > 0
    }

    /// In the accounting, and past it.
    pub fn read_by_calls(&self) -> u64 {
        self.file_read_bytes + self.other_read_bytes.sum()
    }

    /// In the accounting, and past it.
    pub fn written_by_calls(&self) -> u64 {
        self.file_written_bytes + self.other_written_bytes.sum()
    }

    /// Asked for, dirtied and moved by devices: most bytes more than once.
    pub(super) fn bytes(&self) -> u64 {
        let asked_for = self.read_by_calls() + self.written_by_calls() + self.dirtied_bytes.unwrap_or(0);
        asked_for + self.device_read_bytes + self.device_written_bytes
    }
}

/// By serial: in the order in which they became targets.
pub(super) fn report(timeline: &Timeline, evidence: Option<&Evidence>) -> Vec<ProcessReport> {
    let processes: Vec<_> = timeline.processes.iter().collect();
    processes
        .into_par_iter()
        .filter_map(|(&serial, process)| {
            let totals = process.totals.as_ref()?;
            let peers = peers(process.sockets.values());
            let connections = evidence.map(|evidence| connections::of_process(process, evidence));
            let (connections, connections_left_out) = connections.unwrap_or_default();
            let threads = evidence.map(|evidence| threads(timeline, process, evidence));
            Some(ProcessReport {
                pid: totals.pid,
                comm: totals.comm.clone(),
                label: process.label.as_ref().map(|label| label.label.clone()),
                role: process.role(),
                program: process.label.as_ref().and_then(|label| label.program.clone()),
                network: network(totals, &peers),
                peers,
                connections,
                connections_left_out,
                dropped: drops::of_process(timeline, serial),
                disk: disk(timeline, process),
                time: threads.as_ref().map(|threads| {
                    threads.iter().fold(ThreadTime::default(), |mut sum, thread| {
                        sum += thread.time;
                        sum
                    })
                }),
                threads: threads.unwrap_or_default(),
                path: evidence.and_then(|evidence| path(timeline, evidence, totals)),
            })
        })
        .collect()
}

/// The time of a process's threads, added up.
pub(super) fn time(timeline: &Timeline, process: &Process) -> ThreadTime {
    let mut time = ThreadTime::default();
    for thread in process.threads.values() {
        time += ThreadTime::of(thread, timeline.whole_until_ns());
    }
    time
}

fn threads(timeline: &Timeline, process: &Process, evidence: &Evidence) -> Vec<ThreadReport> {
    let threads = process.threads.values().map(|thread| {
        let mut time = ThreadTime::of(thread, timeline.whole_until_ns());
        let states = by_spans(evidence, thread);
        time.set_lock_ns(states.map_or(0, |states| states.wait_lock_ns));
        ThreadReport { tid: thread.tid, comm: thread.comm.clone(), time }
    });
    threads.collect()
}

/// A thread's states by its spans.
pub(super) fn by_spans(evidence: &Evidence, totals: &ThreadTotals) -> Option<States> {
    evidence.observed.threads.find(totals.tid, totals.since_ns).map(|thread| evidence.states[thread])
}

fn path(timeline: &Timeline, evidence: &Evidence, totals: &ProcessTotals) -> Option<ProcessPath> {
    let threads = &evidence.observed.threads;
    let thread = threads.find(totals.pid, totals.since_ns)?;
    let life = threads.all[thread].life;
    let budget = phase::of_thread(evidence, thread, life.since_ns, life.end_ns);
    Some(ProcessPath {
        wall_s: seconds(budget.wall_ns),
        budget: budget::report(timeline, evidence, budget, timeline.start.at_ns),
    })
}

/// Processes of which nothing is known but that they were there.
pub(super) fn without_totals(timeline: &Timeline) -> Vec<ProcessSerial> {
    let missing = timeline.processes.iter().filter(|(_, process)| process.totals.is_none());
    missing.map(|(serial, _)| *serial).collect()
}

fn network(totals: &ProcessTotals, peers: &[PeerReport]) -> NetworkBytes {
    NetworkBytes {
        tcp_rx_bytes: totals.tcp_rx_bytes,
        tcp_tx_bytes: totals.tcp_tx_bytes,
        udp_rx_bytes: totals.udp_rx_bytes,
        udp_tx_bytes: totals.udp_tx_bytes,
        peer_rx_bytes: totals.peer_rx_bytes,
        peer_tx_bytes: totals.peer_tx_bytes,
        tcp_retransmits: peers.iter().map(|peer| peer.retransmits).sum(),
    }
}

/// One for each peer of these sockets.
pub(super) fn peers<'s>(sockets: impl IntoIterator<Item = &'s SocketTotals>) -> Vec<PeerReport> {
    by_peer(sockets)
        .into_iter()
        .map(|((control, remote, protocol), peer)| PeerReport {
            peer: remote.to_string(),
            protocol,
            control,
            rx_bytes: peer.rx_bytes,
            tx_bytes: peer.tx_bytes,
            connections: peer.connections,
            retransmits: peer.retransmits,
        })
        .collect()
}

fn disk(timeline: &Timeline, process: &Process) -> DiskBytes {
    DiskBytes {
        file_read_bytes: process.io.sum(FileIo::read_bytes),
        file_written_bytes: process.io.sum(FileIo::written_bytes),
        other_read_bytes: process.read_by,
        other_written_bytes: process.written_by,
        uncounted_ways: process.uncounted_ways(timeline),
        dirtied_bytes: timeline.knows_owners().then_some(process.dirtied_bytes),
        device_read_bytes: timeline.credited_bytes(process, Operation::Read),
        device_written_bytes: timeline.credited_bytes(process, Operation::Write),
        writeback_bytes: timeline
            .knows_owners()
            .then(|| timeline.file_credited_bytes(process, Operation::Write)),
    }
}
