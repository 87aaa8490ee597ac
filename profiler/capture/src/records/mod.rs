//! What a capture consists of. Nothing here knows the kernel: a report needs no more than these records. Times are
//! monotonic ns.

pub mod cross_check;
mod disk;
mod host;
mod loss;
mod process;
mod socket;
pub mod span;
pub mod traffic;
mod transfer;

use serde::{Deserialize, Serialize};

pub use disk::{CreditTotals, DeviceTotals, Inode, InodeIo, InodeUse, Operation};
pub use host::{Clock, Daemon, Disk, End, Environment, Family, Filesystem, INSTEAD_OF, LEFT_OUT, Run, Start};
pub use loss::{
    EMPTY_PROGRAM, Losses, PROBE_REENTRY, ProbeDispatch, ProbeWindow, ProgramRuns, STACK_TRUNCATED,
    UNDECODABLE,
};
pub use process::{
    OutsideWaker, ProcessTotals, Progress, Stack, ThreadIo, ThreadState, ThreadTotals, Waits, comm_text,
};
pub use socket::{Bypassed, Protocol, SocketClosed, SocketEnds, SocketTotals};
pub use transfer::{Checksum, Direction, Label, Milestone, MilestoneName, Polling, Transfer};

use cross_check::CrossCheck;
use span::Span;
use traffic::{Arrival, Payload, SendQueue};

/// A process within one capture. Process ids are reused within a capture, serials are not.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(transparent)]
pub struct ProcessSerial(pub u64);

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// The first record.
    Start(Start),
    Environment(Environment),
    Clock(Clock),
    Family(Family),
    /// What a process is called in the report, where the benchmark knows more than its command name.
    Label(Label),
    ProcessTotals(ProcessTotals),
    ThreadTotals(ThreadTotals),
    ThreadIo(ThreadIo),
    SocketTotals(SocketTotals),
    DeviceTotals(DeviceTotals),
    CreditTotals(CreditTotals),
    Progress(Progress),
    /// Every event up to this time that is not in the capture yet was counted as late.
    Watermark {
        at_ns: u64,
    },
    Transfer(Transfer),
    Milestone(Milestone),
    Polling(Polling),
    Checksum(Checksum),
    Losses(Losses),
    ProbeWindow(ProbeWindow),
    Daemon(Daemon),
    /// The last record of a capture that was not cut short.
    End(End),
    Span(Span),
    OutsideWaker(OutsideWaker),
    Stack(Stack),
    Payload(Payload),
    Arrival(Arrival),
    SendQueue(SendQueue),
    InodeUse(InodeUse),
    InodeIo(InodeIo),
    CrossCheck(CrossCheck),
    Bypassed(Bypassed),
    ProbeDispatch(ProbeDispatch),
}
