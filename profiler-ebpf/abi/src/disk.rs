//! Block devices: what they did for the whole host, and which of it a target submitted itself.

use crate::Plain;

/// `DEVICES`: reads or writes that one device completed. Other operations (flush, discard) are left out.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct DeviceIo {
    /// Bytes of requests that completed without error.
    pub bytes: u64,
    pub requests: u64,
    pub errors: u64,
    /// Sum over requests from allocation to issue, and how many requests had that start time.
    pub queue_ns: u64,
    pub queued: u64,
    /// Sum over requests from issue to completion, and how many were seen from issue on.
    pub service_ns: u64,
    pub serviced: u64,
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for DeviceIo {}

const _: () = assert!(size_of::<DeviceIo>() == 56);

/// `MINORBITS`: the kernel keeps so many bits of minor in a `dev_t`; user space sees another arrangement.
pub const DEVICE_MINOR_BITS: u32 = 20;

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeviceKey {
    /// Of the whole disk.
    pub major: u32,
    pub minor: u32,
    pub operation: u32,
    /// What was written or read of it, as the kernel's `dev_t`; 0 for the disk as a whole, and always in `DEVICES`.
    pub partition: u32,
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for DeviceKey {}

/// `CREDITS`: whose bytes they were.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CreditKey {
    pub device: DeviceKey,
    /// [`Process::serial`](super::target::Process::serial)
    pub process: u64,
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for CreditKey {}

/// Bytes of bios that a target submitted in its own context.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Credit {
    pub bytes: u64,
    pub bios: u64,
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for Credit {}

/// A request between issue and completion: the value of `REQUESTS`, keyed by the request's address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestTimes {
    pub issued_ns: u64,
    /// 0 if the kernel keeps no start time for this request.
    pub started_ns: u64,
}

/// `REQ_OP_READ` and `REQ_OP_WRITE`, and the mask of the operation in `bi_opf` and `cmd_flags`.
pub const READ: u32 = 0;
pub const WRITE: u32 = 1;
pub const OPERATION_MASK: u32 = 0xff;

/// `SUBMISSIONS`: a bio that a thread of a target submitted and does not wait for.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Submission {
    /// Monotonic ns.
    pub at_ns: u64,
    pub tid: u32,
    pub _pad: u32,
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for Submission {}

const _: () = assert!(size_of::<Submission>() == 16);
