//! Samples of the CPU: in user or in kernel mode? The kernel keeps no exact times of both for a thread, unless it is
//! built with CONFIG_VIRT_CPU_ACCOUNTING_GEN.

use abi::context::{HRTIMER, TASK};
use aya_ebpf::{
    helpers::generated::bpf_get_current_task_btf, macros::perf_event, programs::PerfEventContext,
};

use crate::{
    probes::{context, file_ways, requests, threads},
    target,
};

/// Bits of the code segment register: the privilege level, 3 in user mode.
const PRIVILEGE: u64 = 3;

/// A `cpu-clock` event, from the hrtimer of its CPU.
#[perf_event]
pub fn cpu_sample(ctx: PerfEventContext) -> u32 {
    requests::record_earlier();
    let Some(process) = target::current() else { return 0 };
    // What this very timer interrupted, if it was no task, is no time of the task's.
    let stack = context::stack();
    let interrupted = if stack.innermost() == HRTIMER { stack.left() } else { stack };
    if interrupted.innermost() != TASK {
        return 0;
    }
    // SAFETY: the current task always exists; its registers are the program's context.
    unsafe {
        let task: *const u8 = bpf_get_current_task_btf().cast_const().cast();
        let Some(thread) = threads::find(task, process) else { return 0 };
        if (*ctx.ctx).regs.cs & PRIVILEGE == PRIVILEGE {
            (*thread).user_samples += 1;
        } else {
            (*thread).kernel_samples += 1;
            file_ways::note_call(process);
        }
    }
    0
}
