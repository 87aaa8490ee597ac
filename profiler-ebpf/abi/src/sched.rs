//! Time of threads. Each thread has one word, "in this state since then"; every event exchanges the word
//! and adds the elapsed time to the state that ends, so the states always sum to the thread's lifetime.

use crate::Plain;

use super::{context::WAITS, span::Waker};

/// A thread: ids are reused, an id with its start time is not.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ThreadKey {
    /// `task_struct.start_time`, monotonic ns.
    pub start_ns: u64,
    pub tid: u32,
    pub _pad: u32,
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for ThreadKey {}

/// One element of `THREADS`: whole cache lines, because two CPUs write to neighbours. Who wakes a thread finds its lines cold: it
/// touches the first one and that of the waits.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Thread {
    /// Without a `tid` it is free.
    pub key: ThreadKey,
    /// See [`StateWord`].
    pub word: u64,
    /// The last wake-up: of this off-CPU interval, or of the next one if it was seen while the thread was still
    /// on its CPU (see `probes/sched.rs`); 0 if there was none.
    pub woken_ns: u64,
    pub waker: Waker,
    /// When it last left the CPU.
    pub off_ns: u64,

    pub cpu_ns: u64,
    pub runqueue_ns: u64,
    /// `task_struct.se.sum_exec_runtime` at the last switch that was seen.
    pub exec_ns: u64,
    pub process: u64,
    pub switches: u64,
    /// Parts of `cpu_ns`: what softirqs and interrupts took while the thread was on its CPU.
    pub softirq_ns: u64,
    pub hardirq_ns: u64,
    /// See [`Span::deadline_ns`](super::span::Span::deadline_ns): of the last time-out that it set, until it was used.
    pub deadline_ns: u64,

    /// Asleep, and woken within the recording: by [`Wait`](super::context::Wait).
    pub wait_ns: [u64; WAITS],

    /// Of the off-CPU interval that it is in; see [`Span::user_stack`](super::span::Span::user_stack).
    pub user_stack: i32,
    pub kernel_stack: i32,
    /// [`Pending`](super::payload::Pending)'s, while the thread waits for a CPU.
    pub empty_calls: u32,
    pub received: u16,
    /// 1: its last off-CPU interval was a long one, or it had none yet.
    pub was_long: u16,
    pub timeout: Timeout,
    /// The command name of the waker, where that is a task that is no target.
    pub stranger: [u8; 16],
    pub throttled_ns: u64,
    /// Samples of the thread in user and in kernel mode.
    pub user_samples: u32,
    pub kernel_samples: u32,
    /// Monotonic ns: start of the thread, or of the recording if that came later.
    pub since_ns: u64,

    /// Monotonic ns of the last switch off the CPU; 0 while it lives. It is stored last.
    pub exited_ns: u64,
    pub comm: [u8; 16],
    /// `task_struct.ioac` at exit; before, that of a leader whose entry this thread has taken over.
    pub rchar: u64,
    pub wchar: u64,
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub tgid: u32,
    /// The thread that created it; 0 where nobody saw that.
    pub creator_tid: u32,
}

const _: () = assert!(size_of::<Thread>() == 320);

/// The hrtimer of a time-out, to be recognised when the thread leaves its CPU: it may have been taken back by then.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Timeout {
    /// Where it is on the thread's kernel stack.
    pub stack_offset: u32,
    /// The lower half of its soft expiry, on its own clock.
    pub expires: u32,
}

/// Threads whose time can be kept at one time. Element 0 is nobody's.
pub const THREAD_SLOTS: u32 = 16384;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ThreadState {
    /// Not seen since the recording began. Its first event tells: a switch off the CPU that it was running,
    /// a switch to the CPU that it was runnable, a wake-up that it was asleep.
    Unseen = 0,
    Cpu = 1,
    Runqueue = 2,
    Blocked = 3,
    /// Left the CPU to sleep after a wake-up had been seen. If the next event is a switch to the CPU, the
    /// wake-up was for this sleep; if it is another wake-up, that one was.
    Raced = 4,
    Dead = 5,
    /// Runnable, and its cgroup's CPU quota is used up.
    Throttled = 6,
}

/// A state and the monotonic ns since when it holds, in one 64-bit word that is exchanged atomically.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateWord(pub u64);

impl StateWord {
    const STATE_BITS: u32 = 3;

    #[inline(always)]
    pub const fn new(state: ThreadState, since_ns: u64) -> Self {
        Self(since_ns << Self::STATE_BITS | state as u64)
    }

    #[inline(always)]
    pub const fn since_ns(self) -> u64 {
        self.0 >> Self::STATE_BITS
    }

    #[inline(always)]
    pub const fn state(self) -> ThreadState {
        match self.0 & ((1 << Self::STATE_BITS) - 1) {
            0 => ThreadState::Unseen,
            1 => ThreadState::Cpu,
            2 => ThreadState::Runqueue,
            3 => ThreadState::Blocked,
            4 => ThreadState::Raced,
            6 => ThreadState::Throttled,
            _ => ThreadState::Dead,
        }
    }
}
