//! Direct I/O that a kernel thread submits: `disk_submit` looks for the call that it is part of.

use abi::fields::Field::IomapDioIocb;

use super::{Family, Program, Way};

pub const FAMILY: Family = Family {
    name: "throttled direct I/O",
    counts: "whose direct I/O was throttled",
    is_counter: true,
    programs: &[Program::new("direct_begin", &["iocb"])],
    ways: &[Way::Fields(&[IomapDioIocb])],
    ..Family::PLAIN
};
