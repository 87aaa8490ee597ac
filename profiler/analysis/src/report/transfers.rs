//! Transfers: milestones by the application and by the kernel, phases between them, throughput.

use serde::Serialize;

use crate::{
    attribution::{self, Evidence, cuts::Transferred},
    milestones::{self, Finish, Found, Milestone, Sighting},
    timeline::{Process, Requested, TimedTransfer, Timeline},
};
use capture::{Direction, FileCache, MilestoneName, Operation, Role, Transfer};

use super::{Budget, DropReport, budget, drops, ratio, seconds};

/// Seconds count from the request.
#[derive(Clone, Debug, Serialize)]
pub struct TransferReport {
    pub label: String,
    pub direction: Direction,
    pub file_size_bytes: u64,
    /// `recorded`, or `process_start` where nobody recorded the request.
    pub requested: &'static str,
    pub milestones: Vec<MilestoneReport>,
    pub phases: Vec<Phase>,
    pub throughput: Throughput,
    /// What it took to ask the application for its milestones.
    pub polling: Option<Polling>,
    /// Of what was sent and of what was received.
    pub checksum: Option<Checksum>,
    /// Of downloads: what of each seeder's files was in the page cache just before the request. Nothing where nobody asked.
    pub seeders_cached: Vec<FileCacheReport>,
}

#[derive(Clone, Debug, Serialize)]
pub struct FileCacheReport {
    pub seeder: String,
    pub file_bytes: u64,
    pub cached_bytes: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Polling {
    pub polls: u64,
    pub cpu_s: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Checksum {
    pub matched: bool,
    /// The name of the algorithm, a colon and hexadecimal digits.
    pub sent: String,
    pub received: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct MilestoneReport {
    pub name: MilestoneName,
    pub fraction: f64,
    pub app_s: Option<f64>,
    /// It may have been so much earlier: the application is asked at intervals.
    pub app_resolution_s: Option<f64>,
    pub kernel_s: Option<f64>,
    /// The count may have been reached so much earlier.
    pub kernel_resolution_s: Option<f64>,
    /// Counted at the application's time, or else at the kernel's.
    pub kernel_bytes: Option<u64>,
    /// Of 100 %: messages that followed the last block, and for how long they did; no part of the last phase.
    pub chatter_bytes: Option<u64>,
    pub chatter_s: Option<f64>,
}

/// The time between two kernel milestones.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    /// `request`, or a milestone.
    pub from: String,
    pub to: MilestoneName,
    pub wall_s: f64,
    /// What the kernel threw away meanwhile of any target's sockets.
    pub dropped: Vec<DropReport>,
    /// Missing where the scheduling of threads could not be recorded.
    #[serde(flatten)]
    pub budget: Option<Budget>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Throughput {
    /// The file's size over the application's time to 100 %.
    pub app_bytes_per_s: Option<f64>,
    /// The kernel's final count over its time to 100 %.
    pub kernel_bytes_per_s: Option<f64>,
    /// The kernel's final count over the file's size; missing where only the count itself told that the transfer
    /// was complete.
    pub overhead_ratio: Option<f64>,
    /// The kernel's final count.
    pub final_bytes: u64,
    /// Bytes that devices wrote for the process within the capture, and their ratio to the file's size. Of downloads;
    /// missing where writes through the page cache have no owner.
    pub device_written_bytes: Option<u64>,
    pub write_amplification: Option<f64>,
    /// What the process dirtied and no device wrote within the capture: the ratio lacks it.
    pub still_dirty_bytes: Option<u64>,
}

/// What the leecher received beside what the seeders sent, as the kernel counted both, over the whole capture.
#[derive(Clone, Debug, Serialize)]
pub struct Agreement {
    pub leecher: String,
    pub received_bytes: u64,
    pub file_size_bytes: Option<u64>,
    pub seeders: usize,
    pub sent_bytes: u64,
    /// Sent less received.
    pub difference_bytes: i128,
    /// What all nodes together sent and received, to themselves too: BitTorrent clients dial their own address. The
    /// difference was lost on the way, or was still under way.
    pub all_sent_bytes: u64,
    pub all_received_bytes: u64,
}

/// A transfer and its milestones; `None` if its process is not in the capture.
pub(crate) struct FoundTransfer<'a> {
    pub timed: &'a TimedTransfer,
    pub found: Option<Found>,
    device_writes: Option<DeviceWrites>,
}

#[derive(Clone, Copy)]
struct DeviceWrites {
    written_bytes: u64,
    still_dirty_bytes: u64,
}

pub(super) fn find(timeline: &Timeline) -> Vec<FoundTransfer<'_>> {
    timeline
        .transfers
        .iter()
        .map(|timed| {
            let process = timeline.processes.get(&timed.transfer.process);
            FoundTransfer {
                timed,
                found: process.map(|process| milestones::find(timed, process)),
                device_writes: process
                    .filter(|_| timed.transfer.direction != Direction::Upload && timeline.knows_owners())
                    .map(|process| device_writes(timeline, process)),
            }
        })
        .collect()
}

pub(super) fn report(
    timeline: &Timeline,
    evidence: Option<&Evidence>,
    transfer: &FoundTransfer,
) -> TransferReport {
    let FoundTransfer { timed, found, .. } = transfer;
    let since_ns = timed.transfer.requested_ns;
    let sightings = found.as_ref().map_or(&[][..], |found| &found.milestones);
    TransferReport {
        label: timed.transfer.label.clone(),
        direction: timed.transfer.direction,
        file_size_bytes: timed.transfer.file_size_bytes,
        requested: match timed.requested {
            Requested::Recorded => "recorded",
            Requested::ProcessStart => "process_start",
        },
        milestones: sightings.iter().map(|milestone| milestone_report(milestone, since_ns)).collect(),
        phases: phases(timeline, evidence, transfer),
        throughput: throughput(transfer),
        polling: timed
            .polling
            .as_ref()
            .map(|polling| Polling { polls: polling.polls, cpu_s: seconds(polling.cpu_ns) }),
        checksum: timed.checksum.as_ref().map(|checksum| Checksum {
            matched: checksum.sent == checksum.received,
            sent: named(&checksum.sent),
            received: named(&checksum.received),
        }),
        seeders_cached: seeders_cached(timeline, timed.transfer.direction),
    }
}

fn seeders_cached(timeline: &Timeline, direction: Direction) -> Vec<FileCacheReport> {
    if direction != Direction::Download {
        return Vec::new();
    }
    let of_seeder = |cache: &FileCache| FileCacheReport {
        seeder: cache.label.clone(),
        file_bytes: cache.file_bytes,
        cached_bytes: cache.cached_bytes,
    };
    timeline.file_caches.iter().map(of_seeder).collect()
}

/// A checksum with the name of its algorithm, which older captures lack: they have SHA-256.
fn named(checksum: &str) -> String {
    if checksum.contains(':') { checksum.to_owned() } else { format!("sha256:{checksum}") }
}

/// Only for one leecher: several send to each other, and the sums of roles do not compare.
pub(super) fn agreement(timeline: &Timeline) -> Option<Agreement> {
    let of_role =
        |role: Role| timeline.processes.iter().filter(move |(_, process)| process.role() == Some(role));
    let mut leechers = of_role(Role::Leecher);
    let (Some((serial, leecher)), None) = (leechers.next(), leechers.next()) else { return None };
    let received_bytes = leecher.totals.as_ref()?.peer_rx_bytes;
    let sent = |process: &Process| process.totals.as_ref().map(|totals| totals.peer_tx_bytes);
    let sent: Vec<u64> = of_role(Role::Seeder).filter_map(|(_, seeder)| sent(seeder)).collect();
    if sent.is_empty() {
        return None;
    }
    let sent_bytes: u64 = sent.iter().sum();
    let transfer = timeline.transfers.iter().find(|timed| timed.transfer.process == *serial);
    let nodes =
        || of_role(Role::Seeder).chain(of_role(Role::Leecher)).filter_map(|(_, node)| node.totals.as_ref());
    Some(Agreement {
        leecher: leecher.name(),
        received_bytes,
        file_size_bytes: transfer.map(|timed| timed.transfer.file_size_bytes),
        seeders: sent.len(),
        sent_bytes,
        difference_bytes: i128::from(sent_bytes) - i128::from(received_bytes),
        all_sent_bytes: nodes().map(|totals| totals.peer_tx_bytes).sum(),
        all_received_bytes: nodes().map(|totals| totals.peer_rx_bytes).sum(),
    })
}

fn device_writes(timeline: &Timeline, process: &Process) -> DeviceWrites {
    let written_back = timeline.file_credited_bytes(process, Operation::Write);
    DeviceWrites {
        written_bytes: timeline.credited_bytes(process, Operation::Write),
        still_dirty_bytes: process.dirtied_bytes.saturating_sub(written_back),
    }
}

fn milestone_report(milestone: &Milestone, since_ns: u64) -> MilestoneReport {
    let at_s = |sighting: Option<Sighting>| sighting.map(|s| signed_seconds(s.at_ns, since_ns));
    let resolution_s = |sighting: Option<Sighting>| sighting.map(|s| seconds(s.resolution_ns));
    MilestoneReport {
        name: milestone.name,
        fraction: milestones::percent(milestone.name) as f64 / 100.0,
        app_s: at_s(milestone.app),
        app_resolution_s: resolution_s(milestone.app),
        kernel_s: at_s(milestone.kernel),
        kernel_resolution_s: resolution_s(milestone.kernel),
        kernel_bytes: milestone.kernel_bytes,
        chatter_bytes: milestone.chatter.map(|chatter| chatter.bytes),
        chatter_s: milestone.chatter.map(|chatter| seconds(chatter.lasted_ns)),
    }
}

/// A phase's name and its times.
pub(crate) struct Interval {
    pub from: String,
    pub to: MilestoneName,
    pub from_ns: u64,
    pub to_ns: u64,
}

/// The phases of a transfer, from the request on; one whose end is not known is left out.
pub(crate) fn intervals(transfer: &FoundTransfer) -> Vec<Interval> {
    let milestones = transfer.found.as_ref().map_or(&[][..], |found| &found.milestones);
    let mut from = Some(("request".to_owned(), transfer.timed.transfer.requested_ns));
    let mut intervals = Vec::new();
    for milestone in milestones {
        let ended_ns = milestone.kernel.map(|sighting| sighting.at_ns);
        if let (Some((from, from_ns)), Some(to_ns)) = (from, ended_ns) {
            intervals.push(Interval { from, to: milestone.name, from_ns, to_ns });
        }
        from = ended_ns.map(|ended_ns| (milestone.name.to_string(), ended_ns));
    }
    intervals
}

/// What was moved: of a transfer that was not complete, all.
pub(crate) fn transferred(transfer: &FoundTransfer) -> Transferred {
    let Transfer { process, direction, requested_ns, file_size_bytes: size_bytes, .. } =
        transfer.timed.transfer;
    let last = intervals(transfer).pop().filter(|last| last.to == MilestoneName::P100);
    let until_ns = last.map_or(u64::MAX, |last| last.to_ns);
    Transferred { process, direction, requested_ns, until_ns, size_bytes }
}

fn phases(timeline: &Timeline, evidence: Option<&Evidence>, transfer: &FoundTransfer) -> Vec<Phase> {
    let requested_ns = transfer.timed.transfer.requested_ns;
    let intervals = intervals(transfer);
    let times: Vec<(u64, u64)> =
        intervals.iter().map(|interval| (interval.from_ns, interval.to_ns)).collect();
    let budgets = evidence.map(|evidence| {
        let budgets = attribution::phase::budgets(evidence, transferred(transfer), &times).into_iter();
        budgets.map(|budget| budget::report(timeline, evidence, budget, requested_ns)).collect::<Vec<_>>()
    });
    let mut budgets = budgets.unwrap_or_default().into_iter();
    intervals
        .into_iter()
        .map(|Interval { from, to, from_ns, to_ns }| Phase {
            from,
            to,
            wall_s: signed_seconds(to_ns, from_ns),
            dropped: drops::between(timeline, from_ns, to_ns),
            budget: budgets.next(),
        })
        .collect()
}

fn throughput(transfer: &FoundTransfer) -> Throughput {
    let FoundTransfer { timed, found, device_writes } = transfer;
    let size_bytes = timed.transfer.file_size_bytes;
    let nothing_found = Throughput {
        app_bytes_per_s: None,
        kernel_bytes_per_s: None,
        overhead_ratio: None,
        final_bytes: 0,
        device_written_bytes: device_writes.map(|writes| writes.written_bytes),
        write_amplification: device_writes.and_then(|writes| ratio(writes.written_bytes, size_bytes)),
        still_dirty_bytes: device_writes.map(|writes| writes.still_dirty_bytes),
    };
    let Some(found) = found else { return nothing_found };
    let rate = |bytes: u64, at: Option<Sighting>| {
        let ns = at?.at_ns.saturating_sub(timed.transfer.requested_ns);
        ratio(bytes, ns).map(|per_ns| per_ns * 1e9)
    };
    let p100 = found.milestones.iter().find(|milestone| milestone.name == MilestoneName::P100);
    Throughput {
        app_bytes_per_s: rate(size_bytes, p100.and_then(|p100| p100.app)),
        kernel_bytes_per_s: rate(found.final_bytes, p100.and_then(|p100| p100.kernel)),
        overhead_ratio: match found.finish {
            Finish::Claimed => ratio(found.final_bytes, size_bytes),
            Finish::SizeReached | Finish::Unknown => None,
        },
        final_bytes: found.final_bytes,
        ..nothing_found
    }
}

/// Negative if `at_ns` is before `since_ns`: a claim can be wrong.
fn signed_seconds(at_ns: u64, since_ns: u64) -> f64 {
    if at_ns >= since_ns { seconds(at_ns - since_ns) } else { -seconds(since_ns - at_ns) }
}
