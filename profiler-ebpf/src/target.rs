//! Is this task one that we profile? Two array look-ups, which the JIT inlines.

use abi::{
    fields::Field,
    loss::Loss,
    target::{PROCESS_SLOTS, Process},
};
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, generated::bpf_get_current_task_btf};

use crate::{
    atomic,
    emit::now_ns,
    ids,
    kernel::load,
    maps::{FREE_SLOTS, LAST_SERIAL, PROCESSES, SLOT_OF},
    places,
};

/// The slot of the current process, if it is a target.
#[inline(always)]
pub fn current() -> Option<*mut Process> {
    of((bpf_get_current_pid_tgid() >> 32) as u32)
}

/// The slot of a thread group, if it is a target.
#[inline(always)]
pub fn of(tgid: u32) -> Option<*mut Process> {
    match ids::slot(&SLOT_OF, tgid) {
        0 => None,
        slot => PROCESSES.get_ptr_mut(slot),
    }
}

/// Is the current task a thread of the kernel? io_uring's workers are threads of their process.
#[inline(always)]
pub fn is_kernel_thread() -> bool {
    // SAFETY: the current task always exists.
    unsafe { is_kernels(bpf_get_current_task_btf().cast_const().cast()) }
}

/// Is a task a thread of the kernel?
#[inline(always)]
pub unsafe fn is_kernels(task: *const u8) -> bool {
    /// Of `task_struct.flags`.
    const PF_KTHREAD: u32 = 0x0020_0000;
    // SAFETY: the caller's task is a task_struct.
    unsafe { load::<u32>(task, Field::TaskFlags) & PF_KTHREAD != 0 }
}

/// Makes a thread group a target from now on. One that is moved in has lived before.
#[inline(always)]
pub fn adopt(tgid: u32, parent_tgid: u32, comm: [u8; 16], moved_in: bool) {
    let Some(slot) = places::take(&FREE_SLOTS, PROCESS_SLOTS, Loss::ProcessTableFull) else { return };
    let Some(serial) = LAST_SERIAL.get_ptr_mut(0) else { return };
    // SAFETY: a live array element.
    let serial = unsafe { atomic::fetch_add(serial, 1) } + 1;
    let process = Process {
        serial,
        since_ns: now_ns(),
        tgid,
        parent_tgid,
        comm,
        moved_in: moved_in.into(),
        ..Process::default()
    };
    if PROCESSES.set(slot, process, 0).is_ok() {
        ids::set_slot(&SLOT_OF, tgid, slot as u16);
    }
}

/// Forgets what a reused thread group id was.
#[inline(always)]
pub fn forget(tgid: u32) {
    ids::set_slot(&SLOT_OF, tgid, 0);
}
