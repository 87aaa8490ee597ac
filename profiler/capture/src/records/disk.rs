//! Devices and files: what was read and written, and on whose behalf.

use serde::{Deserialize, Serialize};

use crate::ProcessSerial;

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    Read,
    Write,
}

/// What one device completed for the whole host since the recording began.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct DeviceTotals {
    pub at_ns: u64,
    pub major: u32,
    pub minor: u32,
    pub operation: Operation,
    pub bytes: u64,
    pub requests: u64,
    pub errors: u64,
    /// From the request's start to its issue, summed over `queued` requests.
    pub queue_ns: u64,
    pub queued: u64,
    /// From issue to completion, summed over `serviced` requests.
    pub service_ns: u64,
    pub serviced: u64,
}

/// A partition of a disk.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    pub major: u32,
    pub minor: u32,
}

/// Bytes that one process submitted to one device itself.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct CreditTotals {
    pub at_ns: u64,
    pub process: ProcessSerial,
    pub major: u32,
    pub minor: u32,
    pub operation: Operation,
    pub bytes: u64,
    pub bios: u64,
    /// Where they went; `None` for the whole disk, and in captures up to November 2026. Appended.
    pub partition: Option<Partition>,
}

/// A file, as long as it exists: numbers of deleted ones are given to others.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inode {
    /// The file system, as `stat` and `/proc/self/mountinfo` name it.
    pub major: u32,
    pub minor: u32,
    pub number: u64,
    pub generation: u32,
}

impl Inode {
    /// Stands for all pages together that belong to no regular file: a file system's own (directories, inode tables),
    /// and those of block devices.
    pub const NO_FILE: Self = Self { major: 0, minor: 0, number: 0, generation: 0 };
}

/// What a process did to a file's page cache since the last such record. Whole folios, each counted when it enters
/// the state.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct InodeUse {
    pub at_ns: u64,
    pub inode: Inode,
    /// `None`: all processes that are no targets, since a target used the file.
    pub process: Option<ProcessSerial>,
    /// Brought into the page cache, to be read or to be written over.
    pub cached_bytes: u64,
    /// Dirtied; again after each writeback.
    pub dirtied_bytes: u64,
}

/// What was submitted to a device of a file's page cache since the last such record, in whatever context. Of reads
/// only those that a kernel thread submitted: the others are their process's own, and in `CreditTotals`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct InodeIo {
    pub at_ns: u64,
    pub inode: Inode,
    pub major: u32,
    pub minor: u32,
    pub operation: Operation,
    pub bytes: u64,
    pub bios: u64,
    /// Where they went; `None` for the whole disk, and in captures up to November 2026. Appended.
    pub partition: Option<Partition>,
}
