//! What a thread has read and written when it ends: `process_exit` asks where no switch is seen.

use abi::fields::Field::{TaskRchar, TaskReadBytes, TaskWchar, TaskWriteBytes};

use super::{Family, Way};

pub const FAMILY: Family = Family {
    name: "I/O accounting",
    counts: "what threads that have ended read and wrote",
    is_counter: true,
    ways: &[Way::Fields(&[TaskRchar, TaskWchar, TaskReadBytes, TaskWriteBytes])],
    ..Family::PLAIN
};
