//! What a capture consists of. Nothing here knows the kernel: a report needs no more than these records.
//!
//! Times are monotonic ns. `…Totals` are cumulative since the recording began: the last one of a key counts,
//! and earlier ones serve captures that were cut short.

use std::{collections::BTreeMap, fmt, net::SocketAddr};

use serde::{Deserialize, Serialize};

use crate::capture::{
    span::Span,
    traffic::{Arrival, Holding, Payload},
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
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Start {
    /// Random, for telling captures apart.
    pub id: String,
    pub at_ns: u64,
    /// Version of the profiler that recorded.
    pub profiler: String,
    /// `/proc/sys/kernel/random/boot_id`: monotonic times of different boots do not compare.
    pub boot_id: String,
    /// What the recording was asked to follow, in words.
    pub targets: String,
    /// Payload of the transfer, where it was given.
    pub size_bytes: Option<u64>,
    /// Peer payload between two progress records.
    pub stride_bytes: u64,
    pub run: Option<Run>,
}

/// The cell of the benchmark matrix that the capture belongs to.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Run {
    pub system: String,
    pub nodes: u32,
    pub seeders: u32,
    pub file_size_bytes: u64,
    pub repetition: u32,
}

/// The host as it was when the recording began.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Environment {
    pub kernel: String,
    pub cpus: u32,
    pub memory_bytes: u64,
    /// `/sys/kernel/security/lockdown`, where it can be read.
    pub lockdown: Option<String>,
    pub congestion_control: Option<String>,
    /// Default queueing discipline.
    pub default_qdisc: Option<String>,
    /// CPU time stolen by the hypervisor since boot, all CPUs together.
    pub steal_ns: u64,
    pub disks: Vec<Disk>,
    pub filesystems: Vec<Filesystem>,
    /// Memory limit of the profiler's own cgroup, where there is one.
    pub memory_limit_bytes: Option<u64>,
    /// Inode of the profiler's own network namespace.
    pub netns: u32,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Disk {
    pub major: u32,
    pub minor: u32,
    pub name: String,
    pub scheduler: Option<String>,
    /// Another device (dm, md, …) sits on top: its bytes show on both, and are added up only once.
    pub below_another: bool,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Filesystem {
    pub mounted_on: String,
    pub kind: String,
    pub device: String,
}

/// The same moment on two clocks.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    pub monotonic_ns: u64,
    /// Since the Unix epoch.
    pub wall_ns: u64,
}

/// A probe family as it was attached, or not.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Family {
    pub name: String,
    /// Tracepoints or functions, in words.
    pub hooks: Vec<String>,
    /// Why the family, or a part of it, is missing.
    pub missing: Option<String>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Label {
    pub process: ProcessSerial,
    pub label: String,
    /// `seeder`, `leecher`, …
    pub role: String,
    /// Name and version of the program, as it says itself.
    pub program: Option<String>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ProcessTotals {
    pub at_ns: u64,
    pub process: ProcessSerial,
    pub pid: u32,
    pub parent_pid: u32,
    pub comm: String,
    /// When it became a target.
    pub since_ns: u64,
    pub exited_ns: Option<u64>,
    pub tcp_rx_bytes: u64,
    pub tcp_tx_bytes: u64,
    pub udp_rx_bytes: u64,
    pub udp_tx_bytes: u64,
    /// Payload without control traffic.
    pub peer_rx_bytes: u64,
    pub peer_tx_bytes: u64,
    pub peer_rx_last_ns: Option<u64>,
    pub peer_tx_last_ns: Option<u64>,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ThreadState {
    Cpu,
    Runqueue,
    Blocked,
    /// Asleep since before the recording.
    Idle,
    Exited,
    /// Runnable, and the CPU quota of its cgroup is used up.
    Throttled,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ThreadTotals {
    pub at_ns: u64,
    pub process: ProcessSerial,
    pub tid: u32,
    /// Start of the thread; with `tid` it is unique.
    pub start_ns: u64,
    pub comm: String,
    /// From here on its time is accounted for: its start, or that of its process's recording.
    pub since_ns: u64,
    pub cpu_ns: u64,
    pub runqueue_ns: u64,
    pub throttled_ns: u64,
    /// Parts of `cpu_ns`.
    pub softirq_ns: u64,
    pub hardirq_ns: u64,
    /// Samples in user and in kernel mode.
    pub user_samples: u32,
    pub kernel_samples: u32,
    pub waits: Waits,
    pub switches: u64,
    /// The state that had not ended at `at_ns`, and when it began.
    pub state: ThreadState,
    pub state_since_ns: u64,
}

/// Time asleep, by the context of the wake-up that ended it.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// The context said nothing.
    pub other_ns: u64,
    pub network_ns: u64,
    pub disk_ns: u64,
    pub timer_ns: u64,
    /// Another task, profiled or not.
    pub thread_ns: u64,
    /// Asleep from before the recording until the first wake-up in it.
    pub idle_ns: u64,
    /// The wake-up was not seen.
    pub unseen_ns: u64,
    /// Inside direct reclaim.
    pub memory_ns: u64,
}

/// The kernel's I/O accounting of a thread (`/proc/PID/task/TID/io`). The first record of a thread is where it
/// stood when the recording began, unless the thread is younger.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadIo {
    pub at_ns: u64,
    pub process: ProcessSerial,
    pub tid: u32,
    pub read_chars: u64,
    pub write_chars: u64,
    pub read_bytes: u64,
    pub write_bytes: u64,
    /// Where the thread stood when it became a target, rather than what it had done.
    pub baseline: bool,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    Tcp,
    Udp,
}

/// One process's use of one socket.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct SocketTotals {
    pub at_ns: u64,
    pub cookie: u64,
    pub process: ProcessSerial,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_calls: u64,
    pub tx_calls: u64,
    pub first_ns: u64,
    pub last_ns: u64,
    /// One of its ports was named as a control port.
    pub control: bool,
    /// Missing where the table of sockets was full.
    pub ends: Option<SocketEnds>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct SocketEnds {
    pub protocol: Protocol,
    pub local: SocketAddr,
    /// Unspecified for a UDP socket that is not connected.
    pub peer: SocketAddr,
    pub netns: u32,
    pub established_ns: Option<u64>,
    pub retransmits: u64,
    pub closed: Option<SocketClosed>,
}

/// The kernel's own totals of a TCP connection when it was released, over all processes that used it.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct SocketClosed {
    pub at_ns: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub bytes_acked: u64,
    pub bytes_retransmitted: u64,
}

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
}

/// Cumulative peer payload of a process.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub at_ns: u64,
    pub process: ProcessSerial,
    /// The socket and the thread whose call completed the stride.
    pub cookie: u64,
    pub tid: u32,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Download,
    Upload,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Transfer {
    pub label: String,
    pub process: ProcessSerial,
    pub direction: Direction,
    pub file_size_bytes: u64,
    pub requested_ns: u64,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum MilestoneName {
    FirstByte,
    P50,
    P90,
    P100,
}

/// A milestone as the application claims it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Milestone {
    /// The transfer's label.
    pub label: String,
    pub name: MilestoneName,
    /// When the application was seen to claim it.
    pub at_ns: u64,
    /// It may have been so much earlier: the time since the application was asked before.
    pub resolution_ns: u64,
    /// What the application said it had.
    pub bytes: u64,
}

/// What it took to ask the application for its milestones.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Polling {
    /// The transfer's label.
    pub label: String,
    pub polls: u64,
    /// CPU time of the asking thread. The answering is part of the process's own time.
    pub cpu_ns: u64,
}

/// The file as it was sent and as it was received, compared after the recording.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Checksum {
    /// The transfer's label.
    pub label: String,
    pub sent_sha256: String,
    pub received_sha256: String,
}

/// A task that is no target and woke one. The last name of an id counts.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    pub tid: u32,
    pub comm: String,
}

/// A stack that spans name by its id.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    pub id: u32,
    /// Innermost first; an address where there is no name.
    pub frames: Vec<String>,
    /// It had more frames than the kernel records.
    pub truncated: bool,
}

/// The class of runs of our programs that the kernel skipped, because one was interrupted by itself.
pub const PROBE_REENTRY: &str = "probe_reentry";

/// The class of stacks that had more frames than the kernel records.
pub const STACK_TRUNCATED: &str = "stack_truncated";

/// The class of records of the ring buffer that the daemon could not read.
pub const UNDECODABLE: &str = "undecodable";

/// Everything that could not be recorded so far, by class; classes without a loss are there with 0.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Losses {
    pub at_ns: u64,
    pub counts: BTreeMap<String, u64>,
}

/// A window in which the kernel counted the runs and the run time of every program. Outside of such windows
/// the statistics are off, because they cost every program on the host.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ProbeWindow {
    pub from_ns: u64,
    pub to_ns: u64,
    pub programs: Vec<ProgramRuns>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ProgramRuns {
    pub program: String,
    pub runs: u64,
    pub run_ns: u64,
}

/// What the recording itself used so far.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Daemon {
    pub at_ns: u64,
    pub cpu_ns: u64,
    pub anon_rss_bytes: u64,
    pub map_bytes: u64,
    pub capture_bytes: u64,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct End {
    pub at_ns: u64,
    /// Why it ended, in words: "the command exited", "interrupted", …
    pub reason: String,
}

impl Waits {
    /// Without the family that sees interrupts, a wake-up by one looks as if the current task had made it.
    pub fn forget_causes(&mut self) {
        let Self { other_ns, network_ns, disk_ns, timer_ns, thread_ns, idle_ns, unseen_ns, memory_ns } =
            *self;
        let asleep_ns = other_ns + network_ns + disk_ns + timer_ns + thread_ns;
        *self = Self { other_ns: asleep_ns, idle_ns, unseen_ns, memory_ns, ..Self::default() };
    }
}

impl SocketEnds {
    /// Whether the peer is known: a connected socket, or a UDP socket that was connected.
    pub fn has_peer(&self) -> bool {
        self.peer.port() != 0 && !self.peer.ip().is_unspecified()
    }
}

impl fmt::Display for MilestoneName {
    /// As in JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::FirstByte => "first_byte",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P100 => "p100",
        })
    }
}
