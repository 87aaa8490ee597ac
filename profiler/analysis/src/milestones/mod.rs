//! When a transfer's payload was there: as the application claims it, and as the kernel's counts show it.
//!
//! The kernel's milestones are fractions of its own final count, which is higher than the file's size by the
//! protocol's overhead. They are found in progress records; nothing is interpolated between two of them.

use crate::timeline::{Point, Process, TimedTransfer};
use capture::{Direction, MilestoneName};

/// Peer traffic below this is handshakes; of a tiny transfer, what comes before its half.
pub const FIRST_BYTE_BYTES: u64 = 16 << 10;

/// What comes in less than this for each record of progress is a message, not a block.
const MESSAGE_BYTES: u64 = 512;
/// More than this in messages is no chatter.
const MOST_CHATTER_BYTES: u64 = 64 << 10;
/// The last piece of a block, or of its frame, may be as small as a message, and comes at once.
const AT_ONCE_NS: u64 = 1_000_000;

/// A transfer's milestones. Counts are peer payload of the transfer's direction since its request, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub milestones: Vec<Milestone>,
    /// The count when the transfer was complete; what moved later is no part of it.
    pub final_bytes: u64,
    pub finish: Finish,
}

/// What told that the transfer was complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The application's claim of 100 %.
    Claimed,
    /// The count reached the file's size; nobody claimed anything, so the overhead is not known.
    SizeReached,
    /// Neither: the final count is that at the capture's end.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milestone {
    pub name: MilestoneName,
    pub app: Option<Sighting>,
    pub kernel: Option<Sighting>,
    /// The count at the application's time, or else at the kernel's.
    pub kernel_bytes: Option<u64>,
    /// What followed the last block, and is no part of the transfer's time; of 100 % only.
    pub chatter: Option<Chatter>,
}

/// Messages that follow the last block: they bring nothing of the file, and would stretch its last phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chatter {
    pub bytes: u64,
    /// From the last block to the last message, ns.
    pub lasted_ns: u64,
}

/// A time, and by how much it may be too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub at_ns: u64,
    pub resolution_ns: u64,
}

pub const NAMES: [MilestoneName; 4] =
    [MilestoneName::FirstByte, MilestoneName::P50, MilestoneName::P90, MilestoneName::P100];

/// The part of the payload, in percent, at which a milestone lies; the first byte has none.
pub fn percent(name: MilestoneName) -> u64 {
    match name {
        MilestoneName::FirstByte => 0,
        MilestoneName::P50 => 50,
        MilestoneName::P90 => 90,
        MilestoneName::P100 => 100,
    }
}

/// Finds a transfer's milestones in the counts of its process.
pub fn find(timed: &TimedTransfer, process: &Process) -> Found {
    let transfer = &timed.transfer;
    let counts = Counts::new(process, transfer.direction, transfer.requested_ns);
    let (final_bytes, finish) = final_count(timed, &counts);
    let milestone = |name| {
        let app = timed
            .claims
            .get(&name)
            .map(|claim| Sighting { at_ns: claim.at_ns, resolution_ns: claim.resolution_ns });
        let threshold = match name {
            MilestoneName::FirstByte => FIRST_BYTE_BYTES.min(final_bytes / 2),
            MilestoneName::P50 | MilestoneName::P90 | MilestoneName::P100 => {
                (u128::from(final_bytes) * u128::from(percent(name))).div_ceil(100) as u64
            }
        };
        let mut kernel =
            (0 < threshold && threshold <= final_bytes).then(|| counts.reach(threshold)).flatten();
        let mut chatter = None;
        if let (MilestoneName::P100, Some(end)) = (name, &mut kernel) {
            chatter = counts.chatter(end);
        }
        if let (MilestoneName::P100, Some(kernel), Some(app)) = (name, &mut kernel, app)
            && kernel.at_ns <= app.at_ns
        {
            // What came between the application's last two answers may be chatter behind the last payload.
            let not_before_ns = app.at_ns.saturating_sub(app.resolution_ns);
            kernel.resolution_ns = kernel.resolution_ns.max(kernel.at_ns.saturating_sub(not_before_ns));
        }
        let kernel_bytes = app.or(kernel).map(|sighting| counts.at(sighting.at_ns));
        Milestone { name, app, kernel, kernel_bytes, chatter }
    };
    Found { milestones: NAMES.map(milestone).to_vec(), final_bytes, finish }
}

/// The counts of a transfer at times (monotonic ns), bytes.
pub fn bytes_at(
    timed: &TimedTransfer,
    process: &Process,
    times_ns: impl IntoIterator<Item = u64>,
) -> Vec<u64> {
    let counts = Counts::new(process, timed.transfer.direction, timed.transfer.requested_ns);
    times_ns.into_iter().map(|at_ns| counts.at(at_ns)).collect()
}

/// When parts of the final count, in percent, were there, monotonic ns; those that are known.
pub fn reached(timed: &TimedTransfer, process: &Process, percents: &[f64]) -> Vec<(f64, u64)> {
    let counts = Counts::new(process, timed.transfer.direction, timed.transfer.requested_ns);
    let (final_bytes, _) = final_count(timed, &counts);
    let reach = |percent: f64| {
        let bytes = (final_bytes as f64 * percent / 100.0).ceil() as u64;
        Some((percent, counts.reach(bytes).filter(|_| bytes > 0)?.at_ns))
    };
    percents.iter().filter_map(|percent| reach(*percent)).collect()
}

/// The first two milestones that follow each other in the wrong order, by one of the two clocks.
pub fn out_of_order(
    milestones: &[Milestone],
    clock: impl Fn(&Milestone) -> Option<Sighting>,
) -> Option<(MilestoneName, MilestoneName)> {
    let seen: Vec<_> = milestones.iter().filter_map(|m| Some((m.name, clock(m)?.at_ns))).collect();
    seen.windows(2).find(|pair| pair[0].1 > pair[1].1).map(|pair| (pair[0].0, pair[1].0))
}

/// The claim's time, or the time at which the size was reached, whichever is later.
fn final_count(timed: &TimedTransfer, counts: &Counts) -> (u64, Finish) {
    let claimed_ns = timed.claims.get(&MilestoneName::P100).map(|claim| claim.at_ns);
    let reached_ns = counts.reach(timed.transfer.file_size_bytes.max(1)).map(|sighting| sighting.at_ns);
    match (claimed_ns, reached_ns) {
        (Some(claimed_ns), reached_ns) => {
            (counts.at(claimed_ns.max(reached_ns.unwrap_or(0))), Finish::Claimed)
        }
        (None, Some(reached_ns)) => (counts.at(reached_ns), Finish::SizeReached),
        (None, None) => (counts.at(u64::MAX), Finish::Unknown),
    }
}

/// One direction of a process's peer payload since a moment.
struct Counts<'a> {
    progress: &'a [Point],
    direction: Direction,
    /// Time and cumulative count of the process's last call, where no progress record has that count.
    last: Option<(u64, u64)>,
    since_ns: u64,
    /// The cumulative count at that moment.
    base: u64,
}

impl<'a> Counts<'a> {
    fn new(process: &'a Process, direction: Direction, since_ns: u64) -> Self {
        let mut counts = Self { progress: &process.progress, direction, last: None, since_ns, base: 0 };
        let recorded = process.progress.last();
        counts.last = process
            .totals
            .as_ref()
            .and_then(|totals| match direction {
                Direction::Download | Direction::Intake => {
                    Some((totals.peer_rx_last_ns?, totals.peer_rx_bytes))
                }
                Direction::Upload => Some((totals.peer_tx_last_ns?, totals.peer_tx_bytes)),
            })
            .filter(|(_, bytes)| recorded.is_none_or(|point| *bytes > counts.cumulative(point)))
            .map(|(at_ns, bytes)| (at_ns.max(recorded.map_or(0, |point| point.at_ns)), bytes));
        counts.base = counts.at(since_ns);
        counts
    }

    /// Bytes at a time: those of the last record that is not later.
    fn at(&self, at_ns: u64) -> u64 {
        if let Some((last_ns, bytes)) = self.last
            && at_ns >= last_ns
        {
            return bytes - self.base;
        }
        let after = self.progress.partition_point(|point| point.at_ns <= at_ns);
        self.progress[..after].last().map_or(0, |point| self.cumulative(point).saturating_sub(self.base))
    }

    /// When the count reached so many bytes. It may have done so since the record before.
    fn reach(&self, bytes: u64) -> Option<Sighting> {
        let cumulative = self.base.saturating_add(bytes);
        let first = self.progress.partition_point(|point| self.cumulative(point) < cumulative);
        if let Some(point) = self.progress.get(first) {
            let before_ns = self.progress[..first].last().map_or(0, |point| point.at_ns);
            let resolution_ns = point.at_ns.saturating_sub(before_ns.max(self.since_ns));
            return Some(Sighting { at_ns: point.at_ns, resolution_ns });
        }
        // The last call's own time.
        let (at_ns, _) = self.last.filter(|(_, last)| *last >= cumulative)?;
        Some(Sighting { at_ns, resolution_ns: 0 })
    }

    /// Moves the end back to the last block, and gives what followed it.
    fn chatter(&self, end: &mut Sighting) -> Option<Chatter> {
        let recorded = &self.progress[..self.progress.partition_point(|point| point.at_ns <= end.at_ns)];
        let mut later = self.base + self.at(end.at_ns);
        let final_bytes = later;
        let mut bulk = None;
        for (place, point) in recorded.iter().enumerate().rev() {
            let here = self.cumulative(point);
            if later - here > MESSAGE_BYTES {
                break;
            }
            // This point's own bytes came with it.
            bulk = Some(place);
            later = here;
        }
        let point = &recorded[bulk?];
        let (bytes, lasted_ns) = (final_bytes - later, end.at_ns - point.at_ns);
        if bytes == 0 || bytes > MOST_CHATTER_BYTES || lasted_ns <= AT_ONCE_NS {
            return None;
        }
        let before_ns = recorded[..bulk?].last().map_or(0, |point| point.at_ns);
        *end = Sighting {
            at_ns: point.at_ns,
            resolution_ns: point.at_ns.saturating_sub(before_ns.max(self.since_ns)),
        };
        Some(Chatter { bytes, lasted_ns })
    }

    fn cumulative(&self, point: &Point) -> u64 {
        match self.direction {
            Direction::Download | Direction::Intake => point.rx_bytes,
            Direction::Upload => point.tx_bytes,
        }
    }
}

#[cfg(test)]
mod tests;
