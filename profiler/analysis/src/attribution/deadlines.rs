//! Deadlines: whether one came as a wait ended, or while the thread was awake after it; and since when the thread had waited for
//! it.

use crate::attribution::{
    observed::{
        Observed,
        threads::{Thread, ThreadIndex},
        timers::{SAME_DEADLINE_NS, Set},
    },
    waits::Waits,
};
use capture::span::Span;

/// A deadline that came, though something else ended the wait.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    pub deadline_ns: u64,
    /// The thread's own timer; None: the time-out of the wait itself.
    pub set: Option<Set>,
}

/// What was due at most so long before or after a wait's end that it ended the wait as well as what came (a timer's interrupt may
/// be late), or before the thread did something at `until_ns`: a thread that is awake is not woken, and sees that the time is over.
pub fn due(observed: &Observed, thread: ThreadIndex, span: &Span, until_ns: u64) -> Option<Due> {
    time_out(span, until_ns).or_else(|| {
        let within_ns = span.woken_ns?.saturating_sub(SAME_DEADLINE_NS)..until_ns;
        let set = observed.timers.due(thread, within_ns).filter(|set| set.at_ns <= span.off_ns)?;
        Some(Due { deadline_ns: set.deadline_ns, set: Some(set) })
    })
}

fn time_out(span: &Span, until_ns: u64) -> Option<Due> {
    let (woken_ns, deadline_ns) = (span.woken_ns?, span.deadline_ns?);
    let until_ns = until_ns.max(woken_ns.saturating_add(SAME_DEADLINE_NS));
    let within_ns = woken_ns.saturating_sub(SAME_DEADLINE_NS)..until_ns;
    within_ns.contains(&deadline_ns).then_some(Due { deadline_ns, set: None })
}

/// The same of a deadline that several waits had counted down to: one that begins anew with each wait is a tick, and due by
/// chance. Calls count in whole ms: the thread may see that the time is over before the call does.
pub fn counted_down(
    observed: &Observed,
    thread: ThreadIndex,
    waits: &Waits,
    wait: usize,
    until_ns: u64,
) -> Option<Due> {
    let all = &observed.threads.all[thread];
    let span = all.spans.at(wait);
    let due = time_out(&span, until_ns.saturating_add(SAME_DEADLINE_NS))
        .or_else(|| due(observed, thread, &span, until_ns))?;
    let since_ns = match due.set {
        Some(set) => set.at_ns,
        None => waited_since_ns(all, waits, wait)?,
    };
    // A deadline that begins anew moves as the waits do.
    (since_ns.saturating_add(2 * SAME_DEADLINE_NS) <= span.off_ns).then_some(due)
}

/// When the first of the waits with this one's deadline began, where its time-out is known.
pub fn waited_since_ns(thread: &Thread, waits: &Waits, wait: usize) -> Option<u64> {
    let deadline_of = |wait| thread.spans.look_at(wait, |span| span.deadline_ns);
    let deadline_ns = deadline_of(wait)?;
    let same = |other: &usize| {
        deadline_of(*other).is_some_and(|other| other.abs_diff(deadline_ns) <= SAME_DEADLINE_NS)
    };
    let earlier = std::iter::successors(Some(wait), |&wait| waits.asked_before(wait)).take_while(same);
    earlier.last().map(|first| thread.off_cpu(first).off_ns)
}
