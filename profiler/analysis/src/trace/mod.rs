//! A capture slice by slice, for viewers of traces: what each thread did, and which send each receive came from. Shown as it is
//! found, so that nothing but the evidence is held.

use std::{collections::HashMap, path::Path};

use anyhow::Result;
use syscalls::Sysno;

use crate::{
    attribution::{
        Evidence,
        cause::Cause,
        observed::{payload::Movement, threads::ThreadIndex},
    },
    figures::{self, Figures},
    milestones::Sighting,
    report::{FoundTransfer, Report, intervals},
    timeline::{Point, Timeline},
};
use capture::{Clock, ProcessSerial, traffic::Direction};

/// Everything of a capture that a trace shows. Times are monotonic ns.
pub struct Trace<'t> {
    pub report: &'t Report,
    pub figures: &'t Figures,
    timeline: &'t Timeline,
    evidence: Option<&'t Evidence<'t>>,
    found: &'t [FoundTransfer<'t>],
}

#[derive(Clone, Debug)]
pub struct TracedProcess {
    pub serial: ProcessSerial,
    pub pid: u32,
    pub name: String,
}

#[derive(Clone, Debug)]
pub struct TracedThread {
    pub process: ProcessSerial,
    pub tid: u32,
    pub comm: String,
    index: ThreadIndex,
}

/// A thread in one state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slice {
    pub from_ns: u64,
    pub to_ns: u64,
    pub state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Running,
    Runnable,
    Throttled,
    /// What for, as the kernel showed it, and in which system call.
    Waiting {
        cause: &'static str,
        call: Option<&'static str>,
    },
}

/// Payload that one or several calls moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moved {
    pub tid: u32,
    pub cookie: u64,
    pub direction: Direction,
    pub bytes: u64,
    /// When the last call returned.
    pub at_ns: u64,
    /// Of a receive, unless an earlier one of the socket had the same.
    pub carrier: Option<Carrier>,
}

/// The send that brought the last byte of a receive; of datagrams the last one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carrier {
    pub process: ProcessSerial,
    pub cookie: u64,
    /// By then it was under way: when the send had returned, or, where that was later, just before the receive did.
    pub by_ns: u64,
    /// When the send returned.
    pub returned_ns: u64,
}

/// A transfer's phases and sightings of its milestones.
#[derive(Clone, Debug)]
pub struct TracedTransfer {
    pub process: ProcessSerial,
    pub label: String,
    pub requested_ns: u64,
    /// Parallel to the report's: from, to.
    pub phases: Vec<(u64, u64)>,
    /// Name, by the kernel and by the application.
    pub milestones: Vec<(String, Option<Sighting>, Option<Sighting>)>,
}

/// Shows a capture file.
pub fn of_capture<T>(path: &Path, show: impl FnOnce(&Trace) -> Result<T>) -> Result<T> {
    figures::of_capture_and(path, |report, figures, timeline, evidence, found| {
        show(&Trace { report, figures, timeline, evidence, found })
    })?
}

impl Trace<'_> {
    /// The first pair of clocks.
    pub fn clock(&self) -> Option<Clock> {
        self.timeline.clock
    }

    pub fn start_ns(&self) -> u64 {
        self.timeline.start.at_ns
    }

    pub fn processes(&self) -> Vec<TracedProcess> {
        let known = self.timeline.processes.iter();
        let traced = known.filter_map(|(serial, process)| {
            let pid = process.totals.as_ref()?.pid;
            Some(TracedProcess { serial: *serial, pid, name: process.name() })
        });
        traced.collect()
    }

    /// Cumulative payload with peers, in order of time.
    pub fn payload(&self, process: ProcessSerial) -> &[Point] {
        self.timeline.processes.get(&process).map_or(&[], |process| &process.progress)
    }

    pub fn threads(&self) -> Vec<TracedThread> {
        let Some(evidence) = self.evidence else { return Vec::new() };
        let threads = &evidence.observed.threads;
        let totals = self.timeline.processes.values().flat_map(|process| process.threads.values());
        let traced = totals.filter_map(|totals| {
            let index = threads.find(totals.tid, totals.since_ns)?;
            Some(TracedThread { process: totals.process, tid: totals.tid, comm: totals.comm.clone(), index })
        });
        traced.collect()
    }

    /// A thread's life in slices, in order of time, without gaps.
    pub fn slices(&self, thread: &TracedThread, mut take: impl FnMut(Slice) -> Result<()>) -> Result<()> {
        let Some(evidence) = self.evidence else { return Ok(()) };
        let all = &evidence.observed.threads.all[thread.index];
        let mut slice = |from_ns: u64, to_ns: u64, state| {
            if from_ns < to_ns { take(Slice { from_ns, to_ns, state }) } else { Ok(()) }
        };
        let mut ran_ns = all.life.since_ns;
        for (place, span) in all.spans.iter().enumerate() {
            let times = all.times(&span);
            slice(ran_ns, times.off_ns, State::Running)?;
            let cause = evidence.cause(thread.index, place).map_or("nothing", name);
            let waiting = State::Waiting { cause, call: call(span.doing.syscall) };
            slice(times.off_ns, times.runnable_ns, waiting)?;
            let ready = if span.throttled { State::Throttled } else { State::Runnable };
            slice(times.runnable_ns, times.on_ns, ready)?;
            ran_ns = times.on_ns;
        }
        slice(ran_ns, all.life.end_ns, State::Running)
    }

    /// What a thread moved, in order of time. `named` are the sends that brought the last receive of each socket.
    pub fn moved(
        &self,
        thread: &TracedThread,
        named: &mut HashMap<u64, u64>,
        mut take: impl FnMut(Moved) -> Result<()>,
    ) -> Result<()> {
        let Some(evidence) = self.evidence else { return Ok(()) };
        for movement in evidence.observed.traffic.of_thread(thread.index) {
            let sent = carrier(evidence, &movement);
            let is_new = |sent: &Movement| named.insert(movement.cookie, sent.index) != Some(sent.index);
            let carrier = sent.filter(is_new).map(|sent| Carrier {
                process: evidence.observed.threads.all[sent.thread].life.process,
                cookie: sent.cookie,
                by_ns: sent.at_ns.min(movement.at_ns - 1),
                returned_ns: sent.at_ns,
            });
            let Movement { cookie, direction, bytes, at_ns, .. } = movement;
            take(Moved { tid: thread.tid, cookie, direction, bytes, at_ns, carrier })?;
        }
        Ok(())
    }

    /// Parallel to the report's transfers.
    pub fn transfers(&self) -> Vec<TracedTransfer> {
        let traced = self.found.iter().map(|transfer| {
            let milestones = transfer.found.iter().flat_map(|found| &found.milestones);
            TracedTransfer {
                process: transfer.timed.transfer.process,
                label: transfer.timed.transfer.label.clone(),
                requested_ns: transfer.timed.transfer.requested_ns,
                phases: intervals(transfer)
                    .iter()
                    .map(|interval| (interval.from_ns, interval.to_ns))
                    .collect(),
                milestones: milestones
                    .map(|milestone| (milestone.name.to_string(), milestone.kernel, milestone.app))
                    .collect(),
            }
        });
        traced.collect()
    }
}

/// The send that brought the last byte of a receive from a peer on this host; of datagrams the last one that was sent to the
/// socket before.
fn carrier(evidence: &Evidence, movement: &Movement) -> Option<Movement> {
    let traffic = &evidence.observed.traffic;
    match (movement.direction, movement.past) {
        (Direction::Sent, _) => None,
        (Direction::Received, None) => traffic.last_datagram(movement.cookie, movement.at_ns),
        (Direction::Received, Some(past)) => {
            let peer = evidence.pairs.peer(evidence.observed.host.of(movement.cookie))?;
            traffic.carrier(peer.id, past.wrapping_sub(1), movement.at_ns)
        }
    }
}

fn call(number: Option<i32>) -> Option<&'static str> {
    Some(Sysno::new(usize::try_from(number?).ok()?)?.name())
}

fn name(cause: Cause) -> &'static str {
    match cause {
        Cause::Network => "network",
        Cause::Disk => "disk",
        Cause::Timer => "timer",
        Cause::Memory => "memory",
        Cause::Lock { .. } => "lock",
        Cause::Thread { .. } => "thread",
        Cause::OutsideWaker => "another process",
        Cause::Never => "idle",
        Cause::Unknown => "other",
    }
}
