//! What makes a thread send on a connection: messages on it, timers, or other threads.
//!
//! A round may have had several reasons: a timer was due as a message came. What such a round was for is told by those
//! that had one reason only: a peer that paces itself sends as its timer fires, and not as messages come; one that answers
//! does the contrary, whatever else its loop does at a tick.

use std::collections::BTreeMap;

use foldhash::HashMap;
use rayon::prelude::*;

use crate::attribution::{
    calls,
    cause::{self, Cause},
    deadlines,
    futex::FutexWaits,
    observed::{Observed, payload::Movement, threads::ThreadIndex},
    waits::Waits,
};
use capture::{span::Span, traffic::Direction};

/// Bytes that a thread sent on a connection, by why the round began in which it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The network ended the wait, and the round received on this connection.
    pub for_messages: u64,
    /// A timer or another thread did, and the round received nothing here.
    pub for_timers: u64,
    pub for_threads: u64,
    /// Another thread did, as a deadline came that several waits had counted down to.
    pub for_deadlines: u64,
}

impl Sent {
    /// Whether a wait of this cause, rather than a message that came too, was what the round needed.
    pub fn outweighs_messages(&self, cause: Cause) -> bool {
        match cause {
            Cause::Timer => self.for_timers > self.for_messages,
            Cause::Thread { .. } => self.for_threads > self.for_messages,
            _ => false,
        }
    }

    /// Whether deadlines, rather than the threads that woke this one as they came, were what rounds needed.
    pub fn follows_deadlines(&self) -> bool {
        u64::saturating_add(self.for_timers, self.for_deadlines) / FAR_MORE > self.for_threads
    }
}

#[derive(Debug, Default)]
pub struct Triggers {
    sent: HashMap<(ThreadIndex, u64), Sent>,
    /// The part of `for_threads` by the id of the thread that ended the wait.
    for_wakers: HashMap<(ThreadIndex, u64), BTreeMap<u32, u64>>,
}

/// How much more a thread's wake-ups have to bring about than another's, to be taken for the reason of a round that the
/// other one began.
const FAR_MORE: u64 = 2;

impl Triggers {
    pub fn of(&self, thread: ThreadIndex, cookie: u64) -> Sent {
        self.sent.get(&(thread, cookie)).copied().unwrap_or_default()
    }

    /// The thread whose wake-ups make this one send, where those of `waker` do not.
    pub fn instead_of(&self, waker: u32, thread: ThreadIndex, cookie: u64) -> Option<u32> {
        let wakers = self.for_wakers.get(&(thread, cookie))?;
        let (&most, &bytes) = wakers.iter().max_by_key(|(_, bytes)| **bytes)?;
        let its_bytes = wakers.get(&waker).copied().unwrap_or(0);
        (most != waker && bytes / FAR_MORE > its_bytes).then_some(most)
    }
}

/// Of all threads and connections; a logarithm above linear time.
pub fn count(observed: &Observed, waits: &[Waits], futexes: &FutexWaits) -> Triggers {
    let counted =
        waits.par_iter().enumerate().map(|(thread, waits)| count_thread(observed, thread, waits, futexes));
    // Of different threads: no two have a key in common.
    counted.reduce(Triggers::default, |mut one, other| {
        one.sent.extend(other.sent);
        one.for_wakers.extend(other.for_wakers);
        one
    })
}

fn count_thread(observed: &Observed, thread: ThreadIndex, waits: &Waits, futexes: &FutexWaits) -> Triggers {
    let mut triggers = Triggers::default();
    let all = &observed.threads.all[thread];
    let mut moved = observed.traffic.of_thread(thread).peekable();
    let counted_down =
        |wait, until_ns| deadlines::counted_down(observed, thread, waits, wait, until_ns).is_some();
    let mut round = Round::default();
    let mut why = None;
    let asked = all.spans.iter().enumerate().filter(|(wait, _)| waits.is_asked(*wait));
    for (wait, span) in asked {
        while let Some(movement) = moved.next_if(|movement| movement.since_ns <= span.off_ns) {
            round.add(&movement);
        }
        triggers.add_round(thread, why, &mut round, counted_down);
        why = reason(&span, futexes).map(|cause| (cause, wait));
    }
    moved.for_each(|movement| round.add(&movement));
    triggers.add_round(thread, why, &mut round, counted_down);
    triggers
}

/// What a thread moved between two waits, by connection.
#[derive(Default)]
struct Round(BTreeMap<u64, Moved>);

#[derive(Default)]
struct Moved {
    received: bool,
    sent_bytes: u64,
    sent_ns: u64,
}

impl Round {
    fn add(&mut self, movement: &Movement) {
        let moved = self.0.entry(movement.cookie).or_default();
        match movement.direction {
            Direction::Received => moved.received = true,
            Direction::Sent => {
                moved.sent_bytes = moved.sent_bytes.saturating_add(movement.bytes);
                moved.sent_ns = movement.at_ns;
            }
        }
    }
}

/// None where it waited for one certain thing.
fn reason(span: &Span, futexes: &FutexWaits) -> Option<Cause> {
    cause::of(span, futexes).filter(|_| calls::is_multiplexer(span.doing.syscall))
}

impl Triggers {
    /// `why` is what ended the wait before it, and `counted_down` whether a deadline came before a moment in it.
    fn add_round(
        &mut self,
        thread: ThreadIndex,
        why: Option<(Cause, usize)>,
        round: &mut Round,
        counted_down: impl Fn(usize, u64) -> bool,
    ) {
        while let Some((cookie, Moved { received, sent_bytes, sent_ns })) = round.0.pop_first() {
            let sent = self.sent.entry((thread, cookie)).or_default();
            let add = |bytes: &mut u64| *bytes = bytes.saturating_add(sent_bytes);
            match (why, received) {
                (Some((Cause::Network, _)), true) => add(&mut sent.for_messages),
                (Some((Cause::Timer, _)), false) => add(&mut sent.for_timers),
                (Some((Cause::Thread { .. }, wait)), false)
                    if sent_bytes > 0 && counted_down(wait, sent_ns) =>
                {
                    add(&mut sent.for_deadlines);
                }
                (Some((Cause::Thread { waker }, _)), false) => {
                    add(&mut sent.for_threads);
                    let wakers = self.for_wakers.entry((thread, cookie)).or_default();
                    add(wakers.entry(waker).or_default());
                }
                _ => {}
            }
        }
    }
}
