//! What a capture consists of. Nothing here knows the kernel: a report needs no more than these records. Times are
//! monotonic ns.
//!
//! Fields are appended, never changed or taken away: a reader gives those that an older writer did not know as 0, as
//! `None` or as empty. Structures inside of others are not appended to.

mod body;
pub mod cross_check;
mod disk;
mod drops;
mod family;
mod file_ways;
mod host;
mod identity;
mod loss;
mod occupancy;
mod process;
mod requests;
mod retransmits;
mod shed;
mod socket;
pub mod span;
mod steal;
mod timers;
pub mod traffic;
mod transfer;

pub(crate) use body::decode;
use serde::{Deserialize, Serialize};

pub use disk::{CreditTotals, DeviceTotals, Inode, InodeIo, InodeUse, Operation, Partition};
pub use drops::{DropReason, Drops};
pub use family::{Family, FamilyState, Hook};
pub use file_ways::{FileWay, WayTotals};
pub use host::{Clock, Daemon, Disk, End, Environment, Filesystem, Held, Kind, Layout, Mount, Run, Start};
pub use identity::{HostId, OnHost};
pub use loss::{
    ARRIVAL_REENTRY, ARRIVALS, EMPTY_PROGRAM, Losses, PROBE_REENTRY, ProbeDispatch, ProbeWindow, ProgramRuns,
    STACK_TRUNCATED, UNDECODABLE, UNKNOWN_KIND,
};
pub use occupancy::OutsideRun;
pub use process::{
    OutsideWaker, ProcessTotals, Progress, Stack, ThreadIo, ThreadState, ThreadTotals, Waits, comm_text,
};
pub use requests::DiskRequests;
pub use retransmits::Retransmit;
pub use shed::Shed;
pub use socket::{Bypassed, Protocol, SocketClosed, SocketEnds, SocketTotals};
pub use steal::CpuSteal;
pub use timers::{TimerKind, TimerSet};
pub use transfer::{
    Checksum, Direction, FileCache, Label, Milestone, MilestoneName, Polling, Role, Transfer,
};

use cross_check::CrossCheck;
use span::Span;
use traffic::{Arrival, Payload, SendQueue};

/// A process within one capture. Process ids are reused within a capture, serials are not.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(transparent)]
pub struct ProcessSerial(pub u64);

macro_rules! records {
    ($($(#[$doc:meta])* $number:literal $name:literal $variant:ident,)*) => {
        #[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
        #[serde(rename_all = "snake_case")]
        pub enum Record { $($(#[$doc])* $variant($variant),)* }

        impl Record {
            /// Every kind: its number in captures, and its name.
            pub const KINDS: &[(u32, &str)] = &[$(($number, $name),)*];

            /// The number of its kind, which stands before it in captures.
            pub fn number(&self) -> u32 {
                match self { $(Self::$variant(_) => $number,)* }
            }

            /// The name of its kind: the key of its line in a dump.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// Encodes what follows kind and length.
            pub(crate) fn encode<'b>(&self, into: &'b mut [u8]) -> postcard::Result<&'b mut [u8]> {
                match self { $(Self::$variant(record) => postcard::to_slice(record, into),)* }
            }

            /// `None` for a kind that is not known.
            pub(crate) fn decode(number: u32, body: &[u8]) -> Option<postcard::Result<Self>> {
                match number {
                    $($number => Some(decode(body).map(Self::$variant)),)*
                    _ => None,
                }
            }
        }
    };
}

// A number is for good. Which are reserved for what comes: see `docs/capture-format.md`.
records! {
    /// The first record.
    1 "start" Start,
    2 "environment" Environment,
    3 "clock" Clock,
    4 "family" Family,
    /// What a process is called in the report, where the benchmark knows more than its command name.
    5 "label" Label,
    6 "process_totals" ProcessTotals,
    7 "thread_totals" ThreadTotals,
    8 "thread_io" ThreadIo,
    9 "socket_totals" SocketTotals,
    10 "device_totals" DeviceTotals,
    11 "credit_totals" CreditTotals,
    12 "progress" Progress,
    13 "watermark" Watermark,
    14 "transfer" Transfer,
    15 "milestone" Milestone,
    16 "polling" Polling,
    17 "checksum" Checksum,
    18 "losses" Losses,
    19 "probe_window" ProbeWindow,
    20 "daemon" Daemon,
    /// The last record of a capture that was not cut short.
    21 "end" End,
    22 "span" Span,
    23 "outside_waker" OutsideWaker,
    24 "stack" Stack,
    25 "payload" Payload,
    26 "arrival" Arrival,
    27 "send_queue" SendQueue,
    28 "inode_use" InodeUse,
    29 "inode_io" InodeIo,
    30 "cross_check" CrossCheck,
    31 "bypassed" Bypassed,
    32 "probe_dispatch" ProbeDispatch,
    33 "timer_set" TimerSet,
    34 "drops" Drops,
    35 "shed" Shed,
    38 "disk_requests" DiskRequests,
    43 "outside_run" OutsideRun,
    44 "retransmit" Retransmit,
    46 "cpu_steal" CpuSteal,
    47 "file_cache" FileCache,
    48 "way_totals" WayTotals,
    49 "mount" Mount,
}

/// The number of what is no encoded record, but events as the probes wrote them.
pub(crate) const EVENTS: u32 = 0x100;

/// Every event up to this time that is not in the capture yet was counted as late.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    pub at_ns: u64,
}
