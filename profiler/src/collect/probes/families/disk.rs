//! Block devices, of the whole host.

use super::{Family, Program};

pub const FAMILY: Family = Family {
    name: "device",
    counts: "bytes, queue and service time of block devices",
    is_counter: true,
    programs: &[
        Program::new("disk_submit", &["bio"]),
        Program::new("disk_issue", &["rq"]),
        Program::new("disk_requeue", &["rq"]),
        Program::new("disk_complete", &["rq", "error", "nr_bytes"]),
    ],
    ..Family::PLAIN
};
