//! For tests: the timeline of records that were not recorded.

use capture::{Ending, Record};

use super::{Folded, Timeline};

/// The timeline of records, which end with [`Record::End`] or not.
pub fn timeline(records: Vec<Record>) -> Timeline {
    let complete = matches!(records.last(), Some(Record::End(_)));
    let mut folded = Folded::default();
    for record in records {
        folded.add(record);
    }
    let ending = if complete { Ending::Complete } else { Ending::CutAt { offset: 4321 } };
    folded.finish(ending).expect("the first record is there")
}
