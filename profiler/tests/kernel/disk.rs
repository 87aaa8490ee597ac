//! Device bytes, and whose they are.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    fs::OpenOptions,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
};

use profiler::capture::Operation;

use crate::recorded::{Recorded, record};

const WRITTEN_BYTES: u64 = 64 << 20;
const BLOCK_BYTES: usize = 1 << 20;

#[test]
fn a_direct_write_belongs_to_its_writer() {
    let recorded = record(write_direct);
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

fn write_direct() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .custom_flags(libc::O_DIRECT)
        .open(folder.path().join("direct"))
        .unwrap();
    let layout = Layout::from_size_align(BLOCK_BYTES, 4096).unwrap();
    // SAFETY: the layout has a size; the block is freed with the same layout, after its last use.
    unsafe {
        let block = alloc_zeroed(layout);
        for _ in 0..WRITTEN_BYTES / BLOCK_BYTES as u64 {
            file.write_all(std::slice::from_raw_parts(block, BLOCK_BYTES)).unwrap();
        }
        dealloc(block, layout);
    }
}
