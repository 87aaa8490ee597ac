//! A transfer over its time: where the path was, how many bytes there were, and what its threads did.

use std::collections::BTreeMap;

use super::held::{Held, Holders};
use crate::{
    attribution::{
        Evidence,
        observed::threads::ThreadIndex,
        phase,
        shares::{Network, NetworkDetail, Share, Shares},
        states::{self, States},
        sums::Place,
    },
    milestones,
    report::{FoundTransfer, ProcessShare, intervals, transferred},
    timeline::{Process, Timeline},
};
use capture::{ProcessSerial, ThreadTotals, span::Stacks};

/// About so many bins, and at least one for each phase.
const BINS: u64 = 400;
/// Threads of a process that are drawn: those that ran longest.
const THREADS: usize = 6;
/// What a process has of the path at least, for its threads to be drawn.
const ON_THE_PATH: f64 = 0.01;

/// Seconds count from the request.
#[derive(Clone, Debug, Default)]
pub struct TransferFigure {
    /// Phase by phase, without gaps; none where scheduling was not recorded, or a milestone is missing.
    pub bins: Vec<Bin>,
    /// What was not seen when.
    pub unseen: Vec<Unseen>,
    /// Who had what the path waited for, those with the CPU first.
    pub held: Vec<Held>,
    /// Threads of the processes that the path leads through.
    pub threads: Vec<Lane>,
    /// Parallel to the report's phases, as far as their scheduling was recorded.
    pub flames: Vec<Flame>,
    /// When so much of the final count was there: 90, 99, 99.9 %.
    pub reached: Vec<(f64, f64)>,
}

/// A phase by where the path was: its seconds sum to the phase's.
#[derive(Clone, Debug, Default)]
pub struct Flame {
    /// In the order of their frames.
    pub stacks: Vec<Folded>,
    /// Of the path off the CPU, the part whose stack is known: 0 to 1; `None` where it was always on one.
    pub with_stack: Option<f64>,
}

/// From the outermost frame to what was waited for: process, thread, frames, share.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    pub frames: Vec<Frame>,
    pub seconds: f64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Frame {
    /// Of names that others choose.
    Process(String),
    Thread(String),
    User(String),
    Kernel(String),
    /// As in the report's `shares`, or `network_detail`.
    Share(&'static str),
}

#[derive(Clone, Debug)]
pub struct Bin {
    pub from_s: f64,
    pub to_s: f64,
    /// Parts of the bin.
    pub shares: Shares<f64>,
    pub network_detail: NetworkDetail<f64>,
    pub of_processes: Vec<ProcessShare>,
    /// The transfer's payload at its end.
    pub bytes: u64,
    /// Packets that the kernel threw away in it, of all targets' sockets, as the report's `drops` of a phase.
    pub dropped: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Unseen {
    pub from_s: f64,
    pub to_s: f64,
    /// What was detached to keep a limit of cost; `None` where records were lost.
    pub family: Option<String>,
}

/// What one thread did, bin by bin.
#[derive(Clone, Debug)]
pub struct Lane {
    pub process: String,
    pub tid: u32,
    pub comm: String,
    /// Parallel to the bins.
    pub states: Vec<LaneState>,
}

/// Parts of a bin; the rest of it lies outside of the thread's life.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LaneState {
    pub shares: Shares<f64>,
    /// Not asked what for: it slept from before the recording, or was not woken before its end.
    pub idle: f64,
}

pub(super) fn draw(
    timeline: &Timeline,
    evidence: Option<&Evidence>,
    transfer: &FoundTransfer,
) -> TransferFigure {
    let timed = transfer.timed;
    let since_ns = timed.transfer.requested_ns;
    let Some(process) = timeline.processes.get(&timed.transfer.process) else {
        return TransferFigure::default();
    };
    let phases: Vec<(u64, u64)> =
        intervals(transfer).iter().map(|interval| (interval.from_ns, interval.to_ns)).collect();
    let (Some(first), Some(last)) = (phases.first(), phases.last()) else { return TransferFigure::default() };
    let edges = edges(&phases);
    let at_s = |ns: u64| ns.saturating_sub(since_ns) as f64 / 1e9;
    let lost = timeline.lossy.iter().map(|lossy| (lossy.from_ns, lossy.to_ns, None));
    let detached = timeline.detached.iter().map(|one| (one.from_ns, one.to_ns, Some(one.family.clone())));
    let unseen = lost.chain(detached).filter(|(from_ns, to_ns, _)| *from_ns < last.1 && first.0 < *to_ns);
    let unseen = unseen.map(|(from_ns, to_ns, family)| Unseen {
        from_s: at_s(from_ns.max(first.0)),
        to_s: at_s(to_ns.min(last.1)),
        family,
    });
    let reached = milestones::reached(timed, process, &[90.0, 99.0, 99.9]);
    let mut figure = TransferFigure {
        unseen: unseen.collect(),
        reached: reached.into_iter().map(|(percent, at_ns)| (percent, at_s(at_ns))).collect(),
        ..TransferFigure::default()
    };
    let Some(evidence) = evidence else { return figure };
    let bytes = milestones::bytes_at(timed, process, edges.iter().map(|edge| edge.1));
    let budgets = phase::lanes(evidence, transferred(transfer), &edges);
    let name = |serial: &ProcessSerial| timeline.processes.get(serial).map(Process::name).unwrap_or_default();
    let mut on_the_path = BTreeMap::<ProcessSerial, f64>::new();
    let mut places = vec![BTreeMap::<Place, f64>::new(); phases.len()];
    let mut holders = Holders::of(edges.len());
    for (bin, ((budget, &(from_ns, to_ns)), bytes)) in budgets.into_iter().zip(&edges).zip(bytes).enumerate()
    {
        holders.add(bin, &budget);
        for &(process, _, part) in &budget.of_processes {
            *on_the_path.entry(process).or_default() += part * (to_ns - from_ns) as f64;
        }
        let phase = phases.partition_point(|phase| phase.1 <= from_ns);
        budget.places.into_iter().for_each(|(place, ns)| *places[phase].entry(place).or_default() += ns);
        let of_processes = budget.of_processes.iter().map(|(process, share, part)| ProcessShare {
            process: name(process),
            share: share.names().0,
            part: *part,
        });
        figure.bins.push(Bin {
            from_s: at_s(from_ns),
            to_s: at_s(to_ns),
            shares: budget.shares,
            network_detail: budget.network_detail,
            of_processes: of_processes.collect(),
            bytes,
            dropped: timeline.drops.between(from_ns, to_ns).map(|dropped| dropped.drops).sum(),
        });
    }
    figure.held = holders.named(timeline, &edges);
    let wall_ns = (last.1 - first.0) as f64;
    on_the_path.retain(|_, ns| *ns >= ON_THE_PATH * wall_ns);
    on_the_path.entry(timed.transfer.process).or_default();
    figure.threads =
        on_the_path.keys().flat_map(|serial| lanes(timeline, evidence, *serial, &edges)).collect();
    figure.flames = places.iter().map(|places| flame(timeline, evidence, places)).collect();
    figure
}

/// Places with names instead of numbers, those of one name together.
fn flame(timeline: &Timeline, evidence: &Evidence, places: &BTreeMap<Place, f64>) -> Flame {
    let mut folded = BTreeMap::<Vec<Frame>, f64>::new();
    let (mut off_ns, mut with_stack_ns) = (0.0, 0.0);
    for (place, &ns) in places {
        let frames = frames(timeline, evidence, place);
        if !matches!(place.share, Share::Cpu | Share::Network(Network::PeerCpu)) {
            off_ns += ns;
            with_stack_ns += if place.stacks == Stacks::default() { 0.0 } else { ns };
        }
        *folded.entry(frames).or_default() += ns;
    }
    let stacks = folded.into_iter().map(|(frames, ns)| Folded { frames, seconds: ns / 1e9 });
    Flame { stacks: stacks.collect(), with_stack: (off_ns > 0.0).then(|| with_stack_ns / off_ns) }
}

fn frames(timeline: &Timeline, evidence: &Evidence, place: &Place) -> Vec<Frame> {
    let mut frames = Vec::new();
    if let Some(thread) = place.thread {
        let life = &evidence.observed.threads.all[thread].life;
        let process = timeline.processes.get(&life.process);
        let is_it = |totals: &&ThreadTotals| totals.tid == life.tid && totals.since_ns == life.since_ns;
        let totals = process.and_then(|process| process.threads.values().find(is_it));
        frames.push(Frame::Process(process.map(Process::name).unwrap_or_default()));
        frames.push(Frame::Thread(totals.map(|totals| totals.comm.clone()).unwrap_or_default()));
    }
    let names = |id: Option<u32>| {
        let stack = id.and_then(|id| timeline.events.stacks.get(&id));
        stack.into_iter().flat_map(|stack| stack.frames.iter().rev().cloned())
    };
    frames.extend(names(place.stacks.user).map(Frame::User));
    frames.extend(names(place.stacks.kernel).map(Frame::Kernel));
    let (share, detail) = place.share.names();
    frames.push(Frame::Share(detail.unwrap_or(share)));
    frames
}

/// Of phases that follow each other, each cut into bins of one length; empty ones have none.
fn edges(phases: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let whole_ns: u64 = phases.iter().map(|(from_ns, to_ns)| to_ns.saturating_sub(*from_ns)).sum();
    let mut edges = Vec::new();
    for &(from_ns, to_ns) in phases.iter().filter(|(from_ns, to_ns)| from_ns < to_ns) {
        let ns = u128::from(to_ns - from_ns);
        let bins = (ns * u128::from(BINS)).div_ceil(u128::from(whole_ns)).min(ns).max(1);
        let edge = |place: u128| from_ns + (ns * place / bins) as u64;
        edges.extend((0..bins).map(|place| (edge(place), edge(place + 1))));
    }
    edges
}

fn lanes(timeline: &Timeline, evidence: &Evidence, serial: ProcessSerial, edges: &[(u64, u64)]) -> Vec<Lane> {
    let Some(process) = timeline.processes.get(&serial) else { return Vec::new() };
    let threads = &evidence.observed.threads;
    let mut busiest: Vec<(u64, ThreadIndex, &str)> = process
        .threads
        .values()
        .filter_map(|totals| {
            let thread = threads.find(totals.tid, totals.since_ns)?;
            let cpu_ns = evidence.states[thread].cpu_ns;
            (cpu_ns > 0).then_some((cpu_ns, thread, totals.comm.as_str()))
        })
        .collect();
    busiest.sort_by_key(|&(cpu_ns, thread, _)| (std::cmp::Reverse(cpu_ns), thread));
    busiest.truncate(THREADS);
    let lane = |(_, thread, comm): (u64, ThreadIndex, &str)| Lane {
        process: process.name(),
        tid: threads.all[thread].life.tid,
        comm: comm.to_owned(),
        states: edges.iter().map(|&bin| lane_state(evidence, thread, bin)).collect(),
    };
    busiest.into_iter().map(lane).collect()
}

fn lane_state(evidence: &Evidence, thread: ThreadIndex, (from_ns, to_ns): (u64, u64)) -> LaneState {
    let states = states::of(&evidence.observed.threads.all[thread], &evidence.futexes, from_ns, to_ns);
    let part = |ns: u64| ns as f64 / (to_ns - from_ns) as f64;
    let States { cpu_ns, runqueue_ns, throttled_ns, wait_disk_ns, wait_network_ns, wait_lock_ns, .. } =
        states;
    let States { wait_timer_ns, wait_thread_ns, wait_memory_ns, wait_idle_ns, wait_other_ns, .. } = states;
    LaneState {
        shares: Shares {
            network: part(wait_network_ns),
            disk: part(wait_disk_ns),
            cpu: part(cpu_ns),
            cpu_wait: part(runqueue_ns + throttled_ns),
            lock: part(wait_lock_ns),
            timer: part(wait_timer_ns),
            memory: part(wait_memory_ns),
            other: part(wait_thread_ns + wait_other_ns),
        },
        idle: part(wait_idle_ns),
    }
}
