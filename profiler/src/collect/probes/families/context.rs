//! What runs on a CPU besides its task.

use capture::families::CONTEXTS;

use super::{Family, Program};

pub const FAMILY: Family = Family {
    name: CONTEXTS,
    counts: "what woke a thread: network, disk or timer",
    programs: &[
        Program::new("softirq_enter", &["vec_nr"]),
        Program::new("softirq_leave", &[]),
        Program::new("irq_enter", &[]),
        Program::new("irq_leave", &[]),
        Program::new("hrtimer_enter", &["hrtimer"]),
        Program::new("hrtimer_leave", &[]),
    ],
    ..Family::PLAIN
};
