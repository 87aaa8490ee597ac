//! Samples of the CPU, by a perf event of each.

use capture::families::SAMPLES;

use super::{Family, Program};

pub const FAMILY: Family = Family {
    name: SAMPLES,
    counts: "user and kernel mode on the CPU",
    programs: &[Program::new("cpu_sample", &[])],
    ..Family::PLAIN
};
