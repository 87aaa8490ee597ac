//! Whose requests a disk did, for whoever waits behind them.

use crate::{
    Plain,
    event::{Event, Kind},
    owners::InodeKey,
};

/// The value of `REQUESTERS`: on whose behalf a bio was submitted.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Requester {
    /// [`Process::serial`](super::target::Process::serial), 0 of what is no target.
    pub process: u64,
    /// The process; of a thread of the kernel its own id, of direct I/O that a kernel thread submits for a target 0.
    pub tgid: u32,
    /// 1: a thread of the kernel, for nobody that is known.
    pub by_kernel: u32,
    /// The command name of the process.
    pub comm: [u8; 16],
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for Requester {}

/// The key of `FILE_USERS`: who used a file last, to write it or to read it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FileUserKey {
    pub inode: InodeKey,
    pub operation: u32,
    pub _pad: u32,
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for FileUserKey {}

const _: () = assert!(size_of::<FileUserKey>() == 24);

/// Requests of one requester that a disk completed on one CPU, within [`MERGED_NS`] of the first one. Times are monotonic ns.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskRequests {
    pub kind: u32,
    /// Of the whole disk.
    pub major: u32,
    pub minor: u32,
    pub operation: u32,
    pub requests: u32,
    pub _pad: u32,
    /// What was completed without error.
    pub bytes: u64,
    /// When the first of them came to the disk's queue, and when the first was issued to the disk.
    pub queued_ns: u64,
    pub issued_ns: u64,
    /// When the first one and the last one were completed.
    pub first_ns: u64,
    pub last_ns: u64,
    pub by: Requester,
}

const _: () = assert!(size_of::<DiskRequests>() == 96);

// SAFETY: plain integers without padding, `kind` first.
unsafe impl Event for DiskRequests {
    const KIND: Kind = Kind::DiskRequests;
}

pub const MERGED_NS: u64 = 1_000_000;

/// Requesters of one CPU whose requests are put together side by side; a power of two.
pub const REQUESTERS_AT_ONCE: usize = 8;

/// What a CPU has completed and not yet recorded.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Completed {
    /// Not 0 while a probe is at it: a sample may interrupt that.
    pub busy: u64,
    /// Of each requester at a place by its id; without a kind nothing.
    pub of: [DiskRequests; REQUESTERS_AT_ONCE],
}
