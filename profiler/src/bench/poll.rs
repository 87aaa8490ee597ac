//! Asks one node for its progress at fixed times.
//!
//! Only asks and stamps. What the answers mean is found out elsewhere.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::drivers::Control;
use super::milestones::Sample;
use crate::clock::now_ns;

/// The time between two questions to one node, at least: the resolution of the application's milestones, if it
/// answers in time.
const INTERVAL: Duration = Duration::from_millis(20);
/// The time between two questions to whichever node, at least. A question costs its node and this process a
/// millisecond of CPU: asking 31 nodes each at `INTERVAL` took 5 % of two CPUs.
const INTERVAL_OF_ALL: Duration = Duration::from_millis(10);

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

    /// The next time on the schedule that is not over yet: a late answer does not shift the schedule, and what
    /// was missed is not made up for in a burst.
    fn next_due(&self, due: Instant, now: Instant) -> Instant {
        let missed = now.saturating_duration_since(due).as_nanos() / self.interval.as_nanos();
        due + self.interval * (missed as u32 + 1)
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
    loop {
        let requested_ns = now_ns();
        let bytes = control.bytes_there()?;
        let answered_ns = now_ns();
        polls += 1;
        tell(Sample { requested_ns, answered_ns, bytes })?;
        if bytes >= file_size_bytes {
            return Ok(polls);
        }
        due = match polls {
            1 if !rhythm.shift.is_zero() => started + rhythm.shift,
            _ => rhythm.next_due(due, Instant::now()),
        };
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(now_ms: u64, expected_ms: u64) {
        let due = Instant::now();
        let next = Rhythm::of(0, 1).next_due(due, due + Duration::from_millis(now_ms));
        assert_eq!(next - due, Duration::from_millis(expected_ms));
    }

    #[test]
    fn the_schedule_is_kept_when_answers_are_late() {
        check(0, 20);
        check(3, 20);
        check(19, 20);
        check(20, 40);
        check(75, 80);
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
