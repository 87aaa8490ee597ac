//! Timers as the probes write them.

use abi::timers;

use crate::{ProcessSerial, TimerKind, TimerSet};

pub fn set(raw: &timers::TimerSet) -> TimerSet {
    TimerSet {
        at_ns: raw.at_ns,
        process: ProcessSerial(raw.process),
        tid: raw.tid,
        timer: raw.timer,
        deadline_ns: raw.deadline_ns,
        kind: kind(raw.syscall),
    }
}

/// By the call of x86-64 that set it.
fn kind(syscall: i32) -> TimerKind {
    match syscall {
        // read, readv, timerfd_settime, preadv2
        0 | 19 | 286 | 327 => TimerKind::Timerfd,
        // alarm, setitimer, timer_settime
        37 | 38 | 223 => TimerKind::Posix,
        _ => TimerKind::Other,
    }
}
