//! Deadlines of time-outs, which `sched_switch` puts into spans, and timers that are set for later.

use super::{Family, Program};

pub const FAMILY: Family = Family {
    name: "timers",
    counts: "until when calls sleep, and which thread set a timer, when and for when",
    programs: &[Program::new("timer_set", &["hrtimer", "mode"])],
    ..Family::PLAIN
};
