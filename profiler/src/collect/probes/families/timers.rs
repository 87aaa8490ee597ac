//! Deadlines of time-outs, which `sched_switch` puts into spans where they are still set, and timers that are set for later.

use abi::fields::Field::{TaskStack, TimerExpires, TimerState};

use capture::families::TIMERS;

use super::{Family, Program, Way};

pub const FAMILY: Family = Family {
    name: TIMERS,
    counts: "until when calls sleep, and which thread set a timer, when and for when",
    programs: &[Program::new("timer_set", &["hrtimer", "mode"])],
    ways: &[Way::Fields(&[TaskStack, TimerState, TimerExpires])],
    ..Family::PLAIN
};
