//! What one wait was for, by [`Wait::judge`], which the probes add up the threads' states by, too; and of waits for another
//! thread, which one it was, and whether it held a lock.
//!
//! This is what the kernel showed of a single wait. An event loop's waits need what follows them as well
//! (`attribution::lineage`).

use abi::{
    context::{self, TaskWaker, Wait},
    workers::Worker,
};

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
    let judged = Wait::judge(span.reclaim, context_of(span.wake), task(span), || waits_for_io);
    Some(match judged {
        Wait::Memory => Cause::Memory,
        Wait::Network => Cause::Network,
        Wait::Disk => Cause::Disk,
        Wait::Timer => Cause::Timer,
        Wait::Thread => by_thread(span, futexes),
        Wait::Other | Wait::Idle | Wait::Unseen => Cause::Unknown,
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

/// The task that woke, as the probes know it.
fn task(span: &Span) -> TaskWaker {
    match (span.wake, span.by_kernel) {
        (Wake::Task { kind: TaskKind::Target, .. }, _) => TaskWaker::Target,
        (Wake::Task { kind: TaskKind::Kernel(worker), .. }, _) => {
            TaskWaker::Kernel { worker: kernel_worker(worker), on_disk: false }
        }
        (_, Some(on_disk)) => TaskWaker::Kernel { worker: Worker::Unknown, on_disk },
        (_, None) => TaskWaker::Process,
    }
}

fn kernel_worker(worker: KernelWorker) -> Worker {
    match worker {
        KernelWorker::Journal => Worker::Journal,
        KernelWorker::LoopDevice => Worker::LoopDevice,
        KernelWorker::Throttle => Worker::Throttle,
        KernelWorker::Writeback => Worker::Writeback,
        KernelWorker::Napi => Worker::Napi,
        KernelWorker::IoUringPoll => Worker::IoUringPoll,
    }
}

fn by_thread(span: &Span, futexes: &FutexWaits) -> Cause {
    let Wake::Task { tid: waker, kind: TaskKind::Target, .. } = span.wake else {
        return Cause::OutsideWaker;
    };
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
    fn a_kernel_thread_that_says_nothing_ends_a_wait_for_the_sleepers_file() {
        let by_kernel = |on_disk| Span { by_kernel: Some(on_disk), ..asleep_in(READ, OUTSIDER) };
        check(by_kernel(true), Cause::Disk);
        check(by_kernel(false), Cause::Unknown);
        check(with_iowait(by_kernel(false)), Cause::Disk);
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
        assert_eq!(of(&mine, &futex::waits([mine])), Some(Cause::Thread { waker: 2 }));
        assert_eq!(of(&mine, &futex::waits([mine, theirs])), Some(Cause::Lock { holder: 2 }));
        let elsewhere = Span { process: ProcessSerial(2), ..theirs };
        assert_eq!(of(&mine, &futex::waits([mine, elsewhere])), Some(Cause::Thread { waker: 2 }));
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
