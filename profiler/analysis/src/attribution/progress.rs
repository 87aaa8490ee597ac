//! The rule of progress: what an event loop waited for is told by what it did next.
//!
//! A thread's *pauses* are the waits that may have been for anything: multiplexing calls, timers, and waits
//! for another thread. They cut its life into *rounds*, one pass of an event loop each. Waits that ask for
//! one certain thing (disk, lock, memory, a blocking receive) lie inside a round and keep their own cause: a
//! loop that fsyncs before it waits for the network did wait for the disk.
//!
//! A round makes progress if it moves payload, or wakes a target thread into a round that makes progress. A
//! pause before a round without progress takes the verdict of the pause after it: at once for multiplexers
//! and timers; otherwise only where the thread repeats the same wait on the same object, a spurious wake-up.
//! A wait for another thread that keeps its cause, but leads nowhere either, is looked behind: a loop that is asked
//! by a thread how far it is, and hands it the answer, waited for neither.
//!
//! A timer that is followed by a receive is `Timer` where those bytes had arrived before it fired, else
//! `Network`. This is decided for each pause by itself: of twenty 5 ms sleeps that end in one receive, only
//! those during or after its arrival are the timer's. So with a multiplexer that another thread interrupts.

use crate::attribution::{
    calls,
    cause::{self, Cause},
    futex::FutexWaits,
    observed::{
        Observed,
        threads::{Thread, ThreadIndex},
    },
    rounds::{self, Rounds},
};
use capture::{
    span::Span,
    traffic::{Direction, Payload},
};

/// What a wait was for, once what followed it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict<'t> {
    pub cause: Cause,
    /// The span of the same thread whose wake-up the cause is: the wait itself, or a later one.
    pub decided_by: usize,
    /// The payload that ended the wait, where its round moved any.
    pub payload: Option<&'t Payload>,
}

/// The verdicts of each thread, one per span; None where the thread did not block.
pub type Verdicts<'t> = Vec<Vec<Option<Verdict<'t>>>>;

/// Judges every wait of the capture, in linear time.
pub fn judge<'t>(observed: &'t Observed, futexes: &FutexWaits) -> Verdicts<'t> {
    let threads = &observed.threads.all;
    let causes_of = |thread: &Thread| thread.spans.iter().map(|span| cause::of(span, futexes)).collect();
    let causes: Vec<Vec<Option<Cause>>> = threads.iter().map(causes_of).collect();
    let rounds: Vec<Rounds> =
        threads.iter().zip(&causes).map(|(thread, causes)| rounds::cut(thread, causes)).collect();
    let fruitful = rounds::fruitful(observed, &rounds);
    (0..threads.len())
        .map(|thread| judge_thread(observed, thread, &causes[thread], &rounds[thread], &fruitful[thread]))
        .collect()
}

fn judge_thread<'t>(
    observed: &'t Observed,
    thread: ThreadIndex,
    causes: &[Option<Cause>],
    rounds: &Rounds,
    fruitful: &[bool],
) -> Vec<Option<Verdict<'t>>> {
    let own = |(span, cause): (usize, &Option<Cause>)| {
        let payload = ended_by(observed, thread, rounds, span);
        cause.map(|cause| Verdict { cause, decided_by: span, payload })
    };
    let mut verdicts: Vec<Option<Verdict>> = causes.iter().enumerate().map(own).collect();
    let all = &observed.threads.all[thread];
    // The pause after, and the verdict that it or one behind it has for pauses that stand for it.
    let mut after: Option<(usize, Verdict)> = None;
    for (round, &pause) in rounds.pauses.iter().enumerate().rev() {
        let Some(mut own) = verdicts[pause] else { continue };
        let next_pause_ns = rounds.pause_after(pause).map_or(u64::MAX, |pause| all.spans[pause].off_ns);
        own.payload = own.payload.map(|first| first_to_arrive(observed, thread, first, next_pause_ns));
        // The round that follows a pause has its number plus one.
        let behind = after.filter(|_| !fruitful[round + 1]);
        let verdict = match behind {
            Some((next, verdict)) if takes_over(own.cause, &all.spans[pause], &all.spans[next]) => verdict,
            _ => own,
        };
        let verdict = late_loop_or_network(observed, own.cause, all, pause, verdict);
        verdicts[pause] = Some(verdict);
        let leads_nowhere = matches!(verdict.cause, Cause::Thread { .. }) && verdict.decided_by == pause;
        after = Some(match behind {
            Some((_, behind)) if leads_nowhere => (pause, behind),
            _ => (pause, verdict),
        });
    }
    verdicts
}

/// The first payload that the thread moved after an off-CPU interval, before it paused again.
fn ended_by<'t>(
    observed: &'t Observed,
    thread: ThreadIndex,
    rounds: &Rounds,
    span: usize,
) -> Option<&'t Payload> {
    let spans = &observed.threads.all[thread].spans;
    let payload = observed.traffic.payloads_from(thread, spans[span].on_ns?).first()?;
    let next_pause_ns = rounds.pause_after(span).map_or(u64::MAX, |pause| spans[pause].off_ns);
    (payload.since_ns <= next_pause_ns).then_some(payload)
}

/// Of the receives of a round that begins with one: the one whose bytes came first. A loop may read its
/// sockets in any order, but the first arrival woke it.
fn first_to_arrive<'t>(
    observed: &'t Observed,
    thread: ThreadIndex,
    first: &'t Payload,
    until_ns: u64,
) -> &'t Payload {
    if first.direction == Direction::Sent {
        return first;
    }
    let payloads = observed.traffic.payloads_from(thread, first.since_ns);
    let receives = payloads.iter().take_while(|payload| payload.since_ns <= until_ns);
    let receives = receives.filter(|payload| payload.direction == Direction::Received);
    let arrived_ns = |payload: &&Payload| observed.traffic.arrived_ns(payload).unwrap_or(u64::MAX);
    receives.min_by_key(arrived_ns).unwrap_or(first)
}

/// Whether a pause without progress stands for the pause after it.
fn takes_over(cause: Cause, pause: &Span, next: &Span) -> bool {
    // Two faults, or two waits for a child, are not the same wait: their objects are not known.
    let known = pause.doing.fd.is_some() || pause.doing.futex.is_some();
    let repeats = pause.doing == next.doing && known;
    calls::is_multiplexer(pause.doing.syscall) || cause == Cause::Timer || repeats
}

/// A timer or another thread, and then a receive: was the loop late, or were the bytes?
fn late_loop_or_network<'t>(
    observed: &Observed,
    own: Cause,
    thread: &Thread,
    pause: usize,
    verdict: Verdict<'t>,
) -> Verdict<'t> {
    let Some(receive) = verdict.payload.filter(|payload| payload.direction == Direction::Received) else {
        return verdict;
    };
    let woken_ns = thread.off_cpu(pause).runnable_ns;
    let listened = calls::is_multiplexer(thread.spans[pause].doing.syscall);
    // Where arrivals were not recorded, the wake-up is believed.
    let had_arrived = observed.traffic.arrived_ns(receive).is_none_or(|arrived_ns| arrived_ns <= woken_ns);
    let cause = match (own, verdict.cause) {
        (Cause::Timer, Cause::Network) if had_arrived => Cause::Timer,
        (_, Cause::Timer) if !had_arrived => Cause::Network,
        // Only a multiplexer waited for the bytes too.
        (_, Cause::Thread { .. }) if !had_arrived && listened => Cause::Network,
        (_, cause) => cause,
    };
    Verdict { cause, ..verdict }
}
