//! What calls past the tasks' own accounting moved of files. Where functions cannot be watched, splice has no probe, and of
//! libaio direct I/O alone has one.

use capture::families;

use super::{Family, Program};

pub const IO_URING: Family = Family {
    name: families::IO_URING,
    counts: "bytes of files by io_uring",
    is_counter: true,
    programs: &[Program::new("ring_complete", &["ctx", "req"])],
    ..Family::PLAIN
};

pub const LIBAIO: Family = Family {
    name: families::LIBAIO,
    counts: "bytes of files by libaio",
    is_counter: true,
    programs: &[
        Program::new("aio_submit", &["ctx", "user_iocb", "compat"]).or(DIRECT),
        Program::new("aio_done", &["kiocb", "res"]),
    ],
    ..Family::PLAIN
};

const DIRECT: &[Program] = &[Program::new("aio_direct", &["iocb", "error", "ret"])];

pub const SPLICE: Family = Family {
    name: families::SPLICE,
    counts: "bytes of files by splice",
    is_counter: true,
    programs: &[Program::new("splice_done", &["in", "off_in", "out", "off_out", "len", "flags"])],
    ..Family::PLAIN
};
