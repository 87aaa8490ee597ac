//! Spans: one record per off-CPU interval of a target's thread, written when it runs again.

use super::{
    context::{TASK, TaskWaker},
    event::{Event, Kind},
    workers::Worker,
};

/// Times are monotonic ns; 0 is "never".
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    pub kind: u32,
    pub tid: u32,
    pub process: u64,
    /// It left the CPU, or its recording began.
    pub off_ns: u64,
    /// It was woken; 0 where it was runnable all the time, or where the wake-up was not seen.
    pub woken_ns: u64,
    pub on_ns: u64,
    /// From the registers that it entered the kernel with: -1 is a fault or an interrupt.
    pub syscall: i32,
    pub flags: u16,
    /// The one that it ran on again.
    pub cpu: u16,
    /// The call's first two arguments.
    pub arguments: [u64; 2],
    pub waker: Waker,
    /// Ids of `STACKS`, negative without: taken as the thread left the CPU, of off-CPU intervals of [`LONG_NS`] and more.
    pub user_stack: i32,
    pub kernel_stack: i32,
    /// The soft expiry of the time-out of the call that it slept in.
    pub deadline_ns: u64,
}

const _: () = assert!(size_of::<Span>() == 104);

/// No x86-64 kernel has as many CPUs.
pub const NO_CPU: u16 = u16::MAX;

/// Off-CPU intervals that carry stacks, where the previous one of their thread was as long: how long this one lasts is not known
/// as it begins.
pub const LONG_NS: u64 = 1_000_000;

// SAFETY: plain integers without padding, `kind` first.
unsafe impl Event for Span {
    const KIND: Kind = Kind::Span;
}

/// A span whose waker is a task that is no target.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SpanByOutsider {
    /// With this record's kind.
    pub span: Span,
    /// The command name of the waker.
    pub stranger: [u8; 16],
}

const _: () = assert!(size_of::<SpanByOutsider>() == 120);

// SAFETY: plain integers without padding, `kind` first.
unsafe impl Event for SpanByOutsider {
    const KIND: Kind = Kind::SpanByOutsider;
}

/// Bits of [`Span::flags`]: it was runnable when it left.
pub const PREEMPTED: u16 = 1;
/// The quota of its cgroup was used up.
pub const THROTTLED: u16 = 2;
/// `task_struct.in_iowait`.
pub const IOWAIT: u16 = 4;
/// Inside direct reclaim, or in another stall that the kernel counts as one of memory.
pub const RECLAIM: u16 = 8;

/// What woke a thread.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Waker {
    /// The process of a task that is a target.
    pub process: u64,
    /// In interrupt context, where the current task is a bystander: who submitted the request of [`Self::event`], else 0.
    pub tid: u32,
    /// The innermost context: see `abi/context.rs`.
    pub context: u8,
    /// Of a kernel thread the number of a [`Worker`], or [`NAMED_ONLY`](super::workers::NAMED_ONLY).
    pub kernel: u8,
    /// 1: the socket of [`Self::event`] became readable.
    pub readable: u8,
    /// 1: the sleeper's call is on a file of a block device, or on such a device. Asked only where a kernel thread woke it
    /// whose work says nothing.
    pub on_disk: u8,
    /// See [`Context::event`](super::context::Context::event); 0 in task context.
    pub event: u64,
}

impl Waker {
    /// Whether it is a task that is no target; the idle task, too, whose id is 0.
    #[inline(always)]
    pub const fn is_outsider(&self) -> bool {
        self.context == TASK && self.process == 0
    }

    /// The task that woke, where it was one.
    #[inline(always)]
    pub const fn task(&self) -> TaskWaker {
        if self.kernel != 0 {
            TaskWaker::Kernel { worker: Worker::numbered(self.kernel), on_disk: self.on_disk != 0 }
        } else if self.process != 0 {
            TaskWaker::Target
        } else {
            TaskWaker::Process
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::context::SOFTIRQ_NET_RX, Waker};

    /// Else the name of an earlier waker would be taken for its name.
    #[test]
    fn the_idle_task_is_a_stranger_too() {
        let idle = Waker::default();
        assert!(idle.is_outsider());
        assert!(Waker { tid: 7, ..idle }.is_outsider());
        assert!(!Waker { tid: 7, process: 1, ..idle }.is_outsider(), "a target");
        assert!(!Waker { context: SOFTIRQ_NET_RX, ..idle }.is_outsider(), "an interrupt");
    }
}
