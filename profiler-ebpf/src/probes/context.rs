//! What runs on each CPU besides its task: softirqs, interrupts, hrtimers, as a stack that is popped on exit, and
//! the time that they took from the task.
//!
//! A wake-up in such a context has nothing to do with the current task, which is a bystander even when it is
//! itself a target. Completing a disk request marks the context that does it: NVMe completes in the hard
//! interrupt, virtio and most others in the BLOCK softirq. Interrupts without a handler of a driver (the local
//! timer, calls from other CPUs) are seen by the hrtimers and softirqs that they run, and not beyond.

use abi::{
    context::{Context, ContextStack, DISK, HARDIRQ, HRTIMER, TASK},
    disk::Submission,
    fields::Field,
    span::Waker,
};
use aya_ebpf::{
    helpers::{bpf_get_current_pid_tgid, generated::bpf_get_current_task_btf},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};

use crate::{
    emit::now_ns,
    kernel::load,
    maps::CONTEXTS,
    probes::workers::{self, Job},
    zero::zero,
};

/// `softirq_entry(unsigned int vec_nr)`
#[btf_tracepoint(function = "softirq_entry")]
pub fn softirq_enter(ctx: BtfTracePointContext) -> i32 {
    let vector: u32 = ctx.arg(0);
    enter(vector as u8 + 1)
}

/// `softirq_exit(unsigned int vec_nr)`
#[btf_tracepoint(function = "softirq_exit")]
pub fn softirq_leave(_ctx: BtfTracePointContext) -> i32 {
    leave()
}

/// `irq_handler_entry(int irq, struct irqaction *action)`
#[btf_tracepoint(function = "irq_handler_entry")]
pub fn irq_enter(_ctx: BtfTracePointContext) -> i32 {
    enter(HARDIRQ)
}

/// `irq_handler_exit(int irq, struct irqaction *action, int ret)`
#[btf_tracepoint(function = "irq_handler_exit")]
pub fn irq_leave(_ctx: BtfTracePointContext) -> i32 {
    leave()
}

/// `hrtimer_expire_entry(struct hrtimer *hrtimer, ktime_t *now)`
#[btf_tracepoint(function = "hrtimer_expire_entry")]
pub fn hrtimer_enter(ctx: BtfTracePointContext) -> i32 {
    enter_with(HRTIMER, ctx.arg(0))
}

/// `hrtimer_expire_exit(struct hrtimer *hrtimer)`
#[btf_tracepoint(function = "hrtimer_expire_exit")]
pub fn hrtimer_leave(_ctx: BtfTracePointContext) -> i32 {
    leave()
}

/// The innermost context of this CPU, as what wakes a thread; [`TASK`] where the CPU runs its task, unless that completes
/// disk requests.
#[inline(always)]
pub fn waker() -> Waker {
    let Some(context) = CONTEXTS.get_ptr(0) else { return Waker::default() };
    // SAFETY: this CPU's own element.
    unsafe {
        match (*context).stack.innermost() {
            TASK if !completes((*context).completer_tid) => Waker::default(),
            innermost => Waker {
                context: if innermost == TASK { DISK } else { innermost },
                tid: (*context).submitter_tid,
                readable: (*context).readable as u8,
                event: (*context).event,
                ..Waker::default()
            },
        }
    }
}

/// Whether the current task is the one that has completed a request: its own switch may not have been seen.
#[inline(always)]
fn completes(completer_tid: u32) -> bool {
    completer_tid != 0 && completer_tid == bpf_get_current_pid_tgid() as u32
}

#[inline(always)]
pub fn stack() -> ContextStack {
    // SAFETY: this CPU's own element.
    CONTEXTS.get_ptr(0).map_or(ContextStack::default(), |context| unsafe { (*context).stack })
}

/// Says that the innermost context completes a disk request, if it is an interrupt's. In task context it may be a threaded
/// interrupt, or another thread of the kernel that serves one device: until it leaves the CPU. A kworker does other work next,
/// and is known by that.
#[inline(always)]
pub fn completes_disk(submission: Submission) {
    if let Some(context) = CONTEXTS.get_ptr_mut(0) {
        // SAFETY: this CPU's own element; the current task always exists.
        unsafe {
            if (*context).stack.innermost() != TASK {
                (*context).stack = (*context).stack.with_disk();
            } else {
                let task: *const u8 = bpf_get_current_task_btf().cast_const().cast();
                if workers::job(task) != Job::Thread {
                    return;
                }
                (*context).completer_tid = load(task, Field::TaskPid);
            }
            (*context).event = submission.at_ns;
            (*context).submitter_tid = submission.tid;
        }
    }
}

/// Says that the innermost context, if it is a softirq, has come to another socket, 0 if that has no cookie: one of which a
/// segment is processed, or that becomes readable. Whoever is woken from then on is woken for it, until something else is
/// seen.
#[inline(always)]
pub fn works_on(cookie: u64, readable: bool) {
    if let Some(context) = CONTEXTS.get_ptr_mut(0) {
        // SAFETY: this CPU's own element, and no other reference to it lives.
        unsafe { (*context).works_on(cookie, readable) }
    }
}

/// Ns in softirqs and in interrupts since the last call; at `sched_switch`, so that it is the task's that leaves.
/// No interrupt lasts beyond a switch: whatever is on the stack then is an exit that was not seen.
#[inline(always)]
pub fn take() -> (u64, u64) {
    let Some(context) = CONTEXTS.get_ptr_mut(0) else { return (0, 0) };
    // SAFETY: this CPU's own element.
    unsafe {
        let taken = ((*context).softirq_ns, (*context).hardirq_ns);
        (*context).stack = ContextStack::default();
        (*context).completer_tid = zero() as u32;
        (*context).softirq_ns = zero();
        (*context).hardirq_ns = zero();
        taken
    }
}

#[inline(always)]
fn enter(code: u8) -> i32 {
    enter_with(code, 0)
}

#[inline(always)]
fn enter_with(code: u8, event: u64) -> i32 {
    change(|context, now| {
        if context.stack.innermost() != TASK {
            context.pass(now);
        }
        context.stack = context.stack.entered(code);
        context.event = event;
    })
}

#[inline(always)]
fn leave() -> i32 {
    change(|context, now| {
        if context.stack.innermost() != TASK {
            context.pass(now);
        }
        context.stack = context.stack.left();
        // What the one below worked on is not kept: an interrupt just there is rare.
        context.event = zero();
    })
}

/// Changes this CPU's context at a boundary between two. An interrupt in between leaves it as it found it, but for
/// the time.
#[inline(always)]
fn change(change: impl FnOnce(&mut Context, u64)) -> i32 {
    if let Some(context) = CONTEXTS.get_ptr_mut(0) {
        let now = now_ns();
        // SAFETY: this CPU's own element, and no other reference to it lives.
        unsafe {
            change(&mut *context, now);
            (*context).since_ns = now;
            (*context).submitter_tid = 0;
            (*context).readable = 0;
        }
    }
    0
}
