//! A process, and everything that belongs to it.

use std::collections::BTreeMap;

use capture::{Family, Label, Operation, ProcessTotals, Progress, Role, SocketTotals, ThreadTotals};

use super::{DeviceId, FileIos, Point, Timeline, Volume, WayBytes, Ways};

#[derive(Debug, Default, PartialEq)]
pub struct Process {
    /// Missing if the capture was cut before the first totals.
    pub totals: Option<ProcessTotals>,
    pub label: Option<Label>,
    /// By start time and thread id.
    pub threads: BTreeMap<(u64, u32), ThreadTotals>,
    /// The kernel's accounting of its threads.
    pub io: FileIos,
    /// By cookie.
    pub sockets: BTreeMap<u64, SocketTotals>,
    /// Bytes that connections received past the calls that are counted, by cookie.
    pub bypassed: BTreeMap<u64, u64>,
    /// Bytes that the process submitted to each device itself.
    pub credits: BTreeMap<(Volume, Operation), u64>,
    /// Bytes of the process's files that others moved to or from each device: its share of them.
    pub file_credits: BTreeMap<(Volume, Operation), u64>,
    /// Page cache of files, in whole folios, again after each writeback.
    pub dirtied_bytes: u64,
    /// Page cache of no file, likewise: what the file system keeps about files.
    pub dirtied_metadata_bytes: u64,
    /// It brought pages into the cache that it did not dirty, of a file system that has no device or hands calls on to a
    /// program: what it writes there may pass on at once (FUSE).
    pub writes_through: bool,
    /// On which it was seen, past the accounting; without those that its threads' names tell.
    pub ways: Ways,
    /// What it moved of files on them.
    pub read_by: WayBytes,
    pub written_by: WayBytes,
    /// In time order; counts never go back.
    pub progress: Vec<Point>,
}

impl Process {
    /// Ways past the accounting of calls on which it was seen, and whose bytes were not counted, or not all.
    pub fn uncounted_ways(&self, timeline: &Timeline) -> Ways {
        let mut ways = self.ways;
        self.threads.values().for_each(|thread| ways |= Ways::of_thread(&thread.comm));
        ways.filter(|way| !timeline.families.get(way.name()).is_some_and(Family::is_whole))
    }

    /// Its label, or command name and process id.
    pub fn name(&self) -> String {
        match (&self.label, &self.totals) {
            (Some(label), _) => label.label.clone(),
            (None, Some(totals)) => format!("{}-{}", totals.comm, totals.pid),
            (None, None) => "unknown".to_owned(),
        }
    }

    pub fn role(&self) -> Option<Role> {
        self.label.as_ref().map(|label| label.role)
    }

    /// Bytes of a device that are its own: submitted by itself, or its share of its files.
    pub fn credited_bytes(&self, device: DeviceId, operation: Operation) -> u64 {
        let credits = self.credits.iter().chain(&self.file_credits);
        let of = credits.filter(|((volume, of), _)| (volume.disk, *of) == (device, operation));
        of.map(|(_, bytes)| bytes).sum()
    }

    pub(super) fn advance(&mut self, progress: &Progress) {
        let next = Point { at_ns: progress.at_ns, rx_bytes: progress.rx_bytes, tx_bytes: progress.tx_bytes };
        self.progress.push(self.progress.last().map_or(next, |last| last.then(next)));
    }
}
