//! Timers that threads of targets set for later. The time-out of a call that sleeps is in its span instead.

use serde::{Deserialize, Serialize};

use crate::ProcessSerial;

/// A thread set a timer, or set it again: also where it reads a periodic timerfd, which the kernel arms anew then. Where a
/// timer repeats by itself, in its own interrupt, nothing is recorded. Taking it back is not recorded either.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerSet {
    pub at_ns: u64,
    pub process: ProcessSerial,
    pub tid: u32,
    /// As [`Span::timer`](crate::span::Span::timer) names it.
    pub timer: u64,
    /// Its soft expiry; monotonic ns, whatever clock it was set by.
    pub deadline_ns: u64,
    pub kind: TimerKind,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum TimerKind {
    /// `timerfd_settime`, or a read of one.
    Timerfd,
    /// `timer_settime`, `setitimer` or `alarm`.
    Posix,
    /// io_uring's time-outs, and whatever else a call sets.
    Other,
}
