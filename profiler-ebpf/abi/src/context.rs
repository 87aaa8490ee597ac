//! What runs on a CPU besides its task: the context of a wake-up, which tells what a wait was for.

use super::{Plain, workers::Worker};

/// One level of the stack of contexts of a CPU. A softirq's code is its vector plus 1; 0 is the task itself.
pub const TASK: u8 = 0;
pub const SOFTIRQ_TIMER: u8 = 2;
pub const SOFTIRQ_NET_TX: u8 = 3;
pub const SOFTIRQ_NET_RX: u8 = 4;
pub const SOFTIRQ_BLOCK: u8 = 5;
pub const SOFTIRQ_HRTIMER: u8 = 9;
pub const HRTIMER: u8 = 16;
pub const HARDIRQ: u8 = 17;
/// Added to the code of an interrupt or softirq in which a disk request was completed. To that of [`TASK`]: in a threaded
/// interrupt, or another kernel thread of one device.
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

    /// The same stack, whose innermost context completes no disk request any more.
    #[inline(always)]
    pub const fn without_disk(self) -> Self {
        Self(self.0 & !(DISK as u64))
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
    /// The kernel thread that runs here and has completed a disk request since it came to the CPU; 0 without.
    pub completer_tid: u32,
    pub _pad: u32,
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for Context {}

impl Context {
    /// The innermost context has come to a socket, 0 if that has no cookie. What a softirq completed before, it completed for an
    /// earlier segment: that of a network disk (iSCSI). So did a thread of the kernel that polls an interface; which socket it has
    /// come to is not kept, for in task context (a socket's backlog) it could not be seen when that ends.
    #[inline(always)]
    pub fn works_on(&mut self, cookie: u64, readable: bool) {
        if self.stack.innermost() == TASK {
            self.completer_tid = 0;
        } else if self.stack.is_softirq() {
            self.stack = self.stack.without_disk();
            self.submitter_tid = 0;
            self.event = cookie;
            self.readable = readable as u32;
        }
    }

    /// Adds the time of the innermost context up to now. An interrupt between the reading of the clock and this may have moved
    /// `since_ns` beyond it.
    #[inline(always)]
    pub fn pass(&mut self, now_ns: u64) {
        let ns = now_ns.saturating_sub(self.since_ns);
        if self.stack.is_softirq() {
            self.softirq_ns += ns;
        } else {
            self.hardirq_ns += ns;
        }
    }
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

/// The task that woke a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskWaker {
    Target,
    /// A process that is no target.
    Process,
    /// A thread of the kernel, and whether the sleeper's own call is on a disk's file: see [`Waker::on_disk`](super::span::Waker::on_disk).
    Kernel {
        worker: Worker,
        on_disk: bool,
    },
}

impl Wait {
    /// What a wait was for, by what is seen of its end: the one judgement, by which the probes add up time for the states of
    /// threads, and which the path of a transfer begins with.
    ///
    /// Inside direct reclaim a thread waits for memory, whatever woke it: reclaim's own I/O is not the thread's. Else
    /// the innermost context of the wake-up decides; a timer counts as the disk's where the sleeper waited for I/O, as in
    /// `balance_dirty_pages`. In task context it is what the waker works on, or where that says nothing what the sleeper's call
    /// is about. Where all of that does not tell, `waits_for_io` does: `in_iowait`, but not in io_uring, which sets it for
    /// sockets too (6.1.39 on).
    #[inline(always)]
    pub fn judge(reclaims: bool, context: u8, task: TaskWaker, waits_for_io: impl FnOnce() -> bool) -> Self {
        if reclaims {
            return Self::Memory;
        }
        let unless_io = match context {
            SOFTIRQ_BLOCK => return Self::Disk,
            context if context & DISK != 0 => return Self::Disk,
            SOFTIRQ_NET_RX | SOFTIRQ_NET_TX => return Self::Network,
            HRTIMER | SOFTIRQ_TIMER | SOFTIRQ_HRTIMER => Self::Timer,
            TASK => match task {
                TaskWaker::Target => return Self::Thread,
                TaskWaker::Process => Self::Thread,
                TaskWaker::Kernel { worker, on_disk } => match worker {
                    Worker::Journal | Worker::LoopDevice | Worker::Throttle | Worker::Writeback => {
                        return Self::Disk;
                    }
                    Worker::Napi => return Self::Network,
                    Worker::IoUringPoll => return Self::Other,
                    Worker::Unknown if on_disk => return Self::Disk,
                    Worker::Unknown => Self::Other,
                },
            },
            _ => Self::Other,
        };
        if waits_for_io() { Self::Disk } else { unless_io }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With what it is where the sleeper waits for I/O.
    #[track_caller]
    fn check(context: u8, task: TaskWaker, expected: Wait, with_io: Wait) {
        let judged = |io| Wait::judge(false, context, task, || io);
        assert_eq!((judged(false), judged(true)), (expected, with_io));
        assert_eq!(Wait::judge(true, context, task, || unreachable!("not asked")), Wait::Memory);
    }

    #[test]
    fn the_context_of_the_wake_up_decides_and_io_only_of_what_does_not_tell() {
        let check = |context, expected, with_io| check(context, TaskWaker::Process, expected, with_io);
        check(SOFTIRQ_NET_RX, Wait::Network, Wait::Network);
        check(SOFTIRQ_NET_TX, Wait::Network, Wait::Network);
        check(SOFTIRQ_BLOCK, Wait::Disk, Wait::Disk);
        check(SOFTIRQ_BLOCK | DISK, Wait::Disk, Wait::Disk);
        check(HARDIRQ | DISK, Wait::Disk, Wait::Disk);
        // A threaded interrupt's.
        check(TASK | DISK, Wait::Disk, Wait::Disk);
        check(HARDIRQ, Wait::Other, Wait::Disk);
        check(SOFTIRQ_TIMER, Wait::Timer, Wait::Disk);
        check(SOFTIRQ_HRTIMER, Wait::Timer, Wait::Disk);
        check(HRTIMER, Wait::Timer, Wait::Disk);
        // RCU's.
        check(10, Wait::Other, Wait::Disk);
        check(TASK, Wait::Thread, Wait::Disk);
    }

    /// A request of a network disk is completed in the softirq that brings its segment.
    #[test]
    fn a_softirq_that_comes_to_another_socket_completes_no_disk_request_any_more() {
        let completing = |code: u8| Context {
            stack: ContextStack::default().entered(HARDIRQ).entered(code).with_disk(),
            event: 1000,
            submitter_tid: 7,
            completer_tid: 8,
            ..Context::default()
        };
        let mut softirq = completing(SOFTIRQ_NET_RX);
        softirq.works_on(5, true);
        assert_eq!(softirq.stack, ContextStack::default().entered(HARDIRQ).entered(SOFTIRQ_NET_RX));
        assert_eq!((softirq.event, softirq.readable, softirq.submitter_tid), (5, 1, 0));
        // An interrupt comes to no socket; its program may, in what it has interrupted.
        let mut interrupt = completing(HARDIRQ);
        interrupt.works_on(5, true);
        assert_eq!((interrupt.stack, interrupt.event), (completing(HARDIRQ).stack, 1000));
        let mut polling = Context { completer_tid: 8, ..Context::default() };
        polling.works_on(5, true);
        assert_eq!((polling.completer_tid, polling.event), (0, 0));
    }

    /// It was read before an interrupt that has been added by now.
    #[test]
    fn a_clock_that_is_behind_adds_nothing() {
        let mut context =
            Context { stack: ContextStack(HARDIRQ.into()), since_ns: 100, ..Context::default() };
        context.pass(90);
        assert_eq!(context.hardirq_ns, 0);
        context.pass(130);
        assert_eq!(context.hardirq_ns, 30);
    }

    #[test]
    fn a_kernel_thread_stands_for_what_it_works_on_or_the_sleepers_file() {
        let by = |worker, on_disk| TaskWaker::Kernel { worker, on_disk };
        check(TASK, TaskWaker::Target, Wait::Thread, Wait::Thread);
        check(TASK, by(Worker::Journal, false), Wait::Disk, Wait::Disk);
        check(TASK, by(Worker::Writeback, false), Wait::Disk, Wait::Disk);
        check(TASK, by(Worker::Napi, false), Wait::Network, Wait::Network);
        check(TASK, by(Worker::IoUringPoll, false), Wait::Other, Wait::Other);
        check(TASK, by(Worker::Unknown, false), Wait::Other, Wait::Disk);
        check(TASK, by(Worker::Unknown, true), Wait::Disk, Wait::Disk);
    }
}
