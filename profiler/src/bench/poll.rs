//! Asks one node for its progress at fixed times.
//!
//! Only asks and stamps. What the answers mean is found out elsewhere.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::drivers::Control;
use super::milestones::Sample;
use crate::clock::now_ns;

/// The time between two questions: the resolution of the application's milestones, if it answers in time.
const INTERVAL: Duration = Duration::from_millis(20);

/// Polls a download until the whole file is there, and returns how often it asked.
pub fn poll(
    control: &mut dyn Control,
    file_size_bytes: u64,
    mut tell: impl FnMut(Sample) -> Result<()>,
) -> Result<u64> {
    let mut polls = 0;
    let mut due = Instant::now();
    loop {
        let requested_ns = now_ns();
        let bytes = control.bytes_there()?;
        let answered_ns = now_ns();
        polls += 1;
        tell(Sample { requested_ns, answered_ns, bytes })?;
        if bytes >= file_size_bytes {
            return Ok(polls);
        }
        due = next_due(due, Instant::now());
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// The next time on the schedule that is not over yet: a late answer does not shift the schedule, and what
/// was missed is not made up for in a burst.
fn next_due(due: Instant, now: Instant) -> Instant {
    let missed = now.saturating_duration_since(due).as_nanos() / INTERVAL.as_nanos();
    due + INTERVAL * (missed as u32 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(now_ms: u64, expected_ms: u64) {
        let due = Instant::now();
        let next = next_due(due, due + Duration::from_millis(now_ms));
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
}
