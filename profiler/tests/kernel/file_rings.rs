//! io_uring on files: device bytes belong to the process that asked, whichever thread of the kernel submits them.

use std::{
    fs::{File, OpenOptions},
    os::{fd::AsRawFd as _, unix::fs::OpenOptionsExt as _},
    path::Path,
};

use capture::Operation::{Read, Write};
use io_uring::{IoUring, opcode, squeue, types::Fd};

use crate::{
    files::{Cold, MIB, folder},
    owners::{check, credited},
    recorded::{Recorded, record},
};

const ALL_BYTES: u64 = 16 * MIB;

/// At once in the caller's context where that is possible, or by a worker thread.
const WAYS: [squeue::Flags; 2] = [squeue::Flags::empty(), squeue::Flags::ASYNC];

#[test]
fn a_buffered_write_through_a_ring_belongs_to_its_writer() {
    check_writes("buffered", 0);
}

#[test]
fn a_direct_write_through_a_ring_belongs_to_its_writer() {
    check_writes("direct", libc::O_DIRECT);
}

#[test]
fn a_buffered_read_through_a_ring_belongs_to_its_reader() {
    check_reads("buffered", 0);
}

#[test]
fn a_direct_read_through_a_ring_belongs_to_its_reader() {
    check_reads("direct", libc::O_DIRECT);
}

#[track_caller]
fn check_writes(what: &str, flags: i32) {
    for way in WAYS {
        let folder = folder();
        let recorded = record(|| {
            let file = open(&folder.path().join("written"), flags);
            each_block(&file, way, |fd, block, offset| {
                opcode::Write::new(fd, block.as_ptr(), block.len() as u32).offset(offset).build()
            });
            file.sync_all().unwrap();
        });
        let name = format!("{what} writes, {way:?}");
        check(&name, credited(&recorded, std::process::id(), Write), ALL_BYTES);
        check_is_counted(&name, &recorded, (0, ALL_BYTES));
    }
}

#[track_caller]
fn check_reads(what: &str, flags: i32) {
    for way in WAYS {
        let cold = Cold::file(ALL_BYTES);
        let recorded = record(|| {
            let file = open(&cold.path, flags);
            each_block(&file, way, |fd, block, offset| {
                opcode::Read::new(fd, block.as_mut_ptr(), block.len() as u32).offset(offset).build()
            });
        });
        let name = format!("{what} reads, {way:?}");
        check(&name, credited(&recorded, std::process::id(), Read), ALL_BYTES);
        check_is_counted(&name, &recorded, (ALL_BYTES, 0));
    }
}

/// What went through the ring, which the accounting lacks.
#[track_caller]
fn check_is_counted(name: &str, recorded: &Recorded, read_and_written: (u64, u64)) {
    let own = recorded.own();
    assert_eq!((own.read_by.io_uring, own.written_by.io_uring), read_and_written, "{name}");
    assert!(own.uncounted_ways(&recorded.timeline).is_empty(), "{name}");
}

fn open(path: &Path, flags: i32) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).custom_flags(flags).open(path).unwrap()
}

/// Has the kernel do so with each block of the file, one after the other.
fn each_block(file: &File, way: squeue::Flags, call: fn(Fd, &mut [u8], u64) -> squeue::Entry) {
    // Aligned to pages, as direct I/O wants it.
    let mut block = memmap2::MmapMut::map_anon(MIB as usize).unwrap();
    let mut ring = IoUring::new(4).expect("this kernel has io_uring");
    for offset in (0..ALL_BYTES).step_by(block.len()) {
        let request = call(Fd(file.as_raw_fd()), &mut block, offset).flags(way);
        // SAFETY: the block lives until the request has completed.
        unsafe { ring.submission().push(&request) }.expect("there is room");
        ring.submit_and_wait(1).unwrap();
        let done = ring.completion().next().expect("a completion");
        assert_eq!(done.result(), block.len() as i32);
    }
}
