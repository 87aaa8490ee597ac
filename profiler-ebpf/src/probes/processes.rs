//! Processes come and go: children of targets become targets, and so do commands that the daemon waits for.

use abi::fields::Field;
use aya_ebpf::{
    helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};

use crate::{
    counters,
    emit::now_ns,
    kernel::{load, offset},
    maps::COMMANDS,
    probes::{sched, threads},
    target,
};

/// `CLONE_THREAD` of `clone_flags`: a new thread, not a new process.
const CLONE_THREAD: u64 = 0x10000;

/// `task_newtask(struct task_struct *task, u64 clone_flags)`: in the parent, before the child first runs.
/// It sees what `sched_process_fork` misses, io_uring's threads.
#[btf_tracepoint(function = "task_newtask")]
pub fn process_fork(ctx: BtfTracePointContext) -> i32 {
    let task: *const u8 = ctx.arg(0);
    let is_thread = ctx.arg::<u64>(1) & CLONE_THREAD != 0;
    // SAFETY: argument 0 is the child's task_struct.
    let child = unsafe { load::<u32>(task, Field::TaskTgid) };
    match target::current() {
        Some(parent) => {
            if !is_thread {
                // SAFETY: a live slot.
                let parent_tgid = unsafe { (*parent).tgid };
                target::adopt(child, parent_tgid, bpf_get_current_comm().unwrap_or_default(), false);
            }
            // SAFETY: argument 0 is a task_struct; a process is a live slot, a thread a live element.
            unsafe { note_creator(task, child) };
        }
        None if is_thread => {}
        // The id may have been a target's, and the daemon may not have noticed its end yet.
        None => target::forget(child),
    }
    0
}

/// Begins a thread's entry with who created it. Where time is not counted, no thread has an entry before it ends.
#[inline(always)]
unsafe fn note_creator(task: *const u8, tgid: u32) {
    // SAFETY: the caller's task is a task_struct; a process is a live slot, a thread a live element.
    unsafe {
        if !counters::alone()
            && let Some(process) = target::of(tgid)
            && let Some(thread) = threads::find(task, process)
        {
            (*thread).creator_tid = bpf_get_current_pid_tgid() as u32;
        }
    }
}

/// `sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`: in the process
/// itself, which already has its new name.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn process_exec(ctx: BtfTracePointContext) -> i32 {
    let Ok(comm) = bpf_get_current_comm() else { return 0 };
    match target::current() {
        // SAFETY: a live slot, which only the process itself changes so; argument 0 is a task_struct.
        Some(process) => unsafe {
            (*process).comm = comm;
            let task: *const u8 = ctx.arg(0);
            if ctx.arg::<u32>(1) != load::<u32>(task, Field::TaskPid) {
                // The thread has taken its leader's id and start time, and all other threads are dead.
                let now = now_ns();
                (*process).thread_exec_ns = now;
                sched::take_over(task, process, now);
            }
        },
        None => {
            // SAFETY: the value is not used.
            if unsafe { COMMANDS.get(comm) }.is_some() {
                target::adopt((bpf_get_current_pid_tgid() >> 32) as u32, 0, comm, false);
            }
        }
    }
    0
}

/// `sched_process_exit(struct task_struct *p, …)`: in the exiting thread. `signal->live` has been counted
/// down before; at 0 this is the process's last thread.
#[btf_tracepoint(function = "sched_process_exit")]
pub fn process_exit(ctx: BtfTracePointContext) -> i32 {
    let Some(process) = target::current() else { return 0 };
    // SAFETY: argument 0 is a task_struct, `signal` one of its pointers; the slot is live.
    unsafe {
        let task: *const u8 = ctx.arg(0);
        if counters::alone() || counters::are_switches_shed() {
            sched::end_unseen(task, process, now_ns());
        }
        let signal = task.add(offset(Field::TaskSignal)).cast::<*const u8>().read_volatile();
        if load::<i32>(signal, Field::SignalLive) == 0 {
            (*process).exited_ns = now_ns();
        }
    }
    0
}
