//! Device bytes, and whose they are.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    fs::{File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
};

use profiler::{attach::Settings, capture::Operation};

use crate::recorded::{Recorded, record, record_with};

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
}

/// The device's own total, which lacks what a host that hides interrupts from programs did not show: see the
/// limitations. Credits are exact there too, because they are taken at submission.
#[track_caller]
fn check_device(written_bytes: u64) {
    assert!(written_bytes >= WRITTEN_BYTES * 9 / 10, "the busiest device wrote {written_bytes} bytes");
}

#[test]
fn a_write_through_the_page_cache_is_not_credited_but_shown_on_the_device() {
    let recorded = record_with(&Settings::default(), |_| {
        let file = tempfile::NamedTempFile::new_in("/var/tmp").unwrap();
        let mut writer: &File = file.as_file();
        writer.write_all(&vec![7; WRITTEN_BYTES as usize]).unwrap();
        writer.sync_all().unwrap();
    });
    assert_eq!(credited(&recorded, Operation::Write), 0);
    let device_wrote = |device: &profiler::timeline::Device| {
        device.totals.get(&Operation::Write).map_or(0, |totals| totals.bytes)
    };
    let written = recorded.timeline.devices.values().map(device_wrote).max().unwrap();
    check_device(written);
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
