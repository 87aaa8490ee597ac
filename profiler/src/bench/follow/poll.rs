//! Asks one node for its progress: often where a milestone is near, seldom where it is far.
//!
//! Only asks and stamps. What the answers mean is found out elsewhere.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::milestones::{self};
use crate::bench::dataset::Sample;
use crate::bench::drivers::Control;
use crate::clock::now_ns;

/// The time between two questions to one node, at least: the resolution of the application's milestones, if it
/// answers in time.
const INTERVAL: Duration = Duration::from_millis(20);
/// The time between two questions to whichever node, at least. A question costs its node and this process a
/// millisecond of CPU: asking 31 nodes each at `INTERVAL` took 5 % of two CPUs.
const INTERVAL_OF_ALL: Duration = Duration::from_millis(10);

/// The longest that a node is left alone, if its interval is no longer: what a transfer that becomes faster all at once
/// costs in resolution, and how old the progress is that is shown.
const LONGEST: Duration = Duration::from_millis(200);

/// When one of several nodes is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    interval: Duration,
    /// Of the second question; the first comes with the request. The nodes take turns.
    shift: Duration,
}

impl Rhythm {
    /// That of the node with this `number`, from 0, of `nodes`.
    pub fn of(number: u32, nodes: u32) -> Self {
        let interval = INTERVAL.max(INTERVAL_OF_ALL * nodes);
        Self { interval, shift: interval * number / nodes.max(1) }
    }

    /// The time on the schedule so many `intervals` after the last one that is over: a late answer does not shift the
    /// schedule, and what was missed is not made up for in a burst.
    fn next_due(&self, due: Instant, now: Instant, intervals: u32) -> Instant {
        let missed = now.saturating_duration_since(due).as_nanos() / self.interval.as_nanos();
        due + self.interval * (missed as u32 + intervals)
    }

    /// How many intervals the next milestone lets the node alone: a quarter of those that are left at the pace since
    /// `first`, or since `previous` if that was faster, because transfers come in bursts. Before the first byte, which may
    /// come at any time, one.
    fn intervals(&self, first: &Sample, previous: &Sample, sample: &Sample, file_size_bytes: u64) -> u32 {
        let lacking = milestones::lacking(sample.bytes, file_size_bytes) as f64;
        let pace = |since: &Sample| {
            let ns = sample.requested_ns.saturating_sub(since.requested_ns).max(1);
            sample.bytes.saturating_sub(since.bytes) as f64 / ns as f64
        };
        let pace = pace(first).max(pace(previous));
        if first.bytes == 0 || pace == 0.0 {
            return 1;
        }
        let left = lacking / pace / self.interval.as_nanos() as f64;
        let most = (LONGEST.as_nanos() / self.interval.as_nanos()).max(1);
        // What is too large for an integer becomes the largest one.
        ((left / 4.0) as u128).clamp(1, most) as u32
    }
}

/// Polls a download until the whole file is there, and returns how often it asked.
pub fn poll(
    control: &mut dyn Control,
    file_size_bytes: u64,
    rhythm: Rhythm,
    mut tell: impl FnMut(Sample) -> Result<()>,
) -> Result<u64> {
    let mut polls = 0;
    let started = Instant::now();
    let mut due = started;
    // The first answer that had bytes, and the last one.
    let (mut first, mut previous) = (Sample::default(), Sample::default());
    loop {
        let requested_ns = now_ns();
        let bytes = control.bytes_there()?;
        let answered_ns = now_ns();
        polls += 1;
        let sample = Sample { requested_ns, answered_ns, bytes };
        tell(sample)?;
        if bytes >= file_size_bytes {
            return Ok(polls);
        }
        let intervals = rhythm.intervals(&first, &previous, &sample, file_size_bytes);
        due = match polls {
            1 if !rhythm.shift.is_zero() => started + rhythm.shift,
            _ => rhythm.next_due(due, Instant::now(), intervals),
        };
        if first.bytes == 0 {
            first = sample;
        }
        previous = sample;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(now_ms: u64, expected_ms: u64) {
        let due = Instant::now();
        let now = due + Duration::from_millis(now_ms);
        let next = |intervals| Rhythm::of(0, 1).next_due(due, now, intervals) - due;
        assert_eq!(next(1), Duration::from_millis(expected_ms));
        assert_eq!(next(3), Duration::from_millis(expected_ms + 40));
    }

    #[test]
    fn the_schedule_is_kept_when_answers_are_late() {
        check(0, 20);
        check(3, 20);
        check(19, 20);
        check(20, 40);
        check(75, 80);
    }

    /// Of a file of 1000 bytes: an answer with `bytes`, of which `pace` came in each interval since the first one that
    /// had any and `last` since the last one.
    #[track_caller]
    fn check_intervals(bytes: u64, pace: u64, last: u64, expected: u32) {
        let rhythm = Rhythm::of(0, 1);
        let interval_ns = rhythm.interval.as_nanos() as u64;
        let sample = |intervals, bytes| Sample {
            requested_ns: intervals * interval_ns,
            answered_ns: intervals * interval_ns + 1,
            bytes,
        };
        let found = rhythm.intervals(
            &sample(0, bytes - 10 * pace),
            &sample(9, bytes - last),
            &sample(10, bytes),
            1000,
        );
        assert_eq!(found, expected);
    }

    #[test]
    fn a_node_is_left_alone_for_a_quarter_of_the_time_to_its_next_milestone() {
        check_intervals(300, 10, 10, 5);
        check_intervals(400, 10, 10, 2);
        check_intervals(480, 10, 10, 1);
        check_intervals(499, 10, 10, 1);
        check_intervals(500, 10, 10, 10);
        check_intervals(500, 1, 1, 10);
        check_intervals(810, 10, 0, 2);
        check_intervals(910, 10, 10, 2);
        check_intervals(1000, 10, 10, 1);
        // It has become faster.
        check_intervals(400, 10, 50, 1);
        // It stands still, or has not begun.
        check_intervals(400, 0, 0, 1);
        check_intervals(400, 40, 40, 1);
    }

    #[test]
    fn all_nodes_together_are_asked_a_hundred_times_a_second() {
        #[track_caller]
        fn check(number: u32, nodes: u32, interval_ms: u64, shift_ms: u64) {
            let [interval, shift] = [interval_ms, shift_ms].map(Duration::from_millis);
            assert_eq!(Rhythm::of(number, nodes), Rhythm { interval, shift });
        }
        check(0, 1, 20, 0);
        check(1, 2, 20, 10);
        check(0, 6, 60, 0);
        check(5, 6, 60, 50);
        check(30, 31, 310, 300);
    }
}
