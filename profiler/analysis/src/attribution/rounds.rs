//! Rounds: a thread's life cut at the waits that may have been for anything, and which of them got anywhere.
//!
//! Progress is found backwards from the payload: a round is fruitful if payload moved in it, or if it woke a
//! target thread into a fruitful round. This is the design's "wakes a target thread on the path" without a
//! path: each round is visited once, and threads that wake each other in a circle prove nothing. In a process that
//! moved no payload at all there is no measure of progress, and every round passes for fruitful.

use std::collections::HashSet;

use crate::attribution::{
    calls,
    cause::Cause,
    observed::{
        Observed,
        threads::{Thread, ThreadIndex},
    },
};
use capture::{
    ProcessSerial,
    span::{TaskKind, Wake},
};

/// Round 0 comes before the first pause, round n + 1 after pause n.
#[derive(Debug)]
pub struct Rounds {
    /// Spans that are pauses, in order.
    pub pauses: Vec<usize>,
    /// When each pause ended.
    ends_ns: Vec<u64>,
}

pub fn cut(thread: &Thread, causes: &[Option<Cause>]) -> Rounds {
    let is_pause = |span: &usize| match causes[*span] {
        Some(Cause::Timer | Cause::Thread { .. }) => true,
        Some(_) => calls::is_multiplexer(thread.spans[*span].doing.syscall),
        None => false,
    };
    let pauses: Vec<usize> = (0..causes.len()).filter(is_pause).collect();
    let ends_ns = pauses.iter().map(|&span| thread.off_cpu(span).on_ns).collect();
    Rounds { pauses, ends_ns }
}

/// Per thread and round: did it make progress?
pub fn fruitful(observed: &Observed, rounds: &[Rounds]) -> Vec<Vec<bool>> {
    let moved = observed.traffic.by_thread.iter().zip(&observed.threads.all);
    let moved: HashSet<ProcessSerial> =
        moved.filter(|(payloads, _)| !payloads.is_empty()).map(|(_, thread)| thread.life.process).collect();
    let mut found: Vec<Vec<bool>> = rounds
        .iter()
        .zip(&observed.threads.all)
        .map(|(rounds, thread)| vec![!moved.contains(&thread.life.process); rounds.pauses.len() + 1])
        .collect();
    let mut open = Vec::new();
    for (thread, payloads) in observed.traffic.by_thread.iter().enumerate() {
        open.extend(payloads.iter().map(|payload| (thread, rounds[thread].at(payload.since_ns))));
    }
    while let Some((thread, round)) = open.pop() {
        if !std::mem::replace(&mut found[thread][round], true) {
            open.extend(wakers(observed, rounds, thread, round));
        }
    }
    found
}

impl Rounds {
    /// The first pause that begins after a span.
    pub fn pause_after(&self, span: usize) -> Option<usize> {
        self.pauses.get(self.pauses.partition_point(|&pause| pause <= span)).copied()
    }

    /// The round that a running thread is in.
    fn at(&self, at_ns: u64) -> usize {
        self.ends_ns.partition_point(|&end_ns| end_ns <= at_ns)
    }
}

/// The rounds of other threads that woke this thread into this round, or within it.
fn wakers(
    observed: &Observed,
    rounds: &[Rounds],
    thread: ThreadIndex,
    round: usize,
) -> impl Iterator<Item = (ThreadIndex, usize)> {
    let pauses = &rounds[thread].pauses;
    let spans = &observed.threads.all[thread].spans;
    let first = round.checked_sub(1).map_or(0, |pause| pauses[pause]);
    let past = pauses.get(round).copied().unwrap_or(spans.len());
    spans[first..past].iter().filter_map(|span| {
        let Wake::Task { tid, kind: TaskKind::Target, .. } = span.wake else { return None };
        let woken_ns = span.woken_ns?;
        let waker = observed.threads.find(tid, woken_ns)?;
        Some((waker, rounds[waker].at(woken_ns)))
    })
}
