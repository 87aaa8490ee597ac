//! When timers that are not the time-out of a call were set.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use crate::{
    attribution::observed::threads::{ThreadIndex, Threads},
    rows::{Codec, Row, Rows},
};
use capture::TimerSet;

/// How far apart the deadlines of one timer may be told: programs count in ms, and wait for what is left of them.
pub const SAME_DEADLINE_NS: u64 = 1_200_000;

/// How often one may have been set since it was due, in the time of one round.
const READ_SINCE: usize = 8;

#[derive(Debug, Default)]
pub struct Timers {
    /// By id, in order of time.
    set: HashMap<u64, Rows<Set>>,
    /// The ids that each thread has set.
    of_threads: HashMap<ThreadIndex, BTreeSet<u64>>,
}

/// A thread set a timer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Set {
    pub at_ns: u64,
    pub deadline_ns: u64,
    pub thread: ThreadIndex,
}

/// Those of threads that are known.
pub fn index(threads: &Threads, records: Rows<TimerSet>) -> Timers {
    let mut timers = Timers::default();
    for TimerSet { at_ns, tid, timer, deadline_ns, .. } in records.into_order() {
        if let Some(thread) = threads.find(tid, at_ns) {
            timers.set.entry(timer).or_default().push(Set { at_ns, deadline_ns, thread });
            timers.of_threads.entry(thread).or_default().insert(timer);
        }
    }
    timers
}

impl Row for Set {
    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn code(&mut self, before: &Self, codec: &mut impl Codec) {
        let Self { at_ns, deadline_ns, thread } = self;
        codec.step(at_ns, before.at_ns);
        codec.step(deadline_ns, before.deadline_ns);
        codec.like(thread, before.thread);
    }
}

impl Timers {
    /// When a timer that fired was first set to this deadline.
    pub fn set(&self, timer: u64, fired_ns: u64) -> Option<Set> {
        let sets = self.set.get(&timer)?;
        let mut before = sets.range(0..sets.partition_point(|set| set.at_ns < fired_ns)).rev();
        let last =
            before.next().filter(|set| set.deadline_ns <= fired_ns.saturating_add(SAME_DEADLINE_NS))?;
        let same = |set: &Set| set.deadline_ns.abs_diff(last.deadline_ns) <= SAME_DEADLINE_NS;
        before.take_while(same).last().or(Some(last))
    }

    /// Of the timers that a thread has set, the last one that was due within a time, and not put off before it was.
    pub fn due(&self, thread: ThreadIndex, within_ns: Range<u64>) -> Option<Set> {
        let due = |timer: &u64| {
            let sets = self.set.get(timer)?;
            let before = sets.range(0..sets.partition_point(|set| set.at_ns < within_ns.end)).rev();
            // One that repeats is set anew as it is read.
            let past = before.take(READ_SINCE).find(|set| set.deadline_ns < within_ns.end)?;
            let due_ns = past.deadline_ns;
            within_ns
                .contains(&due_ns)
                .then(|| self.set(*timer, due_ns))
                .flatten()
                .filter(|set| set.thread == thread)
        };
        self.of_threads.get(&thread)?.iter().filter_map(due).max_by_key(|set| set.deadline_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribution::observed::threads::{self, Life};
    use capture::{ProcessSerial, TimerKind};

    const MS: u64 = 1_000_000;

    /// A timer that is set at these times to these deadlines; when it was armed, if it fired at 100 ms.
    #[track_caller]
    fn check(set: &[(u64, u64)], expected: Option<u64>) {
        let (process, tid) = (ProcessSerial(1), 1);
        let life = Life { process, tid, creator: None, since_ns: 0, end_ns: 1000 * MS };
        let kind = TimerKind::Timerfd;
        let records = set
            .iter()
            .map(|&(at_ns, deadline_ns)| TimerSet { at_ns, process, tid, timer: 7, deadline_ns, kind })
            .collect();
        let timers = index(&threads::order(&[life], Rows::default()), records);
        assert_eq!(timers.set(7, 100 * MS).map(|set| set.at_ns), expected, "{set:?}");
        assert_eq!(timers.set(8, 100 * MS), None);
    }

    #[test]
    fn a_timer_is_armed_as_it_is_first_set_to_its_deadline() {
        check(&[(20 * MS, 100 * MS)], Some(20 * MS));
        // What is left of it, in ms.
        check(&[(20 * MS, 100 * MS), (50 * MS, 101 * MS)], Some(20 * MS));
        check(&[(50 * MS, 99 * MS), (20 * MS, 100 * MS)], Some(20 * MS));
        // Another deadline is another timer.
        check(&[(20 * MS, 60 * MS), (60 * MS, 100 * MS)], Some(60 * MS));
        // It is set again as it has fired.
        check(&[(20 * MS, 100 * MS), (100 * MS, 180 * MS)], Some(20 * MS));
        // Put off: it cannot have fired.
        check(&[(20 * MS, 100 * MS), (50 * MS, 180 * MS)], None);
        check(&[], None);
    }

    #[test]
    fn a_timer_is_due_within_a_time_unless_it_is_put_off() {
        let (process, tid) = (ProcessSerial(1), 1);
        let life = Life { process, tid, creator: None, since_ns: 0, end_ns: 1000 * MS };
        let check = |set: &[(u64, u64, u64)], expected: Option<u64>| {
            let record = |&(timer, at_ms, due_ms)| {
                let (at_ns, deadline_ns, kind) = (at_ms * MS, due_ms * MS, TimerKind::Timerfd);
                TimerSet { at_ns, process, tid, timer, deadline_ns, kind }
            };
            let records = set.iter().map(record).collect();
            let timers = index(&threads::order(&[life], Rows::default()), records);
            let due = timers.due(0, 50 * MS..60 * MS);
            assert_eq!(due.map(|set| set.at_ns / MS), expected, "{set:?}");
        };
        check(&[(7, 40, 55)], Some(40));
        check(&[(7, 40, 49)], None);
        check(&[(7, 40, 60)], None);
        // Set anew as it has fired.
        check(&[(7, 40, 55), (7, 56, 66)], Some(40));
        // And before that.
        check(&[(7, 40, 55), (7, 50, 66)], None);
        check(&[(7, 40, 55), (8, 45, 58)], Some(45));
        check(&[], None);
    }
}
