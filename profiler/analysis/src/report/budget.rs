//! Where the time of a phase or of a process went, and the pieces of the path that it is the sum of.

use serde::Serialize;
use syscalls::Sysno;

use crate::{
    attribution::{
        Evidence, lock,
        observed::threads::ThreadIndex,
        segment::Segment,
        shares::{NetworkDetail, Share, Shares},
        sums,
    },
    timeline::Timeline,
};
use capture::{
    Stack, ThreadTotals,
    span::{Softirq, Span, Wake},
};

use super::{
    held::{self, CpuHeld, DiskHeld},
    seconds,
};

/// The active path of an interval, added up.
#[derive(Clone, Debug, Serialize)]
pub struct Budget {
    /// Parts of the interval; they sum to 1.
    pub shares: Shares<f64>,
    /// The largest share.
    pub bottleneck: Option<&'static str>,
    /// Parts of the interval; they sum to `shares.network`.
    pub network_detail: NetworkDetail<f64>,
    /// In which process the time went that is any process's, the largest first; parts of the interval.
    pub of_processes: Vec<ProcessShare>,
    /// The part in which both ends of connections waited for a CPU of this host, where that is a quarter and more: they
    /// compete for the same ones, and which of them waits says little.
    pub saturated_host: Option<f64>,
    /// Missing where nothing waited for a CPU.
    pub cpu_held: Option<CpuHeld>,
    /// Missing where nothing waited for a disk, or no request was seen meanwhile.
    pub disk_held: Option<DiskHeld>,
    /// Missing where the host did not say what it took.
    pub steal: Option<Steal>,
    /// The part of `shares.cpu` in which the process asked again and again for bytes that had not arrived.
    pub polling: f64,
    /// The longest pieces of the path, the longest first.
    pub longest: Vec<Piece>,
}

/// Time in which threads ran, as this host's kernel sees it, and in which the host below had their CPUs: an estimate, by what
/// each CPU lost meanwhile. Parts of the interval.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Steal {
    /// In `shares.cpu`.
    pub cpu: f64,
    /// In `network_detail.peer_cpu`.
    pub peer_cpu: f64,
}

/// What one process did of an interval, as it sees it itself.
#[derive(Clone, Debug, Serialize)]
pub struct ProcessShare {
    pub process: String,
    /// As in `shares`.
    pub share: &'static str,
    pub part: f64,
}

/// Less than this of an interval is not told process by process.
const SMALLEST_PART: f64 = 0.005;

/// Waiting for a CPU, of both ends together, from which on a host is called saturated; and at least this of each.
const SATURATED: f64 = 0.25;
const SATURATED_EACH: f64 = 0.05;

/// A piece of the active path: one thread in one state.
#[derive(Clone, Debug, Serialize)]
pub struct Piece {
    /// Since the transfer's request; of a process, since the recording began.
    pub from_s: f64,
    pub to_s: f64,
    /// Missing where bytes were on their way between two threads.
    #[serde(flatten)]
    pub thread: Option<ThreadName>,
    /// As in `shares`.
    pub share: &'static str,
    /// As in `network_detail`, where the share is `network`.
    pub detail: Option<&'static str>,
    /// The system call that the thread slept in; `page fault` where it had made none.
    pub call: Option<String>,
    pub fd: Option<i32>,
    /// What woke it: a softirq, an interrupt, or a task.
    pub waker: Option<String>,
    /// Who held the lock that was waited for.
    pub holder: Option<Holder>,
    /// Where it slept, innermost frame first. Taken of some of the off-CPU intervals of 1 ms and more.
    pub kernel_stack: Option<StackReport>,
    pub user_stack: Option<StackReport>,
}

#[derive(Clone, Debug, Serialize)]
pub struct StackReport {
    pub frames: Vec<String>,
    /// It had more frames than the kernel records.
    pub truncated: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct ThreadName {
    /// Of the process: its label, or its command name.
    pub process: String,
    pub tid: u32,
    pub comm: String,
}

/// What the holder of a lock did while the lock was waited for.
#[derive(Clone, Debug, Serialize)]
pub struct Holder {
    #[serde(flatten)]
    pub thread: ThreadName,
    /// Parts of the wait.
    pub did: Shares<f64>,
}

/// `since_ns` is what the pieces' seconds count from.
pub(super) fn report(
    timeline: &Timeline,
    evidence: &Evidence,
    budget: sums::Budget,
    since_ns: u64,
) -> Budget {
    let piece = |segment: &Segment| piece(timeline, evidence, *segment, since_ns);
    Budget {
        shares: budget.shares,
        bottleneck: budget.bottleneck,
        network_detail: budget.network_detail,
        of_processes: of_processes(timeline, &budget),
        saturated_host: saturated_host(&budget),
        cpu_held: held::cpu(timeline, &budget),
        disk_held: held::disk(timeline, &budget),
        steal: timeline.steal.is_known().then_some(Steal { cpu: budget.stolen.0, peer_cpu: budget.stolen.1 }),
        polling: budget.polling,
        longest: budget.longest.iter().map(piece).collect(),
    }
}

fn of_processes(timeline: &Timeline, budget: &sums::Budget) -> Vec<ProcessShare> {
    let told = budget.of_processes.iter().filter(|(.., part)| *part >= SMALLEST_PART);
    told.map(|&(process, share, part)| ProcessShare {
        process: timeline.processes.get(&process).map_or_else(String::new, |process| process.name()),
        share: share.names().0,
        part,
    })
    .collect()
}

fn saturated_host(budget: &sums::Budget) -> Option<f64> {
    let (own, peers) = (budget.shares.cpu_wait, budget.network_detail.peer_cpu_wait);
    let waited = own + peers;
    (waited >= SATURATED && own.min(peers) >= SATURATED_EACH).then_some(waited)
}

fn piece(timeline: &Timeline, evidence: &Evidence, segment: Segment, since_ns: u64) -> Piece {
    let span = segment
        .thread
        .zip(segment.span)
        .map(|(thread, span)| evidence.observed.threads.all[thread].spans.at(span));
    let span = span.as_ref().filter(|span| span.blocks());
    let at_s = |ns: u64| if ns >= since_ns { seconds(ns - since_ns) } else { -seconds(since_ns - ns) };
    let (share, detail) = segment.seen().names();
    let stack = |id: Option<u32>| {
        let Stack { frames, truncated, .. } = timeline.events.stacks.get(&id?)?.clone();
        Some(StackReport { frames, truncated })
    };
    Piece {
        from_s: at_s(segment.from_ns),
        to_s: at_s(segment.to_ns),
        thread: segment.thread.map(|thread| thread_name(timeline, evidence, thread)),
        share,
        detail,
        // An interval that had not ended has no registers.
        call: span.filter(|span| span.on_ns.is_some()).map(call),
        fd: span.and_then(|span| span.doing.fd),
        waker: span.and_then(|span| waker(timeline, evidence, span)),
        kernel_stack: span.and_then(|span| stack(span.stacks.kernel)),
        user_stack: span.and_then(|span| stack(span.stacks.user)),
        holder: (matches!(segment.share, Share::Lock)).then(|| holder(timeline, evidence, segment)).flatten(),
    }
}

fn thread_name(timeline: &Timeline, evidence: &Evidence, thread: ThreadIndex) -> ThreadName {
    let life = &evidence.observed.threads.all[thread].life;
    let process = timeline.processes.get(&life.process);
    let is_it = |totals: &&ThreadTotals| totals.tid == life.tid && totals.since_ns == life.since_ns;
    let totals = process.and_then(|process| process.threads.values().find(is_it));
    ThreadName {
        process: process.map_or_else(String::new, |process| process.name()),
        tid: life.tid,
        comm: totals.map_or_else(String::new, |totals| totals.comm.clone()),
    }
}

fn call(span: &Span) -> String {
    match span.doing.syscall {
        None => "page fault".to_owned(),
        Some(number) => usize::try_from(number)
            .ok()
            .and_then(Sysno::new)
            .map_or_else(|| format!("system call {number}"), |call| call.name().to_owned()),
    }
}

fn waker(timeline: &Timeline, evidence: &Evidence, span: &Span) -> Option<String> {
    let name = match span.wake {
        Wake::Softirq(Softirq::NetRx) => "NET_RX softirq",
        Wake::Softirq(Softirq::NetTx) => "NET_TX softirq",
        Wake::Softirq(Softirq::Block) => "BLOCK softirq",
        Wake::Softirq(Softirq::Timer) => "TIMER softirq",
        Wake::Softirq(Softirq::HrTimer) => "HRTIMER softirq",
        Wake::Softirq(Softirq::Other) => "another softirq",
        Wake::HardIrq { disk: true } => "disk completion",
        Wake::HardIrq { disk: false } => "an interrupt",
        Wake::HrTimer => "hrtimer",
        Wake::Task { tid, .. } => return Some(task(timeline, evidence, tid, span.woken_ns?)),
        Wake::Unknown => return None,
    };
    Some(name.to_owned())
}

fn task(timeline: &Timeline, evidence: &Evidence, tid: u32, at_ns: u64) -> String {
    let comm = match evidence.observed.threads.find(tid, at_ns) {
        Some(thread) => thread_name(timeline, evidence, thread).comm,
        None => timeline.events.outside_wakers.get(&tid).cloned().unwrap_or_default(),
    };
    format!("{comm} {tid}").trim_start().to_owned()
}

fn holder(timeline: &Timeline, evidence: &Evidence, wait: Segment) -> Option<Holder> {
    let mut thread = None;
    let mut did = Shares::<u64>::default();
    lock::holder_did(evidence, wait, &mut |segment| {
        thread = thread.or(segment.thread);
        *did.value_mut(segment.share) += segment.to_ns - segment.from_ns;
    });
    let wall_ns = wait.to_ns - wait.from_ns;
    Some(Holder {
        thread: thread_name(timeline, evidence, thread?),
        did: did.map(|ns| ns as f64 / wall_ns as f64),
    })
}
