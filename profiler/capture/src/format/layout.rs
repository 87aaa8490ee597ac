//! The kinds that this program writes.

use crate::{Kind, Layout, Record, events};

/// For the start of a capture.
pub fn layout() -> Layout {
    let records = Record::KINDS.iter().map(|(number, name)| Kind {
        number: *number,
        name: (*name).to_owned(),
        size_bytes: 0,
    });
    Layout { records: records.collect(), events: events::kinds().collect() }
}
