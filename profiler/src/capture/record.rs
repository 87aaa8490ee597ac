//! What a capture consists of. Nothing here knows the kernel: a report needs no more than these records. Times are
//! monotonic ns.

use serde::{Deserialize, Serialize};

use crate::capture::{
    disk::{CreditTotals, DeviceTotals, InodeIo, InodeUse},
    host::{Clock, Daemon, End, Environment, Family, Start},
    loss::{Losses, ProbeDispatch, ProbeWindow},
    process::{ProcessTotals, Progress, Stack, Stranger, ThreadIo, ThreadTotals},
    socket::{Bypassed, SocketTotals},
    span::Span,
    traffic::{Arrival, Holding, Payload},
    transfer::{Checksum, Label, Milestone, Polling, Transfer},
    witness::Witness,
};

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
    Stranger(Stranger),
    Stack(Stack),
    Payload(Payload),
    Arrival(Arrival),
    Holding(Holding),
    InodeUse(InodeUse),
    InodeIo(InodeIo),
    Witness(Witness),
    Bypassed(Bypassed),
    ProbeDispatch(ProbeDispatch),
}
