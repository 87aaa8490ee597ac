//! What runs on each CPU besides its task: softirqs, interrupts, hrtimers, as a stack that is popped on exit.
//!
//! A wake-up in such a context has nothing to do with the current task, which is a bystander even when it is
//! itself a target. Completing a disk request renames the context that does it: NVMe completes in the hard
//! interrupt, virtio and most others in the BLOCK softirq.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use profiler_ebpf::abi::context::{ContextStack, DISK, HARDIRQ, HRTIMER, TASK};

use crate::maps::CONTEXTS;

/// `softirq_entry(unsigned int vec_nr)`
#[btf_tracepoint(function = "softirq_entry")]
pub fn softirq_enter(ctx: BtfTracePointContext) -> i32 {
    let vector: u32 = ctx.arg(0);
    update(|stack| stack.entered(vector as u8 + 1))
}

/// `softirq_exit(unsigned int vec_nr)`
#[btf_tracepoint(function = "softirq_exit")]
pub fn softirq_leave(_ctx: BtfTracePointContext) -> i32 {
    update(ContextStack::left)
}

/// `irq_handler_entry(int irq, struct irqaction *action)`
#[btf_tracepoint(function = "irq_handler_entry")]
pub fn irq_enter(_ctx: BtfTracePointContext) -> i32 {
    update(|stack| stack.entered(HARDIRQ))
}

/// `irq_handler_exit(int irq, struct irqaction *action, int ret)`
#[btf_tracepoint(function = "irq_handler_exit")]
pub fn irq_leave(_ctx: BtfTracePointContext) -> i32 {
    update(ContextStack::left)
}

/// `hrtimer_expire_entry(struct hrtimer *hrtimer, ktime_t *now)`
#[btf_tracepoint(function = "hrtimer_expire_entry")]
pub fn hrtimer_enter(_ctx: BtfTracePointContext) -> i32 {
    update(|stack| stack.entered(HRTIMER))
}

/// `hrtimer_expire_exit(struct hrtimer *hrtimer)`
#[btf_tracepoint(function = "hrtimer_expire_exit")]
pub fn hrtimer_leave(_ctx: BtfTracePointContext) -> i32 {
    update(ContextStack::left)
}

/// The innermost context of this CPU; [`TASK`] where it runs its task.
#[inline(always)]
pub fn innermost() -> u8 {
    // SAFETY: this CPU's own element.
    CONTEXTS.get_ptr(0).map_or(TASK, |stack| ContextStack(unsafe { *stack }).innermost())
}

/// No interrupt lasts beyond a switch: whatever is on the stack then is an exit that was not seen.
#[inline(always)]
pub fn clear() {
    update(|_| ContextStack::default());
}

/// Says that the innermost context completes disk requests, if it is an interrupt's.
#[inline(always)]
pub fn completes_disk() {
    update(|stack| if stack.innermost() == TASK { stack } else { stack.renamed(DISK) });
}

/// Changes this CPU's stack. An interrupt in between leaves it as it found it.
#[inline(always)]
fn update(change: impl FnOnce(ContextStack) -> ContextStack) -> i32 {
    if let Some(stack) = CONTEXTS.get_ptr_mut(0) {
        // SAFETY: this CPU's own element.
        unsafe { *stack = change(ContextStack(*stack)).0 };
    }
    0
}
