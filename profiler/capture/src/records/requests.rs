//! Whose requests a disk did.

use serde::{Deserialize, Serialize};

use crate::{Operation, ProcessSerial};

/// Requests that a disk completed for one process, on one CPU, within a ms of the first one.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct DiskRequests {
    /// The whole disk.
    pub major: u32,
    pub minor: u32,
    pub operation: Operation,
    pub requests: u32,
    /// What was completed without error.
    pub bytes: u64,
    /// When the first of them came to the disk's queue, and when the first was issued to the disk.
    pub queued_ns: u64,
    pub issued_ns: u64,
    /// When the first one and the last one were completed.
    pub first_ns: u64,
    pub last_ns: u64,
    /// `None`: no target.
    pub process: Option<ProcessSerial>,
    /// Of a thread of the kernel its own id; of a target 0 where a thread of the kernel submitted for it.
    pub pid: u32,
    /// A thread of the kernel, and for whom is not known.
    pub by_kernel: bool,
    /// The command name of the process.
    pub comm: String,
}
