//! The evidence of what a wait was for, as the wake-up ends it; see [`Wait::judge`]. Of wakers, a kernel thread that acts
//! for a device stands for the device, any other task for itself.

use abi::{
    context::{HARDIRQ, IO_URING_ENTER, TASK, TaskWaker, Wait},
    fields::Field,
    sched::Thread,
    span::Waker,
    workers::Worker,
};
use aya_ebpf::helpers::{
    bpf_get_current_comm,
    generated::{bpf_get_current_task_btf, bpf_task_pt_regs},
};

use crate::{
    kernel::load,
    probes::{
        context,
        workers::{self, Job},
    },
    target,
};

/// Where `task_struct.in_iowait` is: a bit field, so the bit's number inside the structure. Set by the daemon.
#[unsafe(no_mangle)]
static IN_IOWAIT_BIT: u32 = 0;

/// The same of `task_struct.in_memstall`; [`NO_BIT`] where the kernel has no pressure stall information. Set by the daemon.
#[unsafe(no_mangle)]
static IN_MEMSTALL_BIT: u32 = NO_BIT;

const NO_BIT: u32 = u32::MAX;

/// A bit of `task_struct.flags`, which direct reclaim and compaction set, and nothing else in a user's task.
const PF_MEMALLOC: u32 = 0x0000_0800;

/// What a task that is woken has waited for, by what wakes it.
#[inline(always)]
pub unsafe fn of(sleeper: *const u8, thread: *const Thread) -> Wait {
    // SAFETY: the caller's sleeper is a task_struct, its thread a live map value.
    unsafe {
        let waker = &(*thread).waker;
        Wait::judge(reclaims(sleeper), waker.context, waker.task(), || waits_for_io(sleeper))
    }
}

/// What a task has waited for that runs again without a wake-up that was seen.
#[inline(always)]
pub unsafe fn unseen(sleeper: *const u8) -> Wait {
    // An interrupt says as little.
    // SAFETY: the caller's sleeper is a task_struct.
    match unsafe { Wait::judge(reclaims(sleeper), HARDIRQ, TaskWaker::Process, || waits_for_io(sleeper)) } {
        Wait::Other => Wait::Unseen,
        wait => wait,
    }
}

/// Notes what wakes a thread, in `sched_waking`.
#[inline(always)]
pub unsafe fn note_waker(thread: *mut Thread, sleeper: *const u8) {
    // SAFETY: the caller's thread is a live map value, its sleeper a task_struct.
    unsafe {
        (*thread).waker = waker(sleeper);
        if (*thread).waker.is_outsider() {
            (*thread).stranger = bpf_get_current_comm().unwrap_or_default();
        }
    }
}

#[inline(always)]
unsafe fn waker(sleeper: *const u8) -> Waker {
    let mut waker = context::waker();
    if waker.context != TASK {
        return waker;
    }
    // SAFETY: the current task always exists; a process is a live slot; the caller's sleeper is a task_struct.
    unsafe {
        let task: *const u8 = bpf_get_current_task_btf().cast_const().cast();
        waker.tid = load(task, Field::TaskPid);
        match target::of(load(task, Field::TaskTgid)) {
            Some(process) => waker.process = (*process).serial,
            None => {
                let job = workers::job(task);
                if job != Job::Process {
                    waker.kernel = workers::number(task, job);
                    if waker.kernel == Worker::Unknown as u8 {
                        waker.on_disk = workers::is_on_disk(sleeper).into();
                    }
                }
            }
        }
    }
    waker
}

/// Whether a task that sleeps does so for want of memory: inside direct reclaim, its own or its memory cgroup's, or where the
/// kernel itself counts a stall (`psi_memstall_enter`): above `memory.high`, or for pages that had to go and are read again.
#[inline(always)]
pub unsafe fn reclaims(sleeper: *const u8) -> bool {
    // SAFETY: the caller's sleeper is a task_struct; the daemon found the bit in BTF.
    unsafe {
        if load::<u32>(sleeper, Field::TaskFlags) & PF_MEMALLOC != 0 {
            return true;
        }
        let bit = (&raw const IN_MEMSTALL_BIT).read_volatile();
        bit != NO_BIT && is_set(sleeper, bit)
    }
}

/// `in_iowait` of a task that sleeps, which only the task itself changes.
#[inline(always)]
pub unsafe fn in_iowait(sleeper: *const u8) -> bool {
    // SAFETY: the caller's sleeper is a task_struct; the daemon found the bit in BTF.
    unsafe { is_set(sleeper, (&raw const IN_IOWAIT_BIT).read_volatile()) }
}

#[inline(always)]
unsafe fn is_set(task: *const u8, bit: u32) -> bool {
    // SAFETY: the caller's task is a task_struct, in which the daemon found the bit.
    unsafe { task.add(bit as usize / 8).read_volatile() >> (bit % 8) & 1 != 0 }
}

#[inline(always)]
unsafe fn waits_for_io(sleeper: *const u8) -> bool {
    // SAFETY: the caller's sleeper is a task_struct.
    unsafe {
        if !in_iowait(sleeper) {
            return false;
        }
        let registers = bpf_task_pt_regs(sleeper.cast_mut().cast());
        registers == 0 || load::<u64>(registers as *const u8, Field::RegsSyscall) != IO_URING_ENTER.into()
    }
}
