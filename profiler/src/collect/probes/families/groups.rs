//! After the processes: of a child that is in a control group which is followed, the process decides first.

use capture::families::GROUPS;

use super::{Family, Program};

pub const FAMILY: Family = Family {
    name: GROUPS,
    counts: "processes that come into a control group",
    is_counter: true,
    programs: &[
        Program::new("group_enter", &["dst_cgrp", "path", "task"]),
        Program::new("group_fork", &["task", "clone_flags"]),
    ],
    ..Family::PLAIN
};
