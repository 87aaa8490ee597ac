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

    /// Whether the innermost context is a softirq that completes no disk request.
    #[inline(always)]
    pub const fn is_softirq_without_disk(self) -> bool {
        self.innermost() != TASK && self.innermost() < HRTIMER
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
    /// What the innermost context works on; 0: not known. Of an hrtimer's, its `struct hrtimer`; where disk requests are
    /// completed, when this one was submitted, monotonic ns; in other softirqs, the cookie of a socket.
    pub event: u64,
    /// Who submitted the request.
    pub submitter_tid: u32,
    /// 1: the socket became readable. 0: a segment of it is being processed.
    pub readable: u32,
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

/// `io_uring_enter` on x86-64: it sets `in_iowait` for sockets too (6.1.39).
pub const IO_URING_ENTER: u32 = 426;

impl Wait {
    /// What a wait was for, by what is seen of its end: the judgement that the probes add up time by, for the states of
    /// threads, and that the path of a transfer begins with.
    ///
    /// Inside direct reclaim a thread waits for memory, whatever woke it: reclaim's own I/O is not the thread's. Else
    /// the innermost context of the wake-up decides; a timer counts as the disk's where the sleeper waited for I/O, as in
    /// `balance_dirty_pages`. `None` in task context: it is what the waker stands for.
    #[inline(always)]
    pub fn judge(reclaims: bool, context: u8, waits_for_io: impl FnOnce() -> bool) -> Option<Self> {
        if reclaims {
            return Some(Self::Memory);
        }
        Some(match context {
            SOFTIRQ_BLOCK => Self::Disk,
            context if context & DISK != 0 => Self::Disk,
            SOFTIRQ_NET_RX | SOFTIRQ_NET_TX => Self::Network,
            HRTIMER | SOFTIRQ_TIMER | SOFTIRQ_HRTIMER => {
                if waits_for_io() {
                    Self::Disk
                } else {
                    Self::Timer
                }
            }
            TASK => return None,
            _ => Self::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(context: u8, expected: impl Into<Option<Wait>>) {
        let expected = expected.into();
        let judged = |io| Wait::judge(false, context, || io);
        assert_eq!(judged(false), expected);
        let with_io = if expected == Some(Wait::Timer) { Some(Wait::Disk) } else { expected };
        assert_eq!(judged(true), with_io, "the sleeper waits for I/O");
        assert_eq!(Wait::judge(true, context, || unreachable!("not asked")), Some(Wait::Memory));
    }

    #[test]
    fn the_context_of_the_wake_up_decides_and_io_only_of_a_timer() {
        check(SOFTIRQ_NET_RX, Wait::Network);
        check(SOFTIRQ_NET_TX, Wait::Network);
        check(SOFTIRQ_BLOCK, Wait::Disk);
        check(SOFTIRQ_BLOCK | DISK, Wait::Disk);
        check(HARDIRQ | DISK, Wait::Disk);
        check(HARDIRQ, Wait::Other);
        check(SOFTIRQ_TIMER, Wait::Timer);
        check(SOFTIRQ_HRTIMER, Wait::Timer);
        check(HRTIMER, Wait::Timer);
        check(TASK, None);
        // RCU's.
        check(10, Wait::Other);
    }
}
