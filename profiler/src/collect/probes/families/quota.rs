//! Whether a thread that leaves its CPU is throttled: `sched_switch` asks.

use abi::fields::Field::{QueueThrottled, TaskQueue, TaskThrottled};

use super::{Family, Way};

pub const FAMILY: Family = Family {
    name: "CPU quota",
    counts: "off-CPU time because of a quota, which are run queue time without it",
    ways: &[Way::Fields(&[TaskThrottled]), Way::Fields(&[TaskQueue, QueueThrottled])],
    ..Family::PLAIN
};
