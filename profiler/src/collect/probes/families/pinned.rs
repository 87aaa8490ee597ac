//! Whether a bio carries a user's memory: `disk_submit` asks.

use super::{Family, Way};

pub const FAMILY: Family = Family {
    name: "pinned pages",
    counts: "whose direct I/O it is, from memory that is not anonymous",
    is_counter: true,
    ways: &[Way::Enumerator("BIO_PAGE_PINNED")],
    ..Family::PLAIN
};
