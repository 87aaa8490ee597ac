//! The capture: the recording of one run on one host, and the only source of every report.
//!
//! Format 4: 8 bytes of magic, the version as a little-endian `u32`, then frames. A frame is a header of three
//! `u32` (bytes in the file, plain bytes, CRC-32 of the bytes in the file) and records, each a `u32` length and a
//! postcard-encoded [`Record`], or events as the probes wrote them: plain while the recording runs, where both lengths are
//! equal, and packed by zstd when it is complete. See `docs/capture-format.md`.
//!
//! A capture that was cut short is readable up to its last whole frame; one that does not end with
//! [`Record::End`] says so in its report.

mod disk;
mod host;
mod loss;
mod pack;
mod process;
mod read;
mod record;
mod socket;
pub mod span;
pub mod traffic;
mod transfer;
pub mod witness;
mod write;

pub use disk::{CreditTotals, DeviceTotals, Inode, InodeIo, InodeUse, Operation};
pub use host::{Clock, Daemon, Disk, End, Environment, Family, Filesystem, INSTEAD_OF, LEFT_OUT, Run, Start};
pub use loss::{
    EMPTY_PROGRAM, Losses, PROBE_REENTRY, ProbeDispatch, ProbeWindow, ProgramRuns, STACK_TRUNCATED,
    UNDECODABLE,
};
pub use pack::pack;
pub use process::{ProcessTotals, Progress, Stack, Stranger, ThreadIo, ThreadState, ThreadTotals, Waits};
pub use read::{Capture, Ending, read};
pub use record::{ProcessSerial, Record};
pub use socket::{Bypassed, Protocol, SocketClosed, SocketEnds, SocketTotals};
pub use transfer::{Checksum, Direction, Label, Milestone, MilestoneName, Polling, Transfer};
pub use write::Writer;

const MAGIC: [u8; 8] = *b"XFERPROF";

/// The version that this program writes, and the newest that it reads.
pub const VERSION: u32 = 4;

const HEADER_BYTES: usize = 12;

/// Before each record of a frame, its length.
const LENGTH_BYTES: usize = 4;

/// Bit of the length of what is no encoded record, but events as the probes wrote them.
const EVENTS: u32 = 1 << 31;

/// A frame never holds more plain bytes: what claims to is no capture.
const FRAME_LIMIT_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests;
