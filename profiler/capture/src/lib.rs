//! The capture: the recording of one run on one host, and the only source of every report.
//!
//! Format 5, which stays readable for good: `docs/capture-format.md`. Format 4 is read by a converter.
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

pub use format::{Capture, Ending, VERSION, Writer, layout, pack, read};
pub use records::{
    ARRIVAL_REENTRY, ARRIVALS, Bypassed, Checksum, Clock, CpuSteal, CreditTotals, Daemon, DeviceTotals,
    Direction, Disk, DiskRequests, DropReason, Drops, EMPTY_PROGRAM, End, Environment, Family, FamilyState,
    FileCache, FileWay, Filesystem, Held, Hook, HostId, Inode, InodeIo, InodeUse, Kind, Label, Layout,
    Losses, Milestone, MilestoneName, Mount, OnHost, Operation, OutsideRun, OutsideWaker, PROBE_REENTRY,
    Partition, Polling, ProbeDispatch, ProbeWindow, ProcessSerial, ProcessTotals, ProgramRuns, Progress,
    Protocol, Record, Retransmit, Role, Run, STACK_TRUNCATED, Shed, SocketClosed, SocketEnds, SocketTotals,
    Stack, Start, ThreadIo, ThreadState, ThreadTotals, TimerKind, TimerSet, Transfer, UNDECODABLE,
    UNKNOWN_KIND, Waits, Watermark, WayTotals, comm_text, cross_check, span, traffic,
};
