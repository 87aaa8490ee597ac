//! Calls on files that no task's accounting has: their bytes to the byte where this kernel lets them be watched, else the
//! process is named. What the files hold, and what the device moved of direct I/O, are the witnesses.

use std::{
    fs::{self, File, OpenOptions},
    os::{
        fd::AsRawFd as _,
        unix::fs::{FileExt as _, OpenOptionsExt as _},
    },
    path::Path,
    ptr,
};

use analysis::{report, timeline::FileIo};
use capture::{Family, FileWay, Operation};
use io_uring::{IoUring, opcode, squeue, types::Fd};

use crate::{
    actor::Actor,
    calls,
    files::{MIB, folder},
    owners::credited,
    recorded::{Recorded, record_others},
};

const BLOCK_BYTES: usize = MIB as usize;
/// Of direct I/O.
const BLOCKS_BYTES: u64 = 4 * MIB;
/// The last call is a short one.
const ODD_BYTES: u64 = 4 * MIB + 4321;

#[test]
fn what_a_ring_moves_of_files_is_counted_to_the_byte() {
    for flags in [squeue::Flags::empty(), squeue::Flags::ASYNC] {
        check_counted(FileWay::IoUring, ODD_BYTES, 0, |file, is_write| {
            let mut ring = IoUring::new(4).expect("this kernel has io_uring");
            each_block(ODD_BYTES, |block, offset| {
                let (fd, len) = (Fd(file.as_raw_fd()), block.len() as u32);
                let request = match is_write {
                    true => opcode::Write::new(fd, block.as_ptr(), len).offset(offset).build(),
                    false => {
                        opcode::Read::new(fd, block.as_mut_ptr(), BLOCK_BYTES as u32).offset(offset).build()
                    }
                };
                // SAFETY: the block is longer than what is read, and lives until the request has completed.
                unsafe { ring.submission().push(&request.flags(flags)) }.expect("there is room");
                ring.submit_and_wait(1).unwrap();
                let done = ring.completion().next().expect("a completion");
                assert_eq!(done.result(), len as i32);
            });
        });
    }
}

#[test]
fn what_libaio_moves_past_the_page_cache_is_counted_to_the_byte() {
    check_counted(FileWay::Libaio, BLOCKS_BYTES, libc::O_DIRECT, |file, is_write| {
        by_libaio(file, BLOCKS_BYTES, is_write);
    });
}

/// Where functions cannot be watched, nothing tells how much.
#[test]
fn what_libaio_moves_through_the_page_cache_is_counted_or_named_though_its_calls_return_at_once() {
    check_counted_or_named(FileWay::Libaio, ODD_BYTES, |file, is_write| by_libaio(file, ODD_BYTES, is_write));
}

/// Likewise.
#[test]
fn what_splice_moves_of_files_is_counted_or_named_though_its_calls_return_at_once() {
    check_counted_or_named(FileWay::Splice, ODD_BYTES, |file, is_write| {
        let (mut from, mut into) = calls::pipe();
        each_block(ODD_BYTES, |block, _| {
            // As much as a pipe holds.
            for part in block.chunks_mut(1 << 16) {
                use std::io::{Read as _, Write as _};
                if is_write {
                    into.write_all(part).unwrap();
                    assert_eq!(splice(&from, file, part.len()), part.len());
                } else {
                    assert_eq!(splice(file, &into, part.len()), part.len());
                    from.read_exact(part).unwrap();
                }
            }
        });
    });
}

#[test]
fn what_sendfile_and_copy_file_range_move_is_in_the_accounting() {
    let folder = folder();
    let [source, copy, other] = ["source", "copy", "other"].map(|name| folder.path().join(name));
    fs::write(&source, vec![7; ODD_BYTES as usize]).unwrap();
    let actor = Actor::new(|| {
        let from = File::open(&source).unwrap();
        let into = [&copy, &other].map(|path| File::create(path).unwrap());
        let none = ptr::null_mut();
        let (from, [first, second]) = (from.as_raw_fd(), into.each_ref().map(|file| file.as_raw_fd()));
        let mut offset = 0;
        // SAFETY: open files; without an offset it is the file's own.
        while unsafe { libc::copy_file_range(from, none, first, none, BLOCK_BYTES, 0) } > 0 {}
        // SAFETY: open files, and an offset of its own.
        while unsafe { libc::sendfile(second, from, &raw mut offset, BLOCK_BYTES) } > 0 {}
    });
    let pid = actor.pid;
    let recorded = record_others(|recording| {
        recording.register(pid).unwrap();
        actor.act();
    });
    for path in [&copy, &other] {
        assert_eq!(fs::metadata(path).unwrap().len(), ODD_BYTES);
    }
    let io = &recorded.with_pid(pid).io;
    assert_eq!((io.sum(FileIo::read_bytes), io.sum(FileIo::written_bytes)), (2 * ODD_BYTES, 2 * ODD_BYTES));
    check_report(&recorded, pid, (0, 0), &[]);
}

/// A file is written, and read.
#[track_caller]
fn check_counted(way: FileWay, bytes: u64, flags: i32, work: impl Fn(&File, bool) + Copy) {
    let (recorded, pid) = record_one(flags, bytes, work);
    let process = recorded.with_pid(pid);
    assert_eq!((process.written_by.of(way), process.read_by.of(way)), (bytes, bytes), "{way:?}");
    assert_eq!((process.written_by.sum(), process.read_by.sum()), (bytes, bytes), "{way:?}");
    if flags & libc::O_DIRECT != 0 {
        for operation in [Operation::Read, Operation::Write] {
            assert_eq!(credited(&recorded, pid, operation), bytes, "{way:?}, {operation:?} on the device");
        }
    }
}

#[track_caller]
fn check_counted_or_named(way: FileWay, bytes: u64, work: impl Fn(&File, bool) + Copy) {
    let (recorded, pid) = record_one(0, bytes, work);
    let process = recorded.with_pid(pid);
    let (counted, uncounted) = match is_watched(&recorded, way) {
        true => (bytes, [].as_slice()),
        false => (0, std::slice::from_ref(&way)),
    };
    assert_eq!((process.written_by.of(way), process.read_by.of(way)), (counted, counted), "{way:?}");
    check_report(&recorded, pid, (counted, counted), uncounted);
}

fn is_watched(recorded: &Recorded, way: FileWay) -> bool {
    recorded.timeline.families.get(way.name()).is_some_and(Family::is_whole)
}

/// What the report says of a process; and it is degraded by the ways that are not counted, by name, and by no others.
#[track_caller]
fn check_report(recorded: &Recorded, pid: u32, (written, read): (u64, u64), uncounted: &[FileWay]) {
    let report = report::build(&recorded.timeline);
    let disk = &report.processes.iter().find(|process| process.pid == pid).expect("it is there").disk;
    assert_eq!((disk.other_written_bytes.sum(), disk.other_read_bytes.sum()), (written, read));
    assert_eq!(disk.uncounted_ways.iter().collect::<Vec<_>>(), uncounted);
    for way in FileWay::ALL {
        let is_missing = report.trust.probes_missing.iter().any(|name| name == way.name());
        let is_reason =
            report.trust.reasons.iter().any(|reason| reason.contains(&format!("family {} ", way.name())));
        assert_eq!((is_missing, is_reason), (uncounted.contains(&way), uncounted.contains(&way)), "{way:?}");
    }
}

/// A process writes a file of so many bytes, and reads it.
fn record_one(flags: i32, bytes: u64, work: impl Fn(&File, bool)) -> (Recorded, u32) {
    let folder = folder();
    let path = folder.path().join("file");
    let actor = Actor::new(|| {
        work(&open(&path, flags), true);
        work(&open(&path, flags), false);
    });
    let pid = actor.pid;
    let recorded = record_others(|recording| {
        recording.register(pid).unwrap();
        actor.act();
    });
    let file = File::open(&path).unwrap();
    let mut last = [0];
    file.read_exact_at(&mut last, bytes - 1).unwrap();
    assert_eq!((file.metadata().unwrap().len(), last), (bytes, [7]));
    (recorded, pid)
}

fn open(path: &Path, flags: i32) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).custom_flags(flags).open(path).unwrap()
}

/// With each block, and its offset: all whole but the last.
fn each_block(bytes: u64, mut call: impl FnMut(&mut [u8], u64)) {
    // Aligned to pages, as direct I/O wants it.
    let mut block = memmap2::MmapMut::map_anon(BLOCK_BYTES).unwrap();
    block.fill(7);
    for offset in (0..bytes).step_by(BLOCK_BYTES) {
        let len = (bytes - offset).min(BLOCK_BYTES as u64) as usize;
        call(&mut block[..len], offset);
    }
}

fn splice(from: &File, into: &File, bytes: usize) -> usize {
    let none = ptr::null_mut();
    // SAFETY: open files; without an offset it is the file's own.
    let moved = unsafe { libc::splice(from.as_raw_fd(), none, into.as_raw_fd(), none, bytes, 0) };
    usize::try_from(moved).unwrap_or_else(|_| panic!("splice: {}", std::io::Error::last_os_error()))
}

/// One block after the other.
fn by_libaio(file: &File, bytes: u64, is_write: bool) {
    /// `struct iocb` of `linux/aio_abi.h`
    #[repr(C)]
    #[derive(Default)]
    struct Iocb {
        data: u64,
        key: u32,
        rw_flags: u32,
        opcode: u16,
        priority: i16,
        fd: u32,
        buffer: u64,
        bytes: u64,
        offset: i64,
        reserved: u64,
        flags: u32,
        event_fd: u32,
    }
    /// `IOCB_CMD_PREAD`, `IOCB_CMD_PWRITE`
    const READ: u16 = 0;
    const WRITE: u16 = 1;
    let mut context = 0_u64;
    // SAFETY: room for a context.
    assert_eq!(unsafe { libc::syscall(libc::SYS_io_setup, 1, &raw mut context) }, 0);
    each_block(bytes, |block, offset| {
        let request = Iocb {
            opcode: if is_write { WRITE } else { READ },
            fd: file.as_raw_fd() as u32,
            buffer: block.as_ptr() as u64,
            bytes: block.len() as u64,
            offset: offset as i64,
            ..Iocb::default()
        };
        let requests = [&raw const request];
        // `struct io_event`: data, the request, what it returned, 0.
        let mut event = [0_u64; 4];
        // SAFETY: one request, whose block lives until it has completed.
        assert_eq!(unsafe { libc::syscall(libc::SYS_io_submit, context, 1, requests.as_ptr()) }, 1);
        // SAFETY: room for one event.
        let got = unsafe {
            libc::syscall(
                libc::SYS_io_getevents,
                context,
                1,
                1,
                event.as_mut_ptr(),
                ptr::null::<libc::timespec>(),
            )
        };
        assert_eq!((got, event[2]), (1, block.len() as u64));
    });
    // SAFETY: the context from above.
    assert_eq!(unsafe { libc::syscall(libc::SYS_io_destroy, context) }, 0);
}
