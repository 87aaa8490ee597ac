//! The record of one off-CPU interval, with what the thread was doing.

use abi::{
    event::Event as _,
    fields::Field,
    sched::Thread,
    span::{IOWAIT, LONG_NS, RECLAIM, Span, SpanByOutsider},
};
use aya_ebpf::helpers::{bpf_get_smp_processor_id, generated::bpf_task_pt_regs};

use crate::{emit, kernel::load, probes::wait, zero::zero};

/// Whose the task's saved registers are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Registers {
    /// Of the off-CPU interval that ends.
    OfTheStay,
    /// Of what it has done since.
    Newer,
}

/// The flags and, as a rule, the registers of a task that is about to run are those that it slept with.
#[inline(always)]
pub unsafe fn emit(
    thread: *mut Thread,
    task: *const u8,
    woken_ns: u64,
    on_ns: u64,
    flags: u16,
    whose: Registers,
) {
    // SAFETY: the caller's thread is a live map value, its task a task_struct; the helper gives its registers.
    unsafe {
        let mut span = Span {
            kind: Span::KIND as u32,
            tid: (*thread).key.tid,
            process: (*thread).process,
            off_ns: (*thread).off_ns,
            woken_ns,
            on_ns,
            syscall: -1,
            flags,
            cpu: bpf_get_smp_processor_id() as u16,
            arguments: [zero(), zero()],
            user_stack: -1,
            kernel_stack: -1,
            ..Span::default()
        };
        let is_long = on_ns.saturating_sub(span.off_ns) >= LONG_NS;
        if flags == 0 {
            (*thread).was_long = u16::from(is_long);
            if wait::in_iowait(task) {
                span.flags |= IOWAIT;
            }
            if wait::reclaims(task) {
                span.flags |= RECLAIM;
            }
            if whose == Registers::OfTheStay {
                span.deadline_ns = (*thread).deadline_ns;
                let registers = bpf_task_pt_regs(task.cast_mut().cast()) as *const u8;
                if !registers.is_null() {
                    span.syscall = load::<u64>(registers, Field::RegsSyscall) as i32;
                    span.arguments = [load(registers, Field::RegsFirst), load(registers, Field::RegsSecond)];
                }
            }
            if woken_ns != 0 {
                span.waker = (*thread).waker;
            }
            if is_long {
                span.user_stack = (*thread).user_stack;
                span.kernel_stack = (*thread).kernel_stack;
            }
            if woken_ns != 0 && span.waker.is_outsider() {
                span.kind = SpanByOutsider::KIND as u32;
                return emit::emit_alone(SpanByOutsider { span, stranger: (*thread).stranger });
            }
        }
        emit::emit_alone(span);
    }
}
