//! Since when a timer that ended a wait was running: its time on the way is all of that, with the rounds between.

use super::{Goal, connection, round};
use crate::attribution::{
    Evidence, calls,
    cause::Cause,
    observed::{threads::ThreadIndex, timers::SAME_DEADLINE_NS},
};
use capture::{span::Span, traffic::Direction};

/// Whether a wait ended at most so long before its own deadline that this ended it as well as what came.
pub fn was_due(span: &Span) -> bool {
    let (Some(deadline_ns), Some(woken_ns)) = (span.deadline_ns, span.woken_ns) else { return false };
    (woken_ns..woken_ns.saturating_add(SAME_DEADLINE_NS)).contains(&deadline_ns)
}

/// When the timer that ended a wait was armed, as far as the goal has waited for it since, and by which thread.
pub fn armed(
    evidence: &Evidence,
    thread: ThreadIndex,
    wait: usize,
    goal: Goal,
    walk_from_ns: u64,
) -> (u64, ThreadIndex) {
    let span = &evidence.observed.threads.all[thread].spans[wait];
    let set = || evidence.observed.timers.set(span.timer?, span.woken_ns?);
    match goal {
        Goal::Send(_) | Goal::Wake(_) if calls::is_multiplexer(span.doing.syscall) => {
            set().map(|set| (set.at_ns, set.thread))
        }
        Goal::Receive(_) | Goal::Send(_) | Goal::Wake(_) => None,
    }
    .unwrap_or_else(|| (armed_here_ns(evidence, thread, wait, goal, walk_from_ns), thread))
}

fn armed_here_ns(
    evidence: &Evidence,
    thread: ThreadIndex,
    wait: usize,
    goal: Goal,
    walk_from_ns: u64,
) -> u64 {
    let all = &evidence.observed.threads.all[thread];
    let span = &all.spans[wait];
    let off_ns = all.off_cpu(wait).off_ns;
    let listens = calls::is_multiplexer(span.doing.syscall);
    match goal {
        // Bytes that lay there waited for the timer from their arrival on, however many rounds let them lie.
        Goal::Receive(receive) => {
            let arrived_ns = round::arrived_since(evidence, &receive, walk_from_ns);
            first_wait_from(evidence, thread, wait, arrived_ns.unwrap_or(walk_from_ns).min(off_ns))
        }
        Goal::Send(_) | Goal::Wake(_) if listens => first_with_deadline_ns(evidence, thread, wait)
            .or_else(|| since_progress_ns(evidence, thread, wait, goal))
            .unwrap_or(off_ns),
        Goal::Send(_) | Goal::Wake(_) => off_ns,
    }
}

/// Where nothing tells when a timer was set: the first wait after what this thread last sent on the connection. A message
/// that came since was needed only if the timer had fired in vain before it.
pub fn since_progress_ns(evidence: &Evidence, thread: ThreadIndex, wait: usize, goal: Goal) -> Option<u64> {
    let Goal::Send(_) = goal else { return None };
    let sent_ns = since_last(evidence, thread, wait, goal, Some(Direction::Sent))?;
    let moved_ns = since_last(evidence, thread, wait, goal, None)?;
    let all = &evidence.observed.threads.all[thread];
    let waits = &evidence.waits[thread];
    let between =
        waits.asked_from(all.spans_before(sent_ns)).take_while(|&other| all.spans[other].off_ns < moved_ns);
    let mut timers = between.filter(|&other| waits.causes[other] == Some(Cause::Timer));
    Some(if timers.next().is_some() { moved_ns } else { sent_ns })
}

/// The first of the waits with this one's deadline, where its time-out is known.
fn first_with_deadline_ns(evidence: &Evidence, thread: ThreadIndex, wait: usize) -> Option<u64> {
    let all = &evidence.observed.threads.all[thread];
    let deadline_ns = all.spans[wait].deadline_ns?;
    let same = |other: &usize| {
        all.spans[*other].deadline_ns.is_some_and(|other| other.abs_diff(deadline_ns) <= SAME_DEADLINE_NS)
    };
    let waits = &evidence.waits[thread];
    let earlier = std::iter::successors(Some(wait), |&wait| waits.asked_before(wait)).take_while(same);
    earlier.last().map(|first| all.off_cpu(first).off_ns)
}

fn since_last(
    evidence: &Evidence,
    thread: ThreadIndex,
    wait: usize,
    goal: Goal,
    direction: Option<Direction>,
) -> Option<u64> {
    let off_ns = evidence.observed.threads.all[thread].off_cpu(wait).off_ns;
    let last = evidence.observed.traffic.last_on_socket(thread, connection(goal)?, direction, off_ns);
    Some(first_wait_from(evidence, thread, wait, last.map_or(0, |movement| movement.at_ns)))
}

/// When the first wait that began at or after a moment did, of those up to `wait`.
fn first_wait_from(evidence: &Evidence, thread: ThreadIndex, wait: usize, from_ns: u64) -> u64 {
    let all = &evidence.observed.threads.all[thread];
    let first = evidence.waits[thread].asked_from(all.spans_before(from_ns)).next();
    all.off_cpu(first.unwrap_or(wait).min(wait)).off_ns
}
