//! What runs on a CPU besides its task: the context of a wake-up, which tells what a wait was for.

/// One level of the stack of contexts of a CPU. A softirq's code is its vector plus 1; 0 is the task itself.
pub const TASK: u8 = 0;
pub const SOFTIRQ_TIMER: u8 = 2;
pub const SOFTIRQ_NET_TX: u8 = 3;
pub const SOFTIRQ_NET_RX: u8 = 4;
pub const SOFTIRQ_BLOCK: u8 = 5;
pub const SOFTIRQ_HRTIMER: u8 = 9;
pub const HRTIMER: u8 = 16;
pub const HARDIRQ: u8 = 17;
/// Added to the code of an interrupt or softirq in which a disk request was completed.
pub const DISK: u8 = 0x80;

/// The stack of one CPU: the innermost code in the lowest byte, eight levels in all. Softirqs do not nest, and
/// an interrupt or an hrtimer above one is as deep as it was ever seen (6.18).
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContextStack(pub u64);

impl ContextStack {
    const CODE_BITS: u32 = 8;

    #[inline(always)]
    pub const fn innermost(self) -> u8 {
        self.0 as u8
    }

    #[inline(always)]
    pub const fn entered(self, code: u8) -> Self {
        Self(self.0 << Self::CODE_BITS | code as u64)
    }

    #[inline(always)]
    pub const fn left(self) -> Self {
        Self(self.0 >> Self::CODE_BITS)
    }

    /// The same stack, whose innermost context completes disk requests.
    #[inline(always)]
    pub const fn with_disk(self) -> Self {
        Self(self.0 | DISK as u64)
    }

    /// Whether the innermost context is a softirq, rather than an interrupt or an hrtimer.
    #[inline(always)]
    pub const fn is_softirq(self) -> bool {
        self.innermost() & !DISK < HRTIMER
    }
}

/// What a CPU does besides its task, and the time that this took since the task came to the CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    pub stack: ContextStack,
    /// When the innermost context was entered, or entered again; monotonic ns.
    pub since_ns: u64,
    pub softirq_ns: u64,
    pub hardirq_ns: u64,
}

/// What a wait was for, by the context of the wake-up that ended it; the index into `Thread::wait_ns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Wait {
    /// The context says nothing.
    Other = 0,
    Network = 1,
    Disk = 2,
    Timer = 3,
    /// Another task, profiled or not.
    Thread = 4,
    /// Asleep from before the recording.
    Idle = 5,
    /// The wake-up was not seen: what for and until when are not known.
    Unseen = 6,
    /// Inside direct reclaim.
    Memory = 7,
}

/// Number of [`Wait`]s.
pub const WAITS: usize = 8;
