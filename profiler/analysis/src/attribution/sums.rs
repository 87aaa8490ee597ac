//! The pieces that walks find, weighed and added up for each phase.
//!
//! Walks pass over long stretches of a thread's life that are all its own. Those are not taken piece by piece, but as "this
//! much weight from here to there": a thread's off-CPU intervals are looked at once, whatever number of walks pass them.

use std::{cmp::Reverse, collections::BTreeMap, ops::Range};

use foldhash::HashMap;

use crate::attribution::{
    Evidence, calls,
    lineage::Found,
    observed::{
        cpus::Occupant,
        threads::{OffCpu, ThreadIndex},
    },
    polling,
    segment::{Segment, Side},
    shares::{Network, NetworkDetail, Share, Shares},
    weights::Clock,
};
use crate::timeline::{OutsiderIndex, Requester};
use capture::{ProcessSerial, span::Stacks};

/// How many of a phase's segments are kept.
const LONGEST: usize = 10;

/// Of so many waits those that are not among the longest are forgotten.
const MOST_WAITS: usize = 10_000;

/// Adds up what walks find.
#[derive(Debug)]
pub struct Sums<'e> {
    evidence: &'e Evidence<'e>,
    clock: Clock,
    phases: Vec<Phase>,
    is_drawn: bool,
    /// All walks have come back to here.
    passed_ns: u64,
    /// By thread: weight, and how many walks, that begin or end with one of its elements, of which there is one more than
    /// spans: the n-th but for the first one is a span and the run after it.
    covered: BTreeMap<(ThreadIndex, Side), BTreeMap<usize, (f64, i64)>>,
}

#[derive(Debug, Default)]
struct Phase {
    from_ns: u64,
    to_ns: u64,
    shares: Shares<f64>,
    network: NetworkDetail<f64>,
    of_processes: HashMap<(ProcessSerial, Share), f64>,
    /// Of waits for a CPU.
    held: BTreeMap<Holder, f64>,
    /// Of waits for a disk: ns and bytes.
    disk_held: BTreeMap<Holder, (f64, f64)>,
    polled_ns: f64,
    /// Of running.
    stolen_ns: BTreeMap<Side, f64>,
    explained_ns: f64,
    /// Those that may be among the longest.
    waits: HashMap<(ThreadIndex, usize, Share), Wait>,
    /// As many waits as this are looked through for those that cannot.
    waits_looked_through: usize,
    /// The heaviest segments without a span.
    ran: Vec<Weighed>,
    places: BTreeMap<Place, f64>,
}

/// The parts of one wait: walks cut it, and parts of it may be on none.
#[derive(Debug)]
struct Wait {
    whole: Segment,
    ns: f64,
    /// What it can become: walks weigh 1 together.
    most_ns: f64,
    /// Of one that walks ask: its beginning, when all have come back to which it becomes no longer.
    asked_ns: Option<u64>,
}

/// The less, the longer; of equal ones the earlier, so that the order of finding them makes no difference.
type Rank = (Reverse<u64>, u64, Option<ThreadIndex>, Option<usize>, Share);

/// Who had a CPU, or a disk, for which a thread waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    Process(ProcessSerial),
    Outsider(OutsiderIndex),
    /// The quota of the thread's own control group was used up.
    Quota,
}

/// Shorter waits for a CPU are the way from wake-up to switch.
const WAIT_NS: u64 = 10_000;

/// A segment, and what it weighs.
#[derive(Clone, Copy, Debug)]
pub struct Weighed {
    pub segment: Segment,
    pub ns: f64,
}

/// Where a phase's time went.
#[derive(Clone, Debug)]
pub struct Budget {
    pub wall_ns: u64,
    /// Parts of the phase; they sum to 1 unless it is empty.
    pub shares: Shares<f64>,
    /// Parts of the phase; they sum to `shares.network`.
    pub network_detail: NetworkDetail<f64>,
    /// Whose process a share is in, the largest first: parts of the phase, as the process itself sees them.
    pub of_processes: Vec<(ProcessSerial, Share, f64)>,
    /// Who had the CPU in `shares.cpu_wait` and the network's `peer_cpu_wait`, the largest first: parts of the phase.
    pub held: Vec<(Holder, f64)>,
    /// The same of a disk in `shares.disk` and `peer_disk`, with the bytes of its requests.
    pub disk_held: Vec<(Holder, f64, f64)>,
    /// The parts of `shares.cpu` and the network's `peer_cpu` that the host is taken to have had.
    pub stolen: (f64, f64),
    /// The part of `shares.cpu` that was busy polling.
    pub polling: f64,
    /// The name of the largest share, of equal ones the first in the report's order; None for an empty phase.
    pub bottleneck: Option<&'static str>,
    /// The longest segments, the longest first; none of [`Sums::drawn`].
    pub longest: Vec<Segment>,
    /// Of [`Sums::drawn`]: the phase by place, ns.
    pub places: BTreeMap<Place, f64>,
}

/// A thread in one state, and where it slept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// None: on the way between two threads, or not known.
    pub thread: Option<ThreadIndex>,
    /// As the process that is asked about sees it.
    pub share: Share,
    /// Missing where it ran, and of sleeps of which no stack was taken.
    pub stacks: Stacks,
}

impl<'e> Sums<'e> {
    /// Of phases that do not overlap, in order of time.
    pub fn new(evidence: &'e Evidence<'e>, clock: Clock, phases: &[(u64, u64)]) -> Self {
        let phases = phases.iter().map(|&(from_ns, to_ns)| Phase { from_ns, to_ns, ..Phase::default() });
        Self {
            evidence,
            clock,
            phases: phases.collect(),
            is_drawn: false,
            passed_ns: u64::MAX,
            covered: BTreeMap::new(),
        }
    }

    /// For many short phases: with places instead of the longest segments.
    pub fn drawn(self) -> Self {
        Self { is_drawn: true, ..self }
    }

    pub fn close(mut self) -> Vec<Budget> {
        for ((thread, side), changes) in std::mem::take(&mut self.covered) {
            let (mut rate, mut walks) = (0.0, 0);
            let mut since = 0;
            for (element, (change, count)) in changes {
                if walks > 0 {
                    (since..element)
                        .for_each(|element| self.element(rate, (thread, side), element, 0..u64::MAX));
                } else {
                    // What is left are rounding errors.
                    rate = 0.0;
                }
                rate += change;
                walks += count;
                since = element;
            }
        }
        self.phases.into_iter().map(Phase::close).collect()
    }

    /// The parts of an element that lie between two moments.
    fn element(
        &mut self,
        rate: f64,
        (thread, side): (ThreadIndex, Side),
        element: usize,
        within_ns: Range<u64>,
    ) {
        let evidence = self.evidence;
        let all = &evidence.observed.threads.all[thread];
        let is_last = element >= all.spans.len();
        let next_off_ns =
            if is_last { all.life.end_ns } else { all.spans.look_at(element, |span| span.off_ns) };
        let mut part = |begin_ns: u64, end_ns: u64, span, share| {
            let (from_ns, to_ns) = (begin_ns.max(within_ns.start), end_ns.min(within_ns.end));
            if from_ns < to_ns {
                self.segment(rate, Segment { from_ns, to_ns, thread: Some(thread), span, share, side });
            }
        };
        let Some(span) = element.checked_sub(1) else {
            return part(all.life.since_ns, next_off_ns, None, Share::Cpu);
        };
        let OffCpu { off_ns, runnable_ns, on_ns } = all.off_cpu(span);
        part(on_ns, next_off_ns, None, Share::Cpu);
        part(runnable_ns, on_ns, Some(span), Share::CpuWait);
        if off_ns < within_ns.end && within_ns.start < runnable_ns {
            let waited = evidence.cause(thread, span).map_or(Share::CpuWait, Share::of_cause);
            part(off_ns, runnable_ns, Some(span), waited);
        }
    }
}

impl Found for Sums<'_> {
    fn segment(&mut self, rate: f64, segment: Segment) {
        let first = self.phases.partition_point(|phase| phase.to_ns <= segment.from_ns);
        for phase in &mut self.phases[first..] {
            if phase.from_ns >= segment.to_ns {
                break;
            }
            let (from_ns, to_ns) = (segment.from_ns.max(phase.from_ns), segment.to_ns.min(phase.to_ns));
            if from_ns >= to_ns {
                continue;
            }
            let ns = rate * self.clock.between(from_ns, to_ns);
            let segment = Segment { from_ns, to_ns, ..segment };
            let wall_ns = to_ns - from_ns;
            if ns > 0.0 {
                phase.add(self.evidence, segment, ns, ns / wall_ns as f64);
                if self.is_drawn {
                    phase.place(self.evidence, segment, segment.seen(), ns);
                } else {
                    phase.keep(self.evidence, segment, ns);
                    phase.forget_short_waits(self.passed_ns);
                }
            }
        }
    }

    fn passed(&mut self, at_ns: u64) {
        self.passed_ns = at_ns;
    }

    fn own(&mut self, rate: f64, (thread, side): (ThreadIndex, Side), between_ns: Range<u64>) {
        let Range { start: from_ns, end: to_ns } = between_ns;
        let all = &self.evidence.observed.threads.all[thread];
        // The element that a moment lies in: as many as spans have begun.
        let (first, last) = (all.spans_before(from_ns + 1), all.spans_before(to_ns));
        self.element(rate, (thread, side), first, from_ns..to_ns);
        if last > first {
            self.element(rate, (thread, side), last, from_ns..to_ns);
            let changes = self.covered.entry((thread, side)).or_default();
            for (element, rate, count) in [(first + 1, rate, 1), (last, -rate, -1)] {
                let change = changes.entry(element).or_default();
                change.0 += rate;
                change.1 += count;
            }
        }
    }
}

impl Phase {
    fn add(&mut self, evidence: &Evidence, segment: Segment, ns: f64, weight: f64) {
        let whose = segment.thread.map(|thread| evidence.observed.threads.all[thread].life.process);
        let share = segment.seen();
        *self.shares.value_mut(share) += ns;
        if let Share::Network(part) = share {
            *self.network.value_mut(part) += ns;
        }
        if let Some(whose) = whose {
            *self.of_processes.entry((whose, segment.share)).or_default() += ns;
        }
        if share == Share::Cpu {
            self.polled_ns += weight * polling::polled_ns(&evidence.observed.traffic, segment) as f64;
        }
        match segment.share {
            Share::CpuWait => self.hold(evidence, segment, weight),
            Share::Disk => self.hold_disk(evidence, segment, weight),
            Share::Cpu if evidence.observed.steal.is_known() => {
                let stolen_ns = weight * stolen_ns(evidence, segment);
                *self.stolen_ns.entry(segment.side).or_default() += stolen_ns;
            }
            _ => {}
        }
        self.explained_ns += ns;
    }

    fn place(&mut self, evidence: &Evidence, Segment { thread, span, .. }: Segment, share: Share, ns: f64) {
        let spans = |thread: ThreadIndex| &evidence.observed.threads.all[thread].spans;
        let stacks = thread.zip(span).map(|(thread, span)| spans(thread).look_at(span, |span| span.stacks));
        let place = Place { thread, share, stacks: stacks.unwrap_or_default() };
        *self.places.entry(place).or_default() += ns;
    }

    /// Notes what may be among the longest.
    fn keep(&mut self, evidence: &Evidence, segment: Segment, ns: f64) {
        let share = segment.seen();
        match (segment.thread, segment.span) {
            (Some(thread), Some(span)) => {
                let all = &evidence.observed.threads.all[thread];
                let wait = self.waits.entry((thread, span, share)).or_insert_with(|| {
                    let OffCpu { off_ns, on_ns, .. } = all.off_cpu(span);
                    // These may have begun long before the wait that they ended.
                    let may = matches!(
                        segment.share,
                        Share::Timer | Share::Disk | Share::Network(Network::Unknown)
                    );
                    let most_ns = if may && reaches_back(all.syscall(span)) {
                        f64::INFINITY
                    } else {
                        on_ns.min(self.to_ns).saturating_sub(off_ns.max(self.from_ns)) as f64
                    };
                    let asked_ns = evidence.waits[thread].is_asked(span).then_some(off_ns);
                    Wait { whole: segment, ns: 0.0, most_ns, asked_ns }
                });
                wait.ns += ns;
                wait.whole.from_ns = wait.whole.from_ns.min(segment.from_ns);
                wait.whole.to_ns = wait.whole.to_ns.max(segment.to_ns);
            }
            _ => keep_longest(&mut self.ran, Weighed { segment, ns }),
        }
    }

    /// Asks who had the CPU while a thread could have run.
    fn hold(&mut self, evidence: &Evidence, segment: Segment, weight: f64) {
        let (Some(thread), Some(span)) = (segment.thread, segment.span) else { return };
        let threads = &evidence.observed.threads;
        let all = &threads.all[thread];
        let OffCpu { runnable_ns, on_ns, .. } = all.off_cpu(span);
        let (from_ns, to_ns) = (segment.from_ns.max(runnable_ns), segment.to_ns.min(on_ns));
        if to_ns.saturating_sub(from_ns) < WAIT_NS {
            return;
        }
        let mut add = |holder, ns: u64| *self.held.entry(holder).or_default() += weight * ns as f64;
        let (cpu, throttled) = all.spans.look_at(span, |span| (span.cpu, span.throttled));
        if throttled {
            add(Holder::Quota, to_ns - from_ns);
        } else if let Some(cpu) = cpu {
            for (occupant, ns) in threads.cpus.had(threads, cpu, from_ns, to_ns) {
                let holder = match occupant {
                    Occupant::Thread(thread) => Holder::Process(threads.all[thread].life.process),
                    Occupant::Outsider(outsider) => Holder::Outsider(outsider),
                };
                add(holder, ns);
            }
        }
    }

    /// Asks whose requests a disk did while a thread waited for it.
    fn hold_disk(&mut self, evidence: &Evidence, segment: Segment, weight: f64) {
        let Some(thread) = segment.thread else { return };
        let process = evidence.observed.threads.all[thread].life.process;
        for held in evidence.observed.disks.held(process, segment.from_ns, segment.to_ns) {
            let holder = match held.by {
                Requester::Process(process) => Holder::Process(process),
                Requester::Outsider(outsider) | Requester::Kernel(outsider) => Holder::Outsider(outsider),
            };
            let all = self.disk_held.entry(holder).or_default();
            all.0 += weight * held.ns;
            all.1 += weight * held.bytes;
        }
    }

    /// Those that cannot become longer than the longest are now.
    fn forget_short_waits(&mut self, passed_ns: u64) {
        if self.waits.len() < self.waits_looked_through.max(MOST_WAITS) {
            return;
        }
        let mut ranks: Vec<Rank> = self.waits.values().map(Wait::rank).collect();
        let (_, &mut least, _) = ranks.select_nth_unstable(LONGEST);
        let (Reverse(least_ns), ..) = least;
        self.waits.retain(|_, wait| {
            let may_grow = wait.asked_ns.is_none_or(|off_ns| off_ns < passed_ns);
            // Not those that become as long, but for rounding.
            wait.rank() <= least || may_grow && wait.most_ns + 1.0 >= least_ns as f64
        });
        self.waits_looked_through = 2 * self.waits.len();
    }

    fn close(mut self) -> Budget {
        let wall_ns = self.to_ns.saturating_sub(self.from_ns);
        // Walks cover each moment once in all, but for rounding.
        let unexplained_ns = wall_ns as f64 - self.explained_ns;
        if unexplained_ns > 0.5 {
            self.shares.other += unexplained_ns;
        }
        let longest = self.longest();
        let of_wall = |ns: f64| if wall_ns == 0 { 0.0 } else { ns / wall_ns as f64 };
        let largest =
            self.shares.named().into_iter().rev().max_by(|(_, one), (_, other)| one.total_cmp(other));
        let mut of_processes: Vec<_> =
            self.of_processes.iter().map(|(&(process, share), &ns)| (process, share, of_wall(ns))).collect();
        of_processes
            .sort_by(|one, other| other.2.total_cmp(&one.2).then((one.0, one.1).cmp(&(other.0, other.1))));
        let mut held: Vec<_> = self.held.iter().map(|(&holder, &ns)| (holder, of_wall(ns))).collect();
        held.sort_by(|one, other| other.1.total_cmp(&one.1));
        let stolen = |side| of_wall(self.stolen_ns.get(&side).copied().unwrap_or_default());
        let disk_held = self.disk_held.iter().map(|(&holder, &(ns, bytes))| (holder, of_wall(ns), bytes));
        let mut disk_held: Vec<_> = disk_held.collect();
        disk_held.sort_by(|one, other| other.1.total_cmp(&one.1));
        Budget {
            wall_ns,
            shares: self.shares.map(of_wall),
            network_detail: self.network.map(of_wall),
            of_processes,
            held,
            disk_held,
            stolen: (stolen(Side::Own), stolen(Side::Peer)),
            polling: of_wall(self.polled_ns),
            bottleneck: largest.filter(|(_, ns)| *ns > 0.0).map(|(name, _)| name),
            longest,
            places: self.places,
        }
    }

    /// Of waits and of running, by what of them is on the path.
    fn longest(&mut self) -> Vec<Segment> {
        let mut longest = std::mem::take(&mut self.ran);
        for wait in self.waits.values() {
            keep_longest(&mut longest, Weighed { segment: wait.whole, ns: wait.ns });
        }
        let shown = |weighed: Weighed| Segment {
            to_ns: weighed.segment.from_ns + weighed.ns.round() as u64,
            ..weighed.segment
        };
        longest.into_iter().map(shown).collect()
    }
}

/// What the host is taken to have had of a run.
fn stolen_ns(evidence: &Evidence, segment: Segment) -> f64 {
    let Some(thread) = segment.thread else { return 0.0 };
    let all = &evidence.observed.threads.all[thread];
    // It came to its CPU at the end of the interval before.
    let span = all.spans_before(segment.from_ns + 1).checked_sub(1);
    let cpu = span.and_then(|span| all.spans.look_at(span, |span| span.cpu));
    cpu.map_or(0.0, |cpu| evidence.observed.steal.of_run(cpu, segment.from_ns, segment.to_ns))
}

/// Whether what ended a wait may have been under way since before it: a plain sleep's timer was armed at its beginning.
fn reaches_back(syscall: Option<i32>) -> bool {
    !calls::is_sleep(syscall)
}

fn rank(segment: &Segment, ns: f64) -> Rank {
    (Reverse(ns.round() as u64), segment.from_ns, segment.thread, segment.span, segment.seen())
}

impl Wait {
    fn rank(&self) -> Rank {
        rank(&self.whole, self.ns)
    }
}

/// Heaviest first.
fn keep_longest(kept: &mut Vec<Weighed>, weighed: Weighed) {
    let rank = |weighed: &Weighed| rank(&weighed.segment, weighed.ns);
    let place = kept.partition_point(|other| rank(other) <= rank(&weighed));
    if place < LONGEST {
        kept.truncate(LONGEST - 1);
        kept.insert(place, weighed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_waits_the_longest_and_those_that_may_become_so_are_kept() {
        let whole = Segment {
            from_ns: 0,
            to_ns: 1,
            thread: Some(0),
            span: None,
            share: Share::Disk,
            side: Side::Own,
        };
        let mut phase = Phase::default();
        let mut add = |span: usize, ns: f64, most_ns: f64, asked_ns| {
            let whole = Segment { span: Some(span), ..whole };
            phase.waits.insert((0, span, Share::Disk), Wait { whole, ns, most_ns, asked_ns });
        };
        (0..MOST_WAITS).for_each(|span| add(span, 10.0, 100.0, None));
        // As long as the longest, and come back to.
        (0..LONGEST + 50).for_each(|long| add(MOST_WAITS + long, 1000.0, f64::INFINITY, Some(7)));
        add(2 * MOST_WAITS, 1.0, 5000.0, None);
        add(2 * MOST_WAITS + 1, 1.0, f64::INFINITY, Some(6));
        phase.forget_short_waits(7);
        assert_eq!(phase.waits.len(), LONGEST + 3, "the longest, and those that may become so");
        let kept = |span| phase.waits.contains_key(&(0, span, Share::Disk));
        assert!(kept(MOST_WAITS) && kept(2 * MOST_WAITS) && kept(2 * MOST_WAITS + 1));
    }
}
