//! Disk requests that nobody sleeps for: who submitted them, and when. Their end wakes a multiplexer, for which the wait of
//! one that reads or writes by itself says it all.
//!
//! Of io_uring, its workers included, and libaio, submitted in the context of a target: not of a dispatcher (throttled bios)
//! nor of a file system's workers (btrfs).

use abi::{disk::Submission, fields::Field};
use aya_ebpf::helpers::{
    bpf_get_current_pid_tgid,
    generated::{bpf_get_current_task_btf, bpf_task_pt_regs},
};

use crate::{emit::now_ns, kernel::load, maps::SUBMISSIONS};

/// Of `task_struct.flags`.
const PF_IO_WORKER: u32 = 0x10;

/// Calls of x86-64.
const IO_SUBMIT: u64 = 209;
const IO_URING_ENTER: u64 = 426;

/// Notes a bio that the current task, a target's, submits.
#[inline(always)]
pub unsafe fn note(bio: *const u8) {
    // SAFETY: the current task always exists, and the helper gives its registers.
    unsafe {
        let task: *const u8 = bpf_get_current_task_btf().cast_const().cast();
        if load::<u32>(task, Field::TaskFlags) & PF_IO_WORKER == 0 {
            let registers = bpf_task_pt_regs(task.cast_mut().cast()) as *const u8;
            if registers.is_null()
                || !matches!(load::<u64>(registers, Field::RegsSyscall), IO_SUBMIT | IO_URING_ENTER)
            {
                return;
            }
        }
        let submission =
            Submission { at_ns: now_ns(), tid: bpf_get_current_pid_tgid() as u32, ..Submission::default() };
        let _ = SUBMISSIONS.insert(bio as u64, submission, 0);
    }
}

/// The submission of a request that is completed, at whose head the bio stands; all 0 where it is not known.
#[inline(always)]
pub unsafe fn take(request: *const u8) -> Submission {
    // SAFETY: the caller's request is a struct request; map values are live.
    unsafe {
        let bio: u64 = load::<*const u8>(request, Field::RequestBio) as u64;
        let Some(submission) = SUBMISSIONS.get(bio).copied() else { return Submission::default() };
        let _ = SUBMISSIONS.remove(bio);
        submission
    }
}
