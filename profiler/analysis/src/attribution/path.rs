//! The active path: what a thread ran and waited for, followed backwards through wake-ups.
//!
//! Running is CPU, runnable is `cpu_wait`, and a wait belongs to what it was for. A wait for another target
//! thread is replaced by that thread's path over the same interval, and a network wait by the path of the
//! peer's thread before it sent. Lock waits stay `lock`: [`holder_did`] says what the holder did meanwhile.
//!
//! The segments of a path are disjoint and cover the interval. At each moment a path passes through each
//! thread once, so that a walk looks at no span twice; a chain of waiters that is circular, too deep, or
//! leads to a thread that is not there ends in `other`.

use crate::attribution::{
    Evidence,
    cause::Cause,
    observed::threads::{OffCpu, ThreadIndex},
    part::{Part, PartOf},
    peers::{self, Scope, Wait},
    progress::Verdict,
    shares::Share,
};

/// More threads in a row than any chain of hand-overs that was seen.
const LONGEST_CHAIN: usize = 32;

/// A piece of the path: a thread in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub from_ns: u64,
    pub to_ns: u64,
    pub thread: ThreadIndex,
    /// The off-CPU interval of that thread that it is a part of; None where it ran.
    pub span: Option<usize>,
    pub share: Share,
}

/// Reports the segments of a thread's path from `to_ns` back to `from_ns`, the latest first.
pub fn walk(
    evidence: &Evidence,
    thread: ThreadIndex,
    from_ns: u64,
    to_ns: u64,
    found: &mut dyn FnMut(Segment),
) {
    let mut trail = Trail { chain: Vec::new(), scope: Scope::Own, found };
    follow(evidence, &mut trail, thread, from_ns, to_ns);
}

/// What the holder of a lock did while the lock was waited for; reports nothing if the segment is no lock
/// wait.
pub fn holder_did(evidence: &Evidence, wait: Segment, found: &mut dyn FnMut(Segment)) {
    let Some(span) = wait.span else { return };
    let Some(Verdict { cause: Cause::Lock { holder }, .. }) = evidence.verdicts[wait.thread][span] else {
        return;
    };
    let thread = &evidence.observed.threads.all[wait.thread];
    if let Some(holder) = evidence.observed.threads.find(holder, thread.off_cpu(span).runnable_ns) {
        let mut trail = Trail { chain: vec![wait.thread], scope: Scope::Own, found };
        follow(evidence, &mut trail, holder, wait.from_ns, wait.to_ns);
    }
}

/// Where a walk is: the threads that wait for each other, and on whose side.
struct Trail<'f> {
    chain: Vec<ThreadIndex>,
    scope: Scope,
    found: &'f mut dyn FnMut(Segment),
}

impl Trail<'_> {
    fn report(&mut self, segment: Segment) {
        if segment.from_ns < segment.to_ns {
            let share = match self.scope {
                Scope::Own => segment.share,
                Scope::Peer { .. } => segment.share.of_peer(),
            };
            (self.found)(Segment { share, ..segment });
        }
    }
}

fn follow(evidence: &Evidence, trail: &mut Trail, thread: ThreadIndex, from_ns: u64, to_ns: u64) {
    let all = &evidence.observed.threads.all[thread];
    let lost = |from_ns, to_ns| Segment { from_ns, to_ns, thread, span: None, share: Share::Other };
    if trail.chain.contains(&thread) || trail.chain.len() == LONGEST_CHAIN {
        return trail.report(lost(from_ns, to_ns));
    }
    trail.chain.push(thread);
    let born_ns = all.life.since_ns.clamp(from_ns, to_ns);
    let gone_ns = all.life.end_ns.clamp(born_ns, to_ns);
    trail.report(lost(gone_ns, to_ns));

    let mut at_ns = gone_ns;
    let segment =
        |span, from: u64, to, share| Segment { from_ns: from.max(born_ns), to_ns: to, thread, span, share };
    for span in (0..all.spans_before(gone_ns)).rev() {
        let OffCpu { off_ns, runnable_ns, on_ns } = all.off_cpu(span);
        trail.report(segment(None, on_ns, at_ns, Share::Cpu));
        at_ns = at_ns.min(on_ns);
        trail.report(segment(Some(span), runnable_ns, at_ns, Share::CpuWait));
        at_ns = at_ns.min(runnable_ns);
        if at_ns > off_ns.max(born_ns) {
            blocked(evidence, trail, segment(Some(span), off_ns, at_ns, Share::Other), span);
        }
        at_ns = at_ns.min(off_ns);
        if at_ns <= born_ns {
            break;
        }
    }
    trail.report(segment(None, born_ns, at_ns, Share::Cpu));
    trail.report(lost(from_ns, born_ns));
    trail.chain.pop();
}

/// A wait is reported, or replaced by what it was for.
fn blocked(evidence: &Evidence, trail: &mut Trail, wait: Segment, span: usize) {
    let Some(verdict) = evidence.verdicts[wait.thread][span] else { return trail.report(wait) };
    let share = match verdict.cause {
        Cause::Network => return network(evidence, trail, wait, span, verdict),
        Cause::Thread { waker } => {
            let woken_ns = evidence.observed.threads.all[wait.thread].off_cpu(verdict.decided_by).runnable_ns;
            match evidence.observed.threads.find(waker, woken_ns) {
                Some(waker) => return follow(evidence, trail, waker, wait.from_ns, wait.to_ns),
                None => Share::Other,
            }
        }
        Cause::Disk => Share::Disk,
        Cause::Timer => Share::Timer,
        Cause::Memory => Share::Memory,
        Cause::Lock { .. } => Share::Lock,
        Cause::OutsideWaker | Cause::Never | Cause::Unknown => Share::Other,
    };
    trail.report(Segment { share, ..wait });
}

fn network(evidence: &Evidence, trail: &mut Trail, wait: Segment, span: usize, verdict: Verdict) {
    let thread = &evidence.observed.threads.all[wait.thread];
    let since_ns = thread.off_cpu(span).off_ns;
    let split = Wait { from_ns: wait.from_ns, to_ns: wait.to_ns, since_ns, payload: verdict.payload };
    for Part { from_ns, to_ns, of } in peers::split(evidence, split, trail.scope) {
        match of {
            PartOf::Network(part) => {
                trail.report(Segment { from_ns, to_ns, share: Share::Network(part), ..wait })
            }
            PartOf::Ours => trail.report(Segment { from_ns, to_ns, share: Share::CpuWait, ..wait }),
            PartOf::Peer { thread: peer, socket } => {
                let ours =
                    std::mem::replace(&mut trail.scope, Scope::Peer { us: thread.life.process, socket });
                follow(evidence, trail, peer, from_ns, to_ns);
                trail.scope = ours;
            }
        }
    }
}
