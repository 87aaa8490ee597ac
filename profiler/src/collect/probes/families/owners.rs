//! Whose the pages of a file are.

use capture::families::OWNERS;

use super::{Family, Program};

pub const FAMILY: Family = Family {
    name: OWNERS,
    counts: "who dirtied which file, and whose reads were throttled",
    is_counter: true,
    programs: &[Program::new("folio_dirty", &["folio"]), Program::new("folio_add", &["folio"])],
    ..Family::PLAIN
};
