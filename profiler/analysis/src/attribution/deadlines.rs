//! Deadlines of calls that sleep until one: whether a wait ended at its own, and since when the thread had waited for it.

use crate::attribution::{
    observed::{threads::Thread, timers::SAME_DEADLINE_NS},
    waits::Waits,
};
use capture::span::Span;

/// Whether a wait ended at most so long before its own deadline that this ended it as well as what came.
pub fn was_due(span: &Span) -> bool {
    let (Some(deadline_ns), Some(woken_ns)) = (span.deadline_ns, span.woken_ns) else { return false };
    (woken_ns..woken_ns.saturating_add(SAME_DEADLINE_NS)).contains(&deadline_ns)
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

/// Whether a wait ended at a deadline that several waits had counted down to: one that begins anew with each wait is a tick,
/// and due by chance.
pub fn was_counted_down(thread: &Thread, waits: &Waits, wait: usize) -> bool {
    let span = thread.spans.at(wait);
    // A deadline that begins anew moves as the waits do.
    let is_older = |since_ns: u64| since_ns.saturating_add(2 * SAME_DEADLINE_NS) <= span.off_ns;
    was_due(&span) && waited_since_ns(thread, waits, wait).is_some_and(is_older)
}
