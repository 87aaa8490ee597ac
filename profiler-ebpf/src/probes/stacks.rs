//! Stacks of threads that leave the CPU, for those whose off-CPU intervals are long. Taking one costs several microseconds.

use abi::{loss::Loss, sched::Thread};
use aya_ebpf::{
    bindings::BPF_F_USER_STACK,
    programs::{BtfTracePointContext, tracing::StackIdContext as _},
};

use crate::{
    emit::lose,
    maps::{NEXT_STACK_NS, STACKS},
};

/// At most so often on each CPU.
const INTERVAL_NS: u64 = 25_000_000;

const NONE: i32 = -1;
const EFAULT: i32 = -14;

/// Takes the stacks of the current task, which is about to sleep, if it is worth it and allowed.
#[inline(always)]
pub unsafe fn take(ctx: &BtfTracePointContext, thread: *mut Thread, now: u64) {
    // SAFETY: the caller's thread is a live map value.
    unsafe {
        (*thread).user_stack = NONE;
        (*thread).kernel_stack = NONE;
        if (*thread).was_long != 0 && is_due(now) {
            (*thread).user_stack = stack(ctx, u64::from(BPF_F_USER_STACK));
            (*thread).kernel_stack = stack(ctx, 0);
        }
    }
}

#[inline(always)]
fn is_due(now: u64) -> bool {
    let Some(next_ns) = NEXT_STACK_NS.get_ptr_mut(0) else { return false };
    // SAFETY: this CPU's own element.
    unsafe {
        let due = *next_ns <= now;
        if due {
            *next_ns = now + INTERVAL_NS;
        }
        due
    }
}

#[inline(always)]
fn stack(ctx: &BtfTracePointContext, flags: u64) -> i32 {
    match ctx.get_stackid(&STACKS, flags) {
        Ok(id) => id as i32,
        // A kernel thread of the process (io_uring's) has no user stack.
        Err(EFAULT) => NONE,
        Err(_) => {
            lose(Loss::StackTableFull);
            NONE
        }
    }
}
