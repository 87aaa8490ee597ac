//! Device bytes, and whose they are.

use capture::Operation;

use crate::{
    files::{MIB, folder, write_direct},
    recorded::{Recorded, record},
};

const WRITTEN_BYTES: u64 = 64 * MIB;

#[test]
fn a_direct_write_belongs_to_its_writer() {
    let folder = folder();
    let recorded = record(|| write_direct(&folder.path().join("direct"), WRITTEN_BYTES));
    assert_eq!(credited(&recorded, Operation::Write), WRITTEN_BYTES);
    let written: u64 = recorded
        .timeline
        .devices
        .values()
        .filter_map(|device| device.totals.get(&Operation::Write))
        .map(|totals| totals.bytes)
        .max()
        .expect("a device wrote");
    check_device(written);
    // A device that has no room for a request gets it again, which is no completion that was missed.
    let unseen = recorded.timeline.losses["completion_unseen"];
    assert!(unseen <= 4, "{unseen} completions were not seen");
}

/// The device's own total, which lacks what a host that hides interrupts from programs did not show: see the
/// limitations. Credits are exact there too, because they are taken at submission.
#[track_caller]
fn check_device(written_bytes: u64) {
    assert!(written_bytes >= WRITTEN_BYTES * 9 / 10, "the busiest device wrote {written_bytes} bytes");
}

fn credited(recorded: &Recorded, operation: Operation) -> u64 {
    let credits = recorded.own().credits.iter();
    credits.filter(|((_, found), _)| *found == operation).map(|(_, bytes)| bytes).sum()
}
