//! Spans as the probes write them.

use abi::{
    context,
    sched::{StateWord, Thread, ThreadState},
    span::{self, IOWAIT, NO_CPU, PREEMPTED, RECLAIM, THROTTLED},
    workers::{NAMED_ONLY, Worker},
};

use super::{earlier_workers, nonzero};
use crate::{
    OutsideWaker, ProcessSerial, comm_text,
    records::span::{Doing, Futex, KernelWorker, Softirq, Span, Stacks, TaskKind, Wake},
};

/// `FUTEX` and the calls of x86-64 whose first argument is a file descriptor that a thread may wait for.
const FUTEX: i32 = 202;
const ON_FD: &[i32] = &[
    0,   // read
    1,   // write
    16,  // ioctl
    17,  // pread64
    18,  // pwrite64
    19,  // readv
    20,  // writev
    40,  // sendfile
    42,  // connect
    43,  // accept
    44,  // sendto
    45,  // recvfrom
    46,  // sendmsg
    47,  // recvmsg
    72,  // fcntl
    73,  // flock
    74,  // fsync
    75,  // fdatasync
    77,  // ftruncate
    217, // getdents64
    232, // epoll_wait
    275, // splice
    277, // sync_file_range
    278, // vmsplice
    281, // epoll_pwait
    285, // fallocate
    288, // accept4
    295, // preadv
    296, // pwritev
    299, // recvmmsg
    306, // syncfs
    307, // sendmmsg
    326, // copy_file_range
    327, // preadv2
    328, // pwritev2
    426, // io_uring_enter
    441, // epoll_pwait2
];

/// With the command name of a waker that is no target.
pub fn span(raw: &span::Span, stranger: Option<[u8; 16]>) -> Span {
    let has = |flag| raw.flags & flag != 0;
    let woken_by = if raw.woken_ns == 0 { Event::default() } else { event(&raw.waker) };
    Span {
        process: ProcessSerial(raw.process),
        tid: raw.tid,
        off_ns: raw.off_ns,
        woken_ns: nonzero(raw.woken_ns),
        on_ns: nonzero(raw.on_ns),
        preempted: has(PREEMPTED),
        throttled: has(THROTTLED),
        iowait: has(IOWAIT),
        reclaim: has(RECLAIM),
        doing: doing(raw.syscall, raw.arguments),
        wake: if raw.woken_ns == 0 { Wake::Unknown } else { wake(&raw.waker, &stranger.unwrap_or_default()) },
        stacks: Stacks { user: raw.user_stack.try_into().ok(), kernel: raw.kernel_stack.try_into().ok() },
        deadline_ns: nonzero(raw.deadline_ns),
        timer: woken_by.timer,
        socket: woken_by.socket,
        cpu: (raw.cpu != NO_CPU).then_some(raw.cpu.into()),
        submitted_ns: woken_by.submitted_ns,
        submitter_tid: woken_by.submitter_tid,
        segment: woken_by.segment,
        by_kernel: by_kernel(&raw.waker, raw.woken_ns, &stranger.unwrap_or_default()),
    }
}

/// The off-CPU interval that had not ended when the probes were detached; None for a thread that ran. What it was
/// doing is not known: the registers are read when a thread runs again.
pub fn open(raw: &Thread) -> Option<Span> {
    let state = StateWord(raw.word).state();
    let throttled = state == ThreadState::Throttled;
    let asleep = matches!(state, ThreadState::Blocked | ThreadState::Unseen);
    if matches!(state, ThreadState::Cpu | ThreadState::Dead) {
        return None;
    }
    let woken_ns = if asleep { None } else { nonzero(raw.woken_ns) };
    let woken_by = woken_ns.map(|_| event(&raw.waker)).unwrap_or_default();
    Some(Span {
        process: ProcessSerial(raw.process),
        tid: raw.key.tid,
        off_ns: raw.off_ns,
        woken_ns,
        on_ns: None,
        preempted: !asleep && !throttled && woken_ns.is_none(),
        throttled,
        iowait: false,
        reclaim: false,
        doing: Doing::default(),
        wake: woken_ns.map_or(Wake::Unknown, |_| wake(&raw.waker, &raw.stranger)),
        stacks: Stacks { user: raw.user_stack.try_into().ok(), kernel: raw.kernel_stack.try_into().ok() },
        deadline_ns: if asleep { nonzero(raw.deadline_ns) } else { None },
        timer: woken_by.timer,
        socket: woken_by.socket,
        submitted_ns: woken_by.submitted_ns,
        submitter_tid: woken_by.submitter_tid,
        segment: woken_by.segment,
        by_kernel: by_kernel(&raw.waker, woken_ns.unwrap_or(0), &raw.stranger),
        ..Span::default()
    })
}

pub fn stranger(tid: u32, comm: &[u8; 16]) -> OutsideWaker {
    OutsideWaker { tid, comm: comm_text(comm) }
}

fn doing(syscall: i32, [first, second]: [u64; 2]) -> Doing {
    let futex = (syscall == FUTEX).then_some(Futex { address: first, operation: second as i32 });
    Doing {
        syscall: (syscall >= 0).then_some(syscall),
        fd: ON_FD.contains(&syscall).then_some(first as i32),
        futex,
    }
}

fn wake(raw: &span::Waker, stranger: &[u8; 16]) -> Wake {
    match raw.context {
        context::TASK => Wake::Task {
            tid: raw.tid,
            process: nonzero(raw.process).map(ProcessSerial),
            kind: match raw.process {
                0 => stranger_kind(raw, stranger),
                _ => TaskKind::Target,
            },
        },
        context::HRTIMER => Wake::HrTimer,
        context::HARDIRQ => Wake::HardIrq { disk: false },
        context::SOFTIRQ_TIMER => Wake::Softirq(Softirq::Timer),
        context::SOFTIRQ_NET_TX => Wake::Softirq(Softirq::NetTx),
        context::SOFTIRQ_NET_RX => Wake::Softirq(Softirq::NetRx),
        context::SOFTIRQ_HRTIMER => Wake::Softirq(Softirq::HrTimer),
        code if code & !context::DISK == context::SOFTIRQ_BLOCK => Wake::Softirq(Softirq::Block),
        code if code & context::DISK != 0 => Wake::HardIrq { disk: true },
        _ => Wake::Softirq(Softirq::Other),
    }
}

/// What woke a thread, beyond the context.
#[derive(Default)]
struct Event {
    timer: Option<u64>,
    socket: Option<u64>,
    submitted_ns: Option<u64>,
    submitter_tid: Option<u32>,
    segment: Option<u64>,
}

/// See [`context::Context::event`].
fn event(raw: &span::Waker) -> Event {
    let event = nonzero(raw.event);
    match raw.context {
        context::TASK => Event::default(),
        context::HRTIMER => Event { timer: event, ..Event::default() },
        code if code & context::DISK != 0 => Event {
            submitted_ns: event,
            submitter_tid: event.and(nonzero(raw.tid.into())).map(|tid| tid as u32),
            ..Event::default()
        },
        _ if raw.readable != 0 => Event { socket: event, ..Event::default() },
        _ => Event { segment: event, ..Event::default() },
    }
}

fn stranger_kind(raw: &span::Waker, comm: &[u8; 16]) -> TaskKind {
    worker(raw, comm).map_or(TaskKind::Other, TaskKind::Kernel)
}

/// See [`Span::by_kernel`].
fn by_kernel(raw: &span::Waker, woken_ns: u64, comm: &[u8; 16]) -> Option<bool> {
    let says_nothing = woken_ns != 0 && raw.is_outsider() && raw.kernel != 0 && worker(raw, comm).is_none();
    says_nothing.then_some(raw.on_disk != 0)
}

/// What a kernel thread stands for; None for a user's, and for one that says nothing.
fn worker(raw: &span::Waker, comm: &[u8; 16]) -> Option<KernelWorker> {
    match raw.kernel {
        0 => None,
        NAMED_ONLY => earlier_workers::by_name(comm),
        number => match Worker::numbered(number) {
            Worker::Unknown => None,
            Worker::Journal => Some(KernelWorker::Journal),
            Worker::LoopDevice => Some(KernelWorker::LoopDevice),
            Worker::Throttle => Some(KernelWorker::Throttle),
            Worker::Writeback => Some(KernelWorker::Writeback),
            Worker::Napi => Some(KernelWorker::Napi),
            Worker::IoUringPoll => Some(KernelWorker::IoUringPoll),
        },
    }
}
