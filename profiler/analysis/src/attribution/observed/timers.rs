//! When timers that are not the time-out of a call were set.

use std::collections::HashMap;

use crate::attribution::observed::threads::{ThreadIndex, Threads};
use capture::TimerSet;

/// How far apart the deadlines of one timer may be told: programs count in ms, and wait for what is left of them.
pub const SAME_DEADLINE_NS: u64 = 1_200_000;

#[derive(Debug, Default)]
pub struct Timers {
    /// By id, in order of time.
    set: HashMap<u64, Vec<Set>>,
}

/// A thread set a timer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Set {
    pub at_ns: u64,
    pub deadline_ns: u64,
    pub thread: ThreadIndex,
}

/// Those of threads that are known.
pub fn index(threads: &Threads, records: &[TimerSet]) -> Timers {
    let mut timers = Timers::default();
    for record in records {
        let TimerSet { at_ns, tid, timer, deadline_ns, .. } = *record;
        if let Some(thread) = threads.find(tid, at_ns) {
            timers.set.entry(timer).or_default().push(Set { at_ns, deadline_ns, thread });
        }
    }
    timers.set.values_mut().for_each(|sets| sets.sort_by_key(|set| set.at_ns));
    timers
}

impl Timers {
    /// When a timer that fired was first set to this deadline.
    pub fn set(&self, timer: u64, fired_ns: u64) -> Option<Set> {
        let sets = self.set.get(&timer)?;
        let before = &sets[..sets.partition_point(|set| set.at_ns < fired_ns)];
        let last =
            before.last().filter(|set| set.deadline_ns <= fired_ns.saturating_add(SAME_DEADLINE_NS))?;
        let same = |set: &&Set| set.deadline_ns.abs_diff(last.deadline_ns) <= SAME_DEADLINE_NS;
        before.iter().rev().take_while(same).last().copied()
    }
}
