//! Since when a timer that ended a wait was running: its time on the way is all of that, with the rounds between.

use super::{Goal, connection, round};
use crate::attribution::{Evidence, calls, cause::Cause, deadlines, observed::threads::ThreadIndex};
use capture::traffic::Direction;

/// When the timer that ended a wait was armed, as far as the goal has waited for it since, and by which thread.
pub fn armed(
    evidence: &Evidence,
    thread: ThreadIndex,
    wait: usize,
    goal: Goal,
    walk_from_ns: u64,
) -> (u64, ThreadIndex) {
    let span = evidence.observed.threads.all[thread].spans.at(wait);
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
    let span = all.spans.at(wait);
    let off_ns = all.off_cpu(wait).off_ns;
    let listens = calls::is_multiplexer(span.doing.syscall);
    match goal {
        // Bytes that lay there waited for the timer from their arrival on, however many rounds let them lie.
        Goal::Receive(receive) => {
            let arrived_ns = round::arrived_since(evidence, &receive, walk_from_ns);
            first_wait_from(evidence, thread, wait, arrived_ns.unwrap_or(walk_from_ns).min(off_ns))
        }
        Goal::Send(_) | Goal::Wake(_) if listens => {
            deadlines::waited_since_ns(all, &evidence.waits[thread], wait)
                .or_else(|| since_progress_ns(evidence, thread, wait, goal))
                .unwrap_or(off_ns)
        }
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
    let between = waits
        .asked_from(all.spans_before(sent_ns))
        .take_while(|&other| all.spans.at(other).off_ns < moved_ns);
    let mut timers = between.filter(|&other| evidence.cause(thread, other) == Some(Cause::Timer));
    Some(if timers.next().is_some() { moved_ns } else { sent_ns })
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
