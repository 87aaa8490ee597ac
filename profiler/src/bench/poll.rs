//! Asks one node for its progress at fixed times, on a thread of its own inside the node's namespace.
//!
//! Only asks and stamps. What the answers mean is found out elsewhere.

use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::clock::{now_ns, thread_cpu_ns};

use super::drivers::Control;
use super::hosts::namespace::Namespace;
use super::milestones::Sample;

/// The time between two questions: the resolution of the application's milestones, if it answers in time.
const INTERVAL: Duration = Duration::from_millis(20);

/// What a polling thread tells the thread that runs the transfer.
pub enum Event {
    /// It is connected, and waits for the start.
    Ready,
    /// It asked for the transfer, right after this time.
    Requested {
        at_ns: u64,
    },
    Sampled(Sample),
    /// The file is complete, or the node failed. Nothing comes after this.
    Ended(Result<Polling>),
}

/// What it took to watch one transfer.
#[derive(Clone, Copy, Debug)]
pub struct Polling {
    pub polls: u64,
    /// CPU time of the polling thread. The node's own part is in its process.
    pub cpu_ns: u64,
}

/// One transfer to be started and watched.
pub struct Task {
    pub control: Box<dyn Control>,
    pub namespace: Namespace,
    pub torrent: PathBuf,
    pub file_size_bytes: u64,
}

/// Connects, waits for `start`, asks for the transfer, and polls it to its end. Ends early when `tell` fails,
/// because then nobody listens any more.
pub fn follow(mut task: Task, start: &Receiver<()>, tell: impl Fn(Event) -> Result<()>) {
    let ended = poll(&mut task, start, &tell);
    // The listener may have given up in the meantime.
    let _ = tell(Event::Ended(ended));
}

fn poll(task: &mut Task, start: &Receiver<()>, tell: impl Fn(Event) -> Result<()>) -> Result<Polling> {
    task.namespace.enter()?;
    let control = &mut task.control;
    // Connects, so that the request below does not have to.
    control.version()?;
    tell(Event::Ready)?;
    start.recv()?;

    let at_ns = now_ns();
    control.add(&task.torrent)?;
    tell(Event::Requested { at_ns })?;

    let mut polls = 0;
    let mut due = Instant::now();
    loop {
        let requested_ns = now_ns();
        let bytes = control.bytes_there()?;
        let answered_ns = now_ns();
        polls += 1;
        tell(Event::Sampled(Sample { requested_ns, answered_ns, bytes }))?;
        if bytes >= task.file_size_bytes {
            return Ok(Polling { polls, cpu_ns: thread_cpu_ns() });
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
