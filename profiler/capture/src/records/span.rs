//! Spans: one record per off-CPU interval of a target thread, as the probe writes it.
//!
//! A span says what the kernel showed and nothing more: what the interval was *for* is worked out in
//! `attribution::cause`. Times are monotonic ns. Records may come in any order.

use serde::{Deserialize, Serialize};

use crate::ProcessSerial;

/// A thread left the CPU, was woken, and ran again.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub process: ProcessSerial,
    pub tid: u32,
    /// When it left. At or before the thread's `since_ns`: it was asleep when the recording found it.
    pub off_ns: u64,
    /// When it was woken; before `off_ns` where the waker was faster than the switch. None: preempted,
    /// throttled, or not woken before the recording ended.
    pub woken_ns: Option<u64>,
    /// When it ran again. None: still off the CPU at the end.
    pub on_ns: Option<u64>,
    /// It was runnable when it left.
    pub preempted: bool,
    /// The CPU quota of its cgroup was used up.
    pub throttled: bool,
    /// `task_struct.in_iowait`.
    pub iowait: bool,
    /// Inside direct reclaim, or in another stall that the kernel counts as one of memory.
    pub reclaim: bool,
    pub doing: Doing,
    pub wake: Wake,
    /// Of off-CPU intervals of 1 ms and more, some.
    pub stacks: Stacks,
    // Appended; captures up to November 2026 have none of the following.
    /// The time-out that the call slept with, as the soft expiry of its hrtimer, whatever clock the call names. None: without
    /// one, or one of the timer wheel, as `SO_RCVTIMEO`'s.
    pub deadline_ns: Option<u64>,
    /// The hrtimer in whose expiry it was woken: the time-out of the call, or one that a [`TimerSet`](crate::TimerSet)
    /// names. An id is that of another timer once this one is gone.
    pub timer: Option<u64>,
    /// Cookie of the socket in whose `sk_data_ready` it was woken, in a softirq. None for sockets that no target had used yet.
    pub socket: Option<u64>,
    /// The CPU that it ran on again.
    pub cpu: Option<u32>,
    /// When the disk request was submitted in whose completion it was woken, and by which thread: of requests that a
    /// target submitted through io_uring or libaio.
    pub submitted_ns: Option<u64>,
    pub submitter_tid: Option<u32>,
    /// Cookie of the TCP socket of which a segment was processed as it was woken, without anything that became readable: as
    /// a rule there is room to send.
    pub segment: Option<u64>,
    /// A kernel thread woke it whose work says nothing: whether the call that it slept in is on a file of a block device, or on
    /// such a device.
    pub by_kernel: Option<bool>,
}

impl Span {
    /// Whether the thread slept, rather than waited for a CPU only.
    pub fn blocks(&self) -> bool {
        // Unthrottling is no wake-up.
        let unthrottled = self.throttled && self.woken_ns.is_none();
        !(self.preempted || unthrottled)
    }

    /// Asleep when the recording ended.
    pub fn never_woken(&self) -> bool {
        self.blocks() && self.woken_ns.is_none() && self.on_ns.is_none()
    }
}

/// Ids of [`Stack`](crate::Stack) records.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stacks {
    pub user: Option<u32>,
    pub kernel: Option<u32>,
}

/// What the thread was doing when it left, from its saved registers.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doing {
    /// None: a page fault.
    pub syscall: Option<i32>,
    /// The first argument of a call that takes a file descriptor.
    pub fd: Option<i32>,
    pub futex: Option<Futex>,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Futex {
    pub address: u64,
    /// The `op` argument as passed, with its flags.
    pub operation: i32,
}

/// The innermost context that the wake-up came from. In interrupt context the current task is a bystander,
/// and is not recorded.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Wake {
    Softirq(Softirq),
    HardIrq {
        disk: bool,
    },
    HrTimer,
    Task {
        tid: u32,
        /// Where the waker is a target.
        process: Option<ProcessSerial>,
        kind: TaskKind,
    },
    /// No wake-up was seen.
    #[default]
    Unknown,
}

/// Softirq vectors that tell what a wait was for.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Softirq {
    NetRx,
    NetTx,
    Block,
    Timer,
    HrTimer,
    Other,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    Target,
    Kernel(KernelWorker),
    /// A process that is not profiled, or a kernel thread that says nothing about the wait.
    Other,
}

/// What kernel threads work on, by the functions that they run; in captures up to November 2026 by their names.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum KernelWorker {
    /// A journal.
    Journal,
    LoopDevice,
    /// The block throttle.
    Throttle,
    /// Writeback, or other work of a file system or of the block layer.
    Writeback,
    Napi,
    /// io_uring's polling thread: every completion passes through it, so that the cause is lost.
    IoUringPoll,
}
