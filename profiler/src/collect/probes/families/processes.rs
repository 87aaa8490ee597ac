//! Without these nothing is a target.

use super::{Family, Program};

pub const FAMILY: Family = Family {
    name: "processes",
    counts: "targets, their children and threads",
    required: true,
    is_counter: true,
    programs: &[
        Program::new("process_fork", &["task", "clone_flags"]),
        Program::new("process_exec", &["p", "old_pid"]),
        Program::new("process_exit", &["p"]),
    ],
    ..Family::PLAIN
};
