//! Switches first, when they are detached: a wake-up that nobody sees after that makes no difference.

use capture::families::SCHEDULING;

use super::{Family, Program};

pub const FAMILY: Family = Family {
    name: SCHEDULING,
    counts: "on-CPU, runnable and blocked time of threads",
    programs: &[
        Program::new("sched_switch", &["preempt", "prev", "next", "prev_state"]),
        Program::new("sched_wake", &["p"]),
    ],
    ..Family::PLAIN
};
