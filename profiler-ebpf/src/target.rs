//! Is this task one that we profile? Two array look-ups, which the JIT inlines.

use aya_ebpf::helpers::{bpf_get_current_pid_tgid, generated::bpf_get_current_task_btf};
use profiler_ebpf::abi::{
    fields::Field,
    loss::Loss,
    target::{PROCESS_SLOTS, Process, SLOTS_PER_ELEMENT},
};

use crate::{
    atomic,
    emit::{lose, now_ns},
    kernel::load,
    maps::{FREE_SLOTS, LAST_SERIAL, PROCESSES, SLOT_OF},
};

/// The slot of the current process, if it is a target.
#[inline(always)]
pub fn current() -> Option<*mut Process> {
    of((bpf_get_current_pid_tgid() >> 32) as u32)
}

/// The slot of a thread group, if it is a target.
#[inline(always)]
pub fn of(tgid: u32) -> Option<*mut Process> {
    let slots = SLOT_OF.get(tgid / SLOTS_PER_ELEMENT)?;
    // The mask is for the verifier.
    match u32::from(slots[(tgid % SLOTS_PER_ELEMENT) as usize & (SLOTS_PER_ELEMENT as usize - 1)]) {
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
    let slot = match FREE_SLOTS.pop() {
        Ok(Some(slot)) if slot > 0 && slot < PROCESS_SLOTS => slot,
        _ => return lose(Loss::ProcessTableFull),
    };
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
        set_slot(tgid, slot as u16);
    }
}

/// Forgets what a reused thread group id was.
#[inline(always)]
pub fn forget(tgid: u32) {
    set_slot(tgid, 0);
}

#[inline(always)]
fn set_slot(tgid: u32, slot: u16) {
    if let Some(slots) = SLOT_OF.get_ptr_mut(tgid / SLOTS_PER_ELEMENT) {
        let index = (tgid % SLOTS_PER_ELEMENT) as usize & (SLOTS_PER_ELEMENT as usize - 1);
        // SAFETY: a live array element, index in bounds; the daemon and the probes store single slots.
        unsafe { slots.cast::<u16>().add(index).write_volatile(slot) };
    }
}
