//! What a capture says, folded: the last totals of everything, progress in time order. Reports read nothing
//! else, and never raw records.
//!
//! Memory grows with processes, threads, sockets, files and strides of payload; [`Events`], one for each off-CPU interval
//! and call, are in a file beyond a limit.

mod children;
mod cross_checks;
mod devices;
mod drops;
mod events;
mod file_io;
mod outside_runs;
mod owners;
mod processes;
mod progress;
mod requests;
pub mod shed;
mod sockets;
mod steal;
mod threads;
mod ways;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    panic::resume_unwind,
    sync::mpsc::{SyncSender, sync_channel},
    thread,
};

use abi::loss::Loss;
use anyhow::{Result, bail};

pub use cross_checks::{CrossChecks, Grown, Readings};
pub use devices::{Device, DeviceId, Volume};
pub use drops::{Dropped, Drops, SocketDrops};
pub use events::{Events, Lossy};
pub use file_io::{FileIo, FileIos};
pub use outside_runs::{OutsideRuns, Outsider, OutsiderIndex, Run};
pub use processes::Process;
pub use progress::Point;
pub use requests::{Requester, Requests};
pub use shed::Detached;
pub use sockets::{Peer, PeerKey, Remote, by_peer};
pub use steal::Steal;
pub use threads::ThreadTime;
pub use ways::{WayBytes, Ways};

use capture::{
    Capture, Checksum, Clock, Daemon, Direction, EMPTY_PROGRAM, Ending, Environment, Family, FileCache, Held,
    Inode, Losses, Milestone, MilestoneName, Operation, Polling, ProbeDispatch, ProcessSerial, ProgramRuns,
    Record, Shed, Start, Transfer, UNDECODABLE, UNKNOWN_KIND, Watermark, families::CONTEXTS,
};
use owners::InodeTotals;
use progress::Reorder;

/// The class of progress records that came after the watermark that closed their time.
pub const LATE: &str = "late";

#[derive(Debug, PartialEq)]
pub struct Timeline {
    pub start: Start,
    pub environment: Environment,
    /// The first pair of clocks.
    pub clock: Option<Clock>,
    pub ending: Ending,
    /// Why the recording ended, in words; missing if the capture was cut short.
    pub end_reason: Option<String>,
    /// When the capture ends: its last record, or the newest time of any if it was cut short.
    pub end_ns: u64,
    pub families: BTreeMap<String, Family>,
    pub processes: BTreeMap<ProcessSerial, Process>,
    pub devices: BTreeMap<DeviceId, Device>,
    pub transfers: Vec<TimedTransfer>,
    /// Labels of milestones whose transfer is not in the capture.
    pub stray_claims: Vec<String>,
    /// Events that were lost, by class; classes without a loss are there with 0.
    pub losses: BTreeMap<String, u64>,
    pub windows: Windows,
    pub dispatch: Option<ProbeDispatch>,
    pub daemon: Option<DaemonUse>,
    pub events: Events,
    /// When records of the ring buffers were lost, in order of time.
    pub lossy: Vec<Lossy>,
    /// When families were detached to keep a limit of cost.
    pub detached: Vec<Detached>,
    /// What recording took though nothing was left to detach, at most, and the limit: CPU time in ns in each second.
    pub beyond_limit: Option<(u64, u64)>,
    pub cross_checks: CrossChecks,
    /// What the kernel threw away of targets' sockets.
    pub drops: Drops,
    pub steal: Steal,
    /// Of nodes, as the transfers began.
    pub file_caches: Vec<FileCache>,
    /// File systems that hand calls on to a program, by the device of their files.
    pub passing: BTreeSet<DeviceId>,
}

/// A transfer with what the application claimed about it.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedTransfer {
    pub transfer: Transfer,
    pub requested: Requested,
    pub claims: BTreeMap<MilestoneName, Milestone>,
    pub polling: Option<Polling>,
    pub checksum: Option<Checksum>,
}

/// What a transfer's time counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// The moment at which the transfer was requested.
    Recorded,
    /// When the process became a target: nobody recorded the request.
    ProcessStart,
}

/// The windows in which the kernel counted the probes' runs, added up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Windows {
    pub wall_ns: u64,
    pub programs: BTreeMap<String, Runs>,
    /// The program that does nothing, in the window in which its runs took least: an interrupt in one of them adds to
    /// it, and nothing takes away.
    pub empty: Option<Runs>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    pub runs: u64,
    pub run_ns: u64,
}

impl Windows {
    fn note_empty(&mut self, runs: Runs) {
        let took_less = |before: Runs| {
            u128::from(runs.run_ns) * u128::from(before.runs)
                < u128::from(before.run_ns) * u128::from(runs.runs)
        };
        if runs.runs > 0 && self.empty.is_none_or(took_less) {
            self.empty = Some(runs);
        }
    }
}

/// What the recording used: the last counts, and the highest memory.
#[derive(Clone, Debug, PartialEq)]
pub struct DaemonUse {
    pub last: Daemon,
    pub peak_anon_rss_bytes: u64,
}

impl Timeline {
    /// Reads a capture to its end.
    pub fn from_capture<R: Read + Send>(capture: &mut Capture<R>) -> Result<Self> {
        let mut folded = Folded::default();
        // To unpack and decode them takes as long as to pack them for what comes.
        thread::scope(|scope| {
            let (records, read) = sync_channel(BATCHES);
            let reader = scope.spawn(|| read_batches(capture, records));
            for batch in read {
                batch.into_iter().for_each(|record| folded.add(record));
            }
            reader.join().unwrap_or_else(|panic| resume_unwind(panic))
        })?;
        let skipped: u64 = capture.skipped().values().sum();
        if skipped > 0 {
            folded.losses.insert(UNKNOWN_KIND.to_owned(), skipped);
        }
        folded.finish(capture.ending())
    }

    /// The capture's end, if that was recorded.
    pub fn whole_until_ns(&self) -> Option<u64> {
        match self.ending {
            Ending::Complete => Some(self.end_ns),
            Ending::CutAt { .. } => None,
        }
    }

    /// Whether every probe of a family was attached.
    pub fn has_family(&self, name: &str) -> bool {
        is_whole(&self.families, name)
    }

    /// Whether families were left out because nobody asked for them: calls and time of threads are not recorded.
    pub fn is_counters_only(&self) -> bool {
        self.families.values().any(Family::is_left_out)
    }

    /// From the first record to the end.
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start.at_ns)
    }
}

/// How many records are handed over at once, and how often before they are taken.
const BATCH: usize = 512;
const BATCHES: usize = 4;

fn read_batches<R: Read>(capture: &mut Capture<R>, records: SyncSender<Vec<Record>>) -> Result<()> {
    loop {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH
            && let Some(record) = capture.next()?
        {
            batch.push(record);
        }
        if batch.is_empty() || records.send(batch).is_err() {
            return Ok(());
        }
    }
}

/// A timeline whose records are still coming.
#[derive(Default)]
struct Folded {
    start: Option<Start>,
    environment: Environment,
    clock: Option<Clock>,
    end: Option<(u64, String)>,
    newest_ns: u64,
    families: BTreeMap<String, Family>,
    processes: BTreeMap<ProcessSerial, Process>,
    devices: BTreeMap<DeviceId, Device>,
    transfers: Vec<Transfer>,
    claims: BTreeMap<String, BTreeMap<MilestoneName, Milestone>>,
    polling: BTreeMap<String, Polling>,
    checksums: BTreeMap<String, Checksum>,
    losses: BTreeMap<String, u64>,
    windows: Windows,
    dispatch: Option<ProbeDispatch>,
    daemon: Option<DaemonUse>,
    inodes: BTreeMap<Inode, InodeTotals>,
    reorder: Reorder,
    events: Events,
    lossy: Vec<Lossy>,
    shed: Vec<Shed>,
    cross_checks: CrossChecks,
    drops: Drops,
    steal: Steal,
    file_caches: Vec<FileCache>,
    passing: BTreeSet<DeviceId>,
    /// Losses of events were known up to here, and how many.
    losses_known: (u64, u64),
}

impl Folded {
    fn add(&mut self, record: Record) {
        match record {
            Record::Progress(progress) => {
                self.seen(progress.at_ns);
                self.reorder.add(progress);
            }
            Record::Watermark(Watermark { at_ns }) => {
                self.seen(at_ns);
                self.release(at_ns);
            }
            Record::Start(start) => {
                self.seen(start.at_ns);
                self.start = Some(start);
            }
            Record::Environment(environment) => {
                for disk in &environment.disks {
                    self.devices.entry(DeviceId::of(disk)).or_default().disk = Some(disk.clone());
                }
                for &Held { disk_major, disk_minor, major, minor } in &environment.held {
                    let disk = DeviceId { major: disk_major, minor: disk_minor };
                    self.devices.entry(disk).or_default().held.insert(DeviceId { major, minor });
                }
                self.environment = environment;
            }
            Record::Clock(clock) => {
                self.seen(clock.monotonic_ns);
                self.clock.get_or_insert(clock);
            }
            Record::Family(family) => {
                self.families.insert(family.name.clone(), family);
            }
            Record::Label(label) => {
                let process = self.process(label.process);
                process.label = Some(label);
            }
            Record::ProcessTotals(totals) => {
                self.seen(totals.at_ns);
                let process = self.process(totals.process);
                process.totals = Some(totals);
            }
            Record::ThreadTotals(totals) => {
                self.seen(totals.at_ns);
                let process = self.process(totals.process);
                process.io.note(&totals);
                process.threads.insert((totals.start_ns, totals.tid), totals);
            }
            Record::ThreadIo(io) => {
                self.seen(io.at_ns);
                self.process(io.process).io.add(&io);
            }
            Record::Bypassed(bypassed) => {
                self.seen(bypassed.at_ns);
                self.process(bypassed.process).bypassed.insert(bypassed.cookie, bypassed.bytes);
            }
            Record::SocketTotals(totals) => {
                self.seen(totals.at_ns);
                self.process(totals.process).sockets.insert(totals.cookie, totals);
            }
            Record::DeviceTotals(totals) => {
                self.seen(totals.at_ns);
                let id = DeviceId { major: totals.major, minor: totals.minor };
                self.devices.entry(id).or_default().totals.insert(totals.operation, totals);
            }
            Record::CreditTotals(totals) => {
                self.seen(totals.at_ns);
                let volume = Volume::of(totals.major, totals.minor, totals.partition);
                self.devices.entry(volume.disk).or_default();
                self.process(totals.process).credits.insert((volume, totals.operation), totals.bytes);
            }
            Record::WayTotals(totals) => {
                self.seen(totals.at_ns);
                let process = self.process(totals.process);
                process.ways |= totals.way.into();
                match totals.operation {
                    Operation::Read => process.read_by.set(totals.way, totals.bytes),
                    Operation::Write => process.written_by.set(totals.way, totals.bytes),
                }
            }
            Record::Mount(mount) => {
                self.seen(mount.at_ns);
                self.passing.insert(DeviceId { major: mount.major, minor: mount.minor });
            }
            Record::InodeUse(inode_use) if inode_use.inode == Inode::NO_FILE => {
                self.seen(inode_use.at_ns);
                if let Some(process) = inode_use.process {
                    self.process(process).dirtied_metadata_bytes += inode_use.dirtied_bytes;
                }
            }
            Record::InodeUse(inode_use) => {
                self.seen(inode_use.at_ns);
                self.inodes.entry(inode_use.inode).or_default().add_use(&inode_use);
            }
            Record::InodeIo(io) => {
                self.seen(io.at_ns);
                self.devices.entry(DeviceId { major: io.major, minor: io.minor }).or_default();
                self.inodes.entry(io.inode).or_default().add_io(&io);
            }
            Record::Transfer(transfer) => {
                self.transfers.retain(|other| other.label != transfer.label);
                self.transfers.push(transfer);
            }
            Record::Milestone(milestone) => {
                self.seen(milestone.at_ns);
                self.claims.entry(milestone.label.clone()).or_default().insert(milestone.name, milestone);
            }
            Record::Polling(polling) => {
                self.polling.insert(polling.label.clone(), polling);
            }
            Record::Checksum(checksum) => {
                self.checksums.insert(checksum.label.clone(), checksum);
            }
            Record::Losses(losses) => {
                self.seen(losses.at_ns);
                self.note_lossy(&losses);
                self.losses.extend(losses.counts);
            }
            Record::ProbeWindow(window) => {
                self.seen(window.to_ns);
                self.windows.wall_ns += window.to_ns.saturating_sub(window.from_ns);
                for ProgramRuns { program, runs, run_ns } in window.programs {
                    if program == EMPTY_PROGRAM {
                        self.windows.note_empty(Runs { runs, run_ns });
                        continue;
                    }
                    let sum = self.windows.programs.entry(program).or_default();
                    sum.runs += runs;
                    sum.run_ns += run_ns;
                }
            }
            Record::ProbeDispatch(dispatch) => self.dispatch = Some(dispatch),
            Record::Daemon(daemon) => {
                self.seen(daemon.at_ns);
                let before = self.daemon.as_ref().map_or(0, |used| used.peak_anon_rss_bytes);
                let peak_anon_rss_bytes = before.max(daemon.anon_rss_bytes);
                self.daemon = Some(DaemonUse { last: daemon, peak_anon_rss_bytes });
            }
            Record::Span(span) => {
                self.seen(span.on_ns.or(span.woken_ns).unwrap_or(span.off_ns));
                let way = span.doing.syscall.map_or(Ways::default(), Ways::of_call);
                if !way.is_empty() {
                    self.process(span.process).ways |= way;
                }
                if span.on_ns.is_none() {
                    self.events.off_at_end.insert((span.process, span.tid));
                }
                self.events.spans.push(span);
            }
            Record::OutsideWaker(waker) => {
                self.events.outside_wakers.insert(waker.tid, waker.comm);
            }
            Record::Stack(stack) => {
                self.events.stacks.insert(stack.id, stack);
            }
            Record::Payload(payload) => {
                self.seen(payload.at_ns);
                self.events.payloads.push(payload);
            }
            Record::Arrival(arrival) => {
                self.seen(arrival.at_ns);
                self.events.arrivals.push(arrival);
            }
            Record::SendQueue(send_queue) => {
                self.seen(send_queue.at_ns);
                self.events.send_queues.push(send_queue);
            }
            Record::TimerSet(set) => {
                self.seen(set.at_ns);
                self.events.timers.push(set);
            }
            Record::Drops(drops) => {
                self.seen(drops.at_ns);
                self.drops.add(&drops);
            }
            Record::FileCache(cache) => {
                self.seen(cache.at_ns);
                self.file_caches.push(cache);
            }
            Record::CpuSteal(reading) => {
                self.seen(reading.at_ns);
                self.steal.add(reading);
            }
            Record::Retransmit(retransmit) => {
                self.seen(retransmit.at_ns);
                self.events.retransmits.push(retransmit);
            }
            Record::DiskRequests(requests) => {
                self.seen(requests.last_ns);
                self.events.add_requests(requests);
            }
            Record::Shed(shed) => {
                self.seen(shed.at_ns);
                self.shed.push(shed);
            }
            Record::OutsideRun(run) => {
                self.seen(run.to_ns);
                self.events.outside_runs.add(run);
            }
            Record::CrossCheck(cross_check) => {
                self.seen(cross_check.at_ns);
                self.cross_checks.add(cross_check);
            }
            Record::End(end) => {
                self.seen(end.at_ns);
                self.end = Some((end.at_ns, end.reason));
            }
        }
    }

    fn finish(mut self, ending: Ending) -> Result<Timeline> {
        self.release(u64::MAX);
        let Some(start) = self.start else {
            bail!("the capture was cut before its first record: there is nothing to report")
        };
        let late = self.losses.entry(LATE.to_owned()).or_default();
        *late += self.reorder.late;
        children::take_over(&mut self.processes, &mut self.transfers);
        let mut transfers: Vec<_> = self
            .transfers
            .into_iter()
            .map(|transfer| TimedTransfer {
                claims: self.claims.remove(&transfer.label).unwrap_or_default(),
                polling: self.polling.remove(&transfer.label),
                checksum: self.checksums.remove(&transfer.label),
                requested: Requested::Recorded,
                transfer,
            })
            .collect();
        if let (true, Some(size_bytes)) = (transfers.is_empty(), start.size_bytes) {
            transfers = guess_transfers(&self.processes, size_bytes);
        }
        if !is_whole(&self.families, CONTEXTS) {
            let threads = self.processes.values_mut().flat_map(|process| process.threads.values_mut());
            threads.for_each(|thread| thread.waits.forget_causes());
        }
        for (inode, totals) in &self.inodes {
            totals.credit(inode, &self.passing, &mut self.processes);
        }
        let (end_ns, end_reason) = match self.end {
            Some((at_ns, reason)) => (at_ns, Some(reason)),
            None => (self.newest_ns, None),
        };
        Ok(Timeline {
            start,
            environment: self.environment,
            clock: self.clock,
            ending,
            end_reason,
            end_ns,
            families: self.families,
            processes: self.processes,
            devices: self.devices,
            transfers,
            stray_claims: self.claims.into_keys().collect(),
            losses: self.losses,
            windows: self.windows,
            dispatch: self.dispatch,
            daemon: self.daemon,
            events: self.events,
            detached: shed::intervals(&self.shed, end_ns),
            beyond_limit: shed::beyond(&self.shed),
            lossy: self.lossy,
            cross_checks: self.cross_checks,
            drops: self.drops.in_order(),
            steal: self.steal,
            file_caches: self.file_caches,
            passing: self.passing,
        })
    }

    /// A loss lies between the counts before and after it, or before the first.
    fn note_lossy(&mut self, losses: &Losses) {
        let lost =
            [Loss::RingFull.name(), UNDECODABLE].iter().filter_map(|class| losses.counts.get(*class)).sum();
        if losses.at_ns < self.losses_known.0 {
            return;
        }
        let (from_ns, before) = std::mem::replace(&mut self.losses_known, (losses.at_ns, lost));
        if lost > before {
            match self.lossy.last_mut() {
                Some(last) if last.to_ns == from_ns => last.to_ns = losses.at_ns,
                _ => self.lossy.push(Lossy { from_ns, to_ns: losses.at_ns }),
            }
        }
    }

    fn seen(&mut self, at_ns: u64) {
        self.newest_ns = self.newest_ns.max(at_ns);
    }

    fn process(&mut self, serial: ProcessSerial) -> &mut Process {
        self.processes.entry(serial).or_default()
    }

    fn release(&mut self, watermark_ns: u64) {
        let Self { reorder, processes, .. } = self;
        reorder.release(watermark_ns, |progress| {
            processes.entry(progress.process).or_default().advance(progress);
        });
    }
}

fn is_whole(families: &BTreeMap<String, Family>, name: &str) -> bool {
    families.get(name).is_some_and(Family::is_whole)
}

/// One transfer for each process that moved at least half of the payload to or from peers.
fn guess_transfers(processes: &BTreeMap<ProcessSerial, Process>, size_bytes: u64) -> Vec<TimedTransfer> {
    let transfers = processes.iter().filter_map(|(serial, process)| {
        let totals = process.totals.as_ref()?;
        let moved = totals.peer_rx_bytes.max(totals.peer_tx_bytes);
        if moved < size_bytes.div_ceil(2) {
            return None;
        }
        let download = totals.peer_rx_bytes >= totals.peer_tx_bytes;
        let transfer = Transfer {
            label: process.name(),
            process: *serial,
            direction: if download { Direction::Download } else { Direction::Upload },
            file_size_bytes: size_bytes,
            requested_ns: totals.since_ns,
        };
        Some(TimedTransfer {
            transfer,
            requested: Requested::ProcessStart,
            claims: BTreeMap::new(),
            polling: None,
            checksum: None,
        })
    });
    transfers.collect()
}

#[cfg(feature = "testing")]
pub mod sample;

#[cfg(test)]
mod tests;
