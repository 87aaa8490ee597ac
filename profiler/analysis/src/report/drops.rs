//! What the kernel threw away of targets' sockets, for each socket and reason.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::timeline::{Dropped, Timeline};
use capture::{DropReason, ProcessSerial, SocketEnds};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DropReport {
    /// A label, or a command name: of the process that used the socket first.
    pub process: String,
    pub pid: Option<u32>,
    /// Of the socket; missing of one that listens.
    pub local: Option<String>,
    pub peer: Option<String>,
    pub reason: DropReason,
    pub packets: u64,
    /// Of datagrams the payload, of TCP with headers.
    pub bytes: u64,
    /// Of the socket, where it was full.
    pub buffer_bytes: Option<u32>,
    /// The length of the accept queue of a socket that listens.
    pub accept_queue: Option<u32>,
}

/// Those between two moments, the largest first.
pub(super) fn between(timeline: &Timeline, from_ns: u64, to_ns: u64) -> Vec<DropReport> {
    reports(timeline, from_ns, to_ns, None)
}

/// Those of one process, over the whole capture.
pub(super) fn of_process(timeline: &Timeline, process: ProcessSerial) -> Vec<DropReport> {
    reports(timeline, 0, u64::MAX, Some(process))
}

fn reports(timeline: &Timeline, from_ns: u64, to_ns: u64, only: Option<ProcessSerial>) -> Vec<DropReport> {
    // Over all senders.
    let mut sums: BTreeMap<(u64, DropReason), Dropped> = BTreeMap::new();
    for dropped in timeline.drops.between(from_ns, to_ns) {
        sums.entry((dropped.of.cookie, dropped.of.reason))
            .and_modify(|sum| {
                sum.drops += dropped.drops;
                sum.bytes += dropped.bytes;
            })
            .or_insert(dropped);
    }
    let mut reports: Vec<_> = sums.values().filter_map(|dropped| report(timeline, dropped, only)).collect();
    reports.sort_by_key(|report| std::cmp::Reverse((report.packets, report.bytes)));
    reports
}

fn report(timeline: &Timeline, dropped: &Dropped, only: Option<ProcessSerial>) -> Option<DropReport> {
    let uses = |serial| timeline.processes.get(&serial)?.sockets.get(&dropped.of.cookie);
    let first = || timeline.processes.keys().copied().find(|&serial| uses(serial).is_some());
    let owner = dropped.of.process.or_else(first);
    if only.is_some() && owner != only {
        return None;
    }
    let process = owner.and_then(|owner| timeline.processes.get(&owner));
    let ends: Option<&SocketEnds> = owner.and_then(uses).and_then(|totals| totals.ends.as_ref());
    let listens = dropped.of.process.is_some();
    let is_connected = |ends: &&SocketEnds| ends.peer.port() != 0;
    Some(DropReport {
        process: process.map_or_else(|| "unknown".to_owned(), |process| process.name()),
        pid: process.and_then(|process| process.totals.as_ref()).map(|totals| totals.pid),
        local: ends.map(|ends| ends.local.to_string()),
        peer: ends.filter(is_connected).map(|ends| ends.peer.to_string()),
        reason: dropped.of.reason,
        packets: dropped.drops,
        bytes: dropped.bytes,
        buffer_bytes: (dropped.of.reason == DropReason::ReceiveBuffer).then_some(dropped.buffer),
        accept_queue: listens.then_some(dropped.buffer),
    })
}
