//! The capture: the recording of one run on one host, and the only source of every report.
//!
//! Format 4: 8 bytes of magic, the version as a little-endian `u32`, then frames. A frame is a header of three
//! `u32` (bytes in the file, plain bytes, CRC-32 of the bytes in the file) and records, each a `u32` length and a
//! postcard-encoded [`Record`], or events as the probes wrote them: plain while the recording runs, where both lengths are
//! equal, and packed by zstd when it is complete. See `docs/capture-format.md`.
//!
//! A capture that was cut short is readable up to its last whole frame; one that does not end with
//! [`Record::End`] says so in its report.

pub mod dump;
pub mod events;
pub mod families;
mod format;
mod records;
#[cfg(feature = "testing")]
pub mod testing;
pub mod whole;

pub use format::{Capture, Ending, VERSION, Writer, pack, read};
pub use records::{
    Bypassed, Checksum, Clock, CreditTotals, Daemon, DeviceTotals, Direction, Disk, EMPTY_PROGRAM, End,
    Environment, Family, Filesystem, INSTEAD_OF, Inode, InodeIo, InodeUse, LEFT_OUT, Label, Losses,
    Milestone, MilestoneName, Operation, OutsideWaker, PROBE_REENTRY, Polling, ProbeDispatch, ProbeWindow,
    ProcessSerial, ProcessTotals, ProgramRuns, Progress, Protocol, Record, Run, STACK_TRUNCATED,
    SocketClosed, SocketEnds, SocketTotals, Stack, Start, ThreadIo, ThreadState, ThreadTotals, Transfer,
    UNDECODABLE, Waits, comm_text, cross_check, span, traffic,
};
