//! Until when a call sleeps, and what timers a thread sets for later.
//!
//! The time-out of a call that sleeps is an hrtimer on the thread's own kernel stack (`nanosleep`, `poll`, `select`,
//! `epoll_wait`, `futex`, `io_uring_enter` …; 6.1 to 6.18): it cannot outlive the call. Its deadline is kept until the
//! thread's span tells it, so that an event loop with time-outs writes no record more than before. Any other one is
//! recorded.
//!
//! The timer wheel's (`schedule_timeout`: `SO_RCVTIMEO`, TCP's retransmits) has a tracepoint too, which fires for nearly
//! every segment: not attached.

use abi::{
    context::TASK,
    event::Event as _,
    fields::Field,
    sched::{Thread, Timeout},
    timers::TimerSet,
};
use aya_ebpf::{
    helpers::generated::{bpf_get_current_task_btf, bpf_task_pt_regs},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};

use crate::{
    emit::{emit, now_ns},
    kernel::{address, has, load, read},
    probes::{context, threads},
    target,
    zero::zero,
};

/// `HRTIMER_MODE_REL`, and `HRTIMER_MODE_ABS` is 0: as calls set timers. What the kernel sets for itself on the way is
/// pinned, or for the softirq (TCP's pacing, the queueing disciplines', the scheduler's).
const LAST_MODE_OF_CALLS: u32 = 1;

/// `HRTIMER_STATE_ENQUEUED`
const ENQUEUED: u8 = 1;

/// `THREAD_SIZE` of x86-64; with KASAN it is twice as much.
const STACK_BYTES: u64 = 16 << 10;

/// `hrtimer_start(struct hrtimer *hrtimer, enum hrtimer_mode mode)`: the expiry has been put on the timer's clock.
#[btf_tracepoint(function = "hrtimer_start")]
pub fn timer_set(ctx: BtfTracePointContext) -> i32 {
    let Some(process) = target::current() else { return 0 };
    if context::stack().innermost() != TASK {
        return 0;
    }
    let timer: *const u8 = ctx.arg(0);
    // SAFETY: argument 0 is a struct hrtimer, and its base is loaded from it; the current task always exists; a thread is
    // a live map value.
    unsafe {
        let task: *const u8 = bpf_get_current_task_btf().cast_const().cast();
        let Some(thread) = threads::find(task, process) else { return 0 };
        let base: *const u8 = load(timer, Field::TimerBase);
        let expires: u64 = load(timer, Field::TimerExpires);
        // The offset of the monotonic clock is 0.
        let deadline_ns = expires.wrapping_sub(load(base, Field::ClockOffset));
        let timer_address = address(timer, task);
        let stack_offset = timer_address.wrapping_sub(load(task, Field::TaskStack));
        if stack_offset < STACK_BYTES {
            (*thread).deadline_ns = deadline_ns;
            (*thread).timeout = Timeout { stack_offset: stack_offset as u32, expires: expires as u32 };
        } else if ctx.arg::<u32>(1) <= LAST_MODE_OF_CALLS
            // Else it repeats, and its own interrupt sets it: no context is seen any more then.
            && load::<u64>(base, Field::ClockRunning) != timer_address
        {
            emit(TimerSet {
                kind: TimerSet::KIND as u32,
                tid: (*thread).key.tid,
                process: (*thread).process,
                at_ns: now_ns(),
                timer: timer_address,
                deadline_ns,
                syscall: syscall(task),
                _pad: 0,
            });
        }
    }
    0
}

/// To be called as a thread goes to sleep: forgets a time-out that was taken back before, because there was no need to
/// sleep.
#[inline(always)]
pub unsafe fn fall_asleep(thread: *mut Thread, task: *const u8) {
    // SAFETY: the caller's thread is a live map value, its task a task_struct.
    unsafe {
        if (*thread).deadline_ns != 0 && !is_set(task, (*thread).timeout) {
            (*thread).deadline_ns = zero();
        }
    }
}

/// Whether a time-out is still there on the stack, and will fire.
#[inline(always)]
unsafe fn is_set(task: *const u8, timeout: Timeout) -> bool {
    if !(has(Field::TaskStack) && has(Field::TimerState) && has(Field::TimerExpires)) {
        return false;
    }
    // SAFETY: the caller's task is a task_struct; the stack may hold anything by now, and is read by a helper.
    unsafe {
        let stack: u64 = load(task, Field::TaskStack);
        let timer = (stack + u64::from(timeout.stack_offset)) as *const u8;
        read::<u8>(timer, Field::TimerState) == Some(ENQUEUED)
            && read::<u64>(timer, Field::TimerExpires).map(|expires| expires as u32) == Some(timeout.expires)
    }
}

#[inline(always)]
unsafe fn syscall(task: *const u8) -> i32 {
    // SAFETY: the caller's task is a task_struct; the helper gives its registers.
    unsafe {
        let registers = bpf_task_pt_regs(task.cast_mut().cast()) as *const u8;
        if registers.is_null() { -1 } else { load::<u64>(registers, Field::RegsSyscall) as i32 }
    }
}
