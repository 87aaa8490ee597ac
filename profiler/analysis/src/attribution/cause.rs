//! What one wait was for, from the context of its wake-up alone: [`Wait::judge`], which the threads' states go by too, and
//! what the path alone asks: `in_iowait` where the context does not tell, and which thread or lock it was.
//!
//! This is what the kernel showed of a single wait. An event loop's waits need what follows them as well
//! (`attribution::progress`). Where the context does not tell (a waker outside the targets, an unknown interrupt, no wake-up),
//! `in_iowait` does, except in io_uring waits, which set it for sockets too (6.1.39 on). Inside direct
//! reclaim the thread waits for memory, whatever woke it.

use abi::context::{self, Wait};

use crate::attribution::{calls, futex::FutexWaits};
use capture::span::{KernelWorker, Softirq, Span, TaskKind, Wake};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Network,
    Disk,
    Timer,
    Memory,
    /// Held by the thread that woke.
    Lock {
        holder: u32,
    },
    /// Another target thread had something to do first.
    Thread {
        waker: u32,
    },
    /// A task that is not profiled.
    OutsideWaker,
    /// Not woken before the recording ended.
    Never,
    /// The cause was lost, or says nothing.
    Unknown,
}

/// The cause of a span; None where the thread did not block.
pub fn of(span: &Span, futexes: &FutexWaits) -> Option<Cause> {
    if !span.blocks() {
        return None;
    }
    if span.never_woken() {
        return Some(Cause::Never);
    }
    let waits_for_io = span.iowait && !calls::is_io_uring(span.doing.syscall);
    let disk_or = |cause| if waits_for_io { Cause::Disk } else { cause };
    let Some(judged) = Wait::judge(span.reclaim, context_of(span.wake), || waits_for_io) else {
        return Some(by_task(span, futexes, disk_or));
    };
    Some(match judged {
        Wait::Memory => Cause::Memory,
        Wait::Network => Cause::Network,
        Wait::Disk => Cause::Disk,
        Wait::Timer => Cause::Timer,
        Wait::Other | Wait::Thread | Wait::Idle | Wait::Unseen => disk_or(Cause::Unknown),
    })
}

/// The context as the probes know it.
fn context_of(wake: Wake) -> u8 {
    match wake {
        Wake::Softirq(Softirq::NetRx) => context::SOFTIRQ_NET_RX,
        Wake::Softirq(Softirq::NetTx) => context::SOFTIRQ_NET_TX,
        Wake::Softirq(Softirq::Block) => context::SOFTIRQ_BLOCK,
        Wake::Softirq(Softirq::Timer) => context::SOFTIRQ_TIMER,
        Wake::Softirq(Softirq::HrTimer) => context::SOFTIRQ_HRTIMER,
        Wake::HrTimer => context::HRTIMER,
        Wake::HardIrq { disk: true } => context::HARDIRQ | context::DISK,
        // Which softirq it was, or whether there was a wake-up, says as little as the interrupt.
        Wake::HardIrq { disk: false } | Wake::Softirq(Softirq::Other) | Wake::Unknown => context::HARDIRQ,
        Wake::Task { .. } => context::TASK,
    }
}

fn by_task(span: &Span, futexes: &FutexWaits, disk_or: impl FnOnce(Cause) -> Cause) -> Cause {
    match span.wake {
        Wake::Task { kind: TaskKind::Kernel(worker), .. } => by_worker(worker),
        Wake::Task { tid, kind: TaskKind::Target, .. } => by_target(span, tid, futexes),
        _ => disk_or(Cause::OutsideWaker),
    }
}

fn by_worker(worker: KernelWorker) -> Cause {
    match worker {
        KernelWorker::Journal
        | KernelWorker::LoopDevice
        | KernelWorker::Throttle
        | KernelWorker::Writeback => Cause::Disk,
        KernelWorker::Napi => Cause::Network,
        KernelWorker::IoUringPoll => Cause::Unknown,
    }
}

fn by_target(span: &Span, waker: u32, futexes: &FutexWaits) -> Cause {
    match span.doing.futex {
        Some(futex) if futexes.is_lock(span.process, futex, waker) => Cause::Lock { holder: waker },
        Some(_) | None => Cause::Thread { waker },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribution::futex;
    use capture::{
        ProcessSerial,
        span::{Doing, Futex, Stacks},
    };

    const READ: i32 = 0;
    const IO_URING_ENTER: i32 = 426;
    const FUTEX: i32 = 202;

    const BLOCK: Wake = Wake::Softirq(Softirq::Block);
    const NET_RX: Wake = Wake::Softirq(Softirq::NetRx);
    const TIMER: Wake = Wake::Softirq(Softirq::Timer);
    const OUTSIDER: Wake = Wake::Task { tid: 9, process: None, kind: TaskKind::Other };

    fn asleep_in(syscall: impl Into<Option<i32>>, wake: Wake) -> Span {
        Span {
            process: ProcessSerial(1),
            tid: 1,
            off_ns: 10,
            woken_ns: Some(20),
            on_ns: Some(30),
            preempted: false,
            throttled: false,
            iowait: false,
            reclaim: false,
            doing: Doing { syscall: syscall.into(), ..Doing::default() },
            wake,
            stacks: Stacks::default(),
            ..Span::default()
        }
    }

    fn with_iowait(span: Span) -> Span {
        Span { iowait: true, ..span }
    }

    fn on_futex(operation: i32, waker: u32) -> Span {
        let wake = Wake::Task { tid: waker, process: Some(ProcessSerial(1)), kind: TaskKind::Target };
        let doing = Doing { syscall: Some(FUTEX), fd: None, futex: Some(Futex { address: 0x10, operation }) };
        Span { doing, ..asleep_in(FUTEX, wake) }
    }

    #[track_caller]
    fn check(span: Span, expected: impl Into<Option<Cause>>) {
        assert_eq!(of(&span, &FutexWaits::default()), expected.into());
    }

    #[test]
    fn interrupt_context_tells_the_device() {
        check(asleep_in(READ, NET_RX), Cause::Network);
        check(asleep_in(READ, Wake::Softirq(Softirq::NetTx)), Cause::Network);
        check(asleep_in(READ, BLOCK), Cause::Disk);
        check(asleep_in(READ, Wake::HardIrq { disk: true }), Cause::Disk);
        check(asleep_in(READ, Wake::HardIrq { disk: false }), Cause::Unknown);
        check(asleep_in(READ, TIMER), Cause::Timer);
        check(asleep_in(READ, Wake::Softirq(Softirq::HrTimer)), Cause::Timer);
        check(asleep_in(READ, Wake::HrTimer), Cause::Timer);
        check(asleep_in(READ, Wake::Softirq(Softirq::Other)), Cause::Unknown);
    }

    #[test]
    fn iowait_makes_a_timer_a_disk_but_not_in_io_uring() {
        check(with_iowait(asleep_in(READ, TIMER)), Cause::Disk);
        check(with_iowait(asleep_in(READ, Wake::HrTimer)), Cause::Disk);
        check(with_iowait(asleep_in(IO_URING_ENTER, TIMER)), Cause::Timer);
        check(with_iowait(asleep_in(READ, OUTSIDER)), Cause::Disk);
        check(with_iowait(asleep_in(READ, Wake::Unknown)), Cause::Disk);
    }

    #[test]
    fn context_outranks_iowait() {
        check(with_iowait(asleep_in(IO_URING_ENTER, NET_RX)), Cause::Network);
        check(with_iowait(asleep_in(READ, NET_RX)), Cause::Network);
        check(asleep_in(IO_URING_ENTER, BLOCK), Cause::Disk);
    }

    #[test]
    fn kernel_threads_stand_for_their_device() {
        let by =
            |worker| asleep_in(READ, Wake::Task { tid: 9, process: None, kind: TaskKind::Kernel(worker) });
        check(by(KernelWorker::Journal), Cause::Disk);
        check(by(KernelWorker::LoopDevice), Cause::Disk);
        check(by(KernelWorker::Throttle), Cause::Disk);
        check(by(KernelWorker::Writeback), Cause::Disk);
        check(by(KernelWorker::Napi), Cause::Network);
        check(by(KernelWorker::IoUringPoll), Cause::Unknown);
        check(asleep_in(READ, OUTSIDER), Cause::OutsideWaker);
    }

    #[test]
    fn a_fault_is_disk_or_under_reclaim_memory() {
        check(asleep_in(None, BLOCK), Cause::Disk);
        check(Span { reclaim: true, ..asleep_in(None, BLOCK) }, Cause::Memory);
        check(Span { reclaim: true, ..asleep_in(None, TIMER) }, Cause::Memory);
    }

    #[test]
    fn a_futex_is_a_lock_only_where_its_waker_waits_on_it_too() {
        let (mine, theirs) = (on_futex(128, 2), Span { tid: 2, ..on_futex(128, 1) });
        assert_eq!(of(&mine, &futex::waits([&mine])), Some(Cause::Thread { waker: 2 }));
        assert_eq!(of(&mine, &futex::waits([&mine, &theirs])), Some(Cause::Lock { holder: 2 }));
        let elsewhere = Span { process: ProcessSerial(2), ..theirs };
        assert_eq!(of(&mine, &futex::waits([&mine, &elsewhere])), Some(Cause::Thread { waker: 2 }));
    }

    #[test]
    fn pi_operations_are_locks() {
        check(on_futex(6 | 128, 2), Cause::Lock { holder: 2 });
        check(on_futex(13, 2), Cause::Lock { holder: 2 });
        check(on_futex(11 | 128, 2), Cause::Thread { waker: 2 });
        check(on_futex(9 | 128 | 256, 2), Cause::Thread { waker: 2 });
    }

    #[test]
    fn what_did_not_block_has_no_cause() {
        let running = asleep_in(READ, Wake::Unknown);
        check(Span { preempted: true, woken_ns: None, ..running }, None);
        check(Span { throttled: true, woken_ns: None, ..running }, None);
        check(Span { woken_ns: None, on_ns: None, ..running }, Cause::Never);
        check(Span { woken_ns: None, ..running }, Cause::Unknown);
    }
}
