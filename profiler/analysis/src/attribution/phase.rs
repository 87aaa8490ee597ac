//! The budget of a phase: its active path, cut at the records of progress, added up.
//!
//! Each stride is walked back from the call that completed it. What lies between the last record and the end
//! of the phase belongs to the stride that was completed later; if none was, to the thread that completed the
//! last. A phase without any progress is `other`.

use std::{cmp::Reverse, collections::HashMap};

use crate::{
    attribution::{
        Evidence,
        observed::threads::ThreadIndex,
        path::{self, Segment},
        polling,
        shares::{NetworkDetail, Share, Shares},
    },
    timeline::Lossy,
};
use capture::{Direction, ProcessSerial, Progress};

/// How many of a path's segments are kept.
const LONGEST: usize = 10;

/// The time between two milestones of a process.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    pub process: ProcessSerial,
    pub direction: Direction,
    pub from_ns: u64,
    pub to_ns: u64,
}

#[derive(Clone, Debug)]
pub struct Budget {
    pub wall_ns: u64,
    /// Parts of the phase; they sum to 1 unless it is empty.
    pub shares: Shares<f64>,
    /// Parts of the phase; they sum to `shares.network`.
    pub network_detail: NetworkDetail<f64>,
    /// The part of `shares.cpu` that was busy polling.
    pub polling: f64,
    /// The name of the largest share, of equal ones the first in the report's order; None for an empty phase.
    pub bottleneck: Option<&'static str>,
    /// The longest segments, the longest first.
    pub longest: Vec<Segment>,
}

pub fn budget(evidence: &Evidence, phase: Phase) -> Budget {
    let mut sums = Sums::default();
    let mut from_ns = phase.from_ns;
    for stride in strides(evidence, phase) {
        let to_ns = stride.at_ns.min(phase.to_ns);
        // A thread that is not known leaves its stride unexplained.
        if let Some(thread) = evidence.observed.threads.find(stride.tid, stride.at_ns) {
            sums.walk(evidence, thread, from_ns, to_ns);
        }
        from_ns = to_ns;
    }
    sums.close(phase.to_ns.saturating_sub(phase.from_ns))
}

/// The budget of one thread between two times, for programs that move no payload.
pub fn of_thread(evidence: &Evidence, thread: ThreadIndex, from_ns: u64, to_ns: u64) -> Budget {
    let mut sums = Sums::default();
    sums.walk(evidence, thread, from_ns, to_ns);
    sums.close(to_ns.saturating_sub(from_ns))
}

/// The records that cut a phase, the last one at or after its end.
fn strides(evidence: &Evidence, phase: Phase) -> Vec<Progress> {
    let count = |record: &Progress| match phase.direction {
        Direction::Download | Direction::Intake => record.rx_bytes,
        Direction::Upload => record.tx_bytes,
    };
    let mut strides = Vec::new();
    let mut bytes = 0;
    for record in evidence.observed.traffic.progress.iter().filter(|record| record.process == phase.process) {
        let advanced = count(record) > bytes;
        bytes = bytes.max(count(record));
        if advanced && record.at_ns > phase.from_ns {
            strides.push(*record);
            if record.at_ns >= phase.to_ns {
                return strides;
            }
        } else if advanced {
            // The last one before the phase, in case that none follows.
            strides.clear();
            strides.push(Progress { at_ns: phase.from_ns, ..*record });
        }
    }
    if let Some(&last) = strides.last() {
        strides.push(Progress { at_ns: phase.to_ns, ..last });
    }
    strides
}

/// Longest first; of equal ones the earlier, so that the order of finding them makes no difference.
fn keep_longest(kept: &mut Vec<Segment>, segment: Segment) {
    let rank =
        |segment: &Segment| (Reverse(segment.to_ns - segment.from_ns), segment.from_ns, segment.thread);
    let place = kept.partition_point(|other| rank(other) <= rank(&segment));
    if place < LONGEST {
        kept.truncate(LONGEST - 1);
        kept.insert(place, segment);
    }
}

/// A segment's parts: where records were lost nothing is known of it.
fn without_lossy(lossy: &[Lossy], segment: Segment) -> Vec<Segment> {
    let mut parts = Vec::with_capacity(1);
    let mut from_ns = segment.from_ns;
    let first = lossy.partition_point(|lossy| lossy.to_ns <= segment.from_ns);
    for lossy in lossy[first..].iter().take_while(|lossy| lossy.from_ns < segment.to_ns) {
        let (lost_ns, found_ns) = (lossy.from_ns.max(from_ns), lossy.to_ns.min(segment.to_ns));
        parts.push(Segment { from_ns, to_ns: lost_ns, ..segment });
        parts.push(Segment { from_ns: lost_ns, to_ns: found_ns, share: Share::Other, span: None, ..segment });
        from_ns = found_ns;
    }
    parts.push(Segment { from_ns, ..segment });
    parts.retain(|part| part.from_ns < part.to_ns);
    parts
}

#[derive(Default)]
struct Sums {
    shares: Shares<u64>,
    network: NetworkDetail<u64>,
    polled_ns: u64,
    explained_ns: u64,
    waits: HashMap<(ThreadIndex, usize, Share), Wait>,
    /// The longest segments in which threads ran.
    ran: Vec<Segment>,
}

/// The parts of one wait on the path: strides cut it, and parts of it may be on no path.
struct Wait {
    whole: Segment,
    ns: u64,
}

impl Sums {
    fn walk(&mut self, evidence: &Evidence, thread: ThreadIndex, from_ns: u64, to_ns: u64) {
        path::walk(evidence, thread, from_ns, to_ns, &mut |segment| {
            for segment in without_lossy(&evidence.observed.lossy, segment) {
                self.polled_ns += polling::polled_ns(&evidence.observed.traffic, segment);
                self.add(segment);
            }
        });
    }

    fn add(&mut self, segment: Segment) {
        let ns = segment.to_ns - segment.from_ns;
        *self.shares.value_mut(segment.share) += ns;
        if let Share::Network(part) = segment.share {
            *self.network.value_mut(part) += ns;
        }
        self.explained_ns += ns;
        match segment.span {
            Some(span) => {
                let key = (segment.thread, span, segment.share);
                let wait = self.waits.entry(key).or_insert(Wait { whole: segment, ns: 0 });
                wait.ns += ns;
                wait.whole.from_ns = wait.whole.from_ns.min(segment.from_ns);
                wait.whole.to_ns = wait.whole.to_ns.max(segment.to_ns);
            }
            None => keep_longest(&mut self.ran, segment),
        }
    }

    /// Of waits and of running, by what of them is on the path.
    fn longest(&mut self) -> Vec<Segment> {
        let mut longest = std::mem::take(&mut self.ran);
        for wait in self.waits.values() {
            keep_longest(&mut longest, Segment { to_ns: wait.whole.from_ns + wait.ns, ..wait.whole });
        }
        longest
    }

    fn close(mut self, wall_ns: u64) -> Budget {
        self.shares.other += wall_ns.saturating_sub(self.explained_ns);
        let longest = self.longest();
        let of_wall = |ns: u64| if wall_ns == 0 { 0.0 } else { ns as f64 / wall_ns as f64 };
        let largest = self.shares.named().into_iter().rev().max_by_key(|(_, ns)| *ns);
        Budget {
            wall_ns,
            shares: self.shares.map(of_wall),
            network_detail: self.network.map(of_wall),
            polling: of_wall(self.polled_ns),
            bottleneck: largest.filter(|(_, ns)| *ns > 0).map(|(name, _)| name),
            longest,
        }
    }
}
