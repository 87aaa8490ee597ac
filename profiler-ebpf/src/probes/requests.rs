//! Whose requests a disk did: who may be in front of what a target's thread waits for.
//!
//! A bio is its submitter's. Of what a thread of the kernel submits, pages of a file's cache are of who dirtied the file last,
//! or, if they are read (the dispatcher of throttled bios), of the target that brought in its pages last. The rest is the
//! thread's own: a journal, metadata.

use abi::{
    disk::{DeviceKey, RequestTimes},
    event::Event as _,
    fields::Field,
    owners::InodeKey,
    requests::{DiskRequests, FileUserKey, MERGED_NS, REQUESTERS_AT_ONCE, Requester},
    target::Process,
};
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, generated::bpf_get_current_task_btf};

use crate::{
    counters,
    emit::{emit, now_ns},
    kernel::{load, offset},
    maps::{COMPLETED, FILE_USERS, REQUESTERS},
    probes::{bio, direct},
    target,
    zero::zero,
};

/// Notes whose a bio is, at its submission. The address of one that is over is another one's next.
#[inline(always)]
pub unsafe fn submitted(bio: *const u8, operation: u32, current: Option<*mut Process>) {
    if counters::alone() {
        return;
    }
    // SAFETY: the caller's bio is a struct bio; map values are live.
    unsafe {
        if target::is_kernel_thread() {
            if let Some(process) = direct::caller(bio) {
                let by = Requester { process, ..Requester::default() };
                let _ = REQUESTERS.insert(bio as u64, by, 0);
                return;
            }
            if let Some(inode) = bio::file(bio)
                && let Some(user) = FILE_USERS.get_ptr(FileUserKey { inode, operation, _pad: 0 })
            {
                let _ = REQUESTERS.insert(bio as u64, *user, 0);
                return;
            }
        }
        let _ = REQUESTERS.insert(bio as u64, current_task(current), 0);
    }
}

/// Notes who dirties a file, or, of targets, brings its pages in.
#[inline(always)]
pub unsafe fn uses(inode: InodeKey, operation: u32, current: Option<*mut Process>) {
    if counters::alone() || inode == InodeKey::NO_FILE {
        return;
    }
    let key = FileUserKey { inode, operation, _pad: 0 };
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    // SAFETY: map values are live.
    unsafe {
        if FILE_USERS.get_ptr(key).is_none_or(|user| (*user).tgid != tgid) {
            let _ = FILE_USERS.insert(key, current_task(current), 0);
        }
    }
}

/// Counts what was completed of a request.
#[inline(always)]
pub unsafe fn completed(
    request: *const u8,
    device: DeviceKey,
    bytes: u64,
    is_last: bool,
    times: RequestTimes,
    now: u64,
) {
    if counters::alone() {
        return;
    }
    // SAFETY: the caller's request is a struct request; map values are live, and this CPU's own.
    unsafe {
        let Some(by) = requester(request) else { return };
        let Some(all) = COMPLETED.get_ptr_mut(0) else { return };
        (&raw mut (*all).busy).write_volatile(1);
        let place = ((*by).tgid ^ (*by).process as u32) as usize & (REQUESTERS_AT_ONCE - 1);
        let done = (&raw mut (*all).of).cast::<DiskRequests>().add(place);
        let is_same = (*done).by.tgid == (*by).tgid
            && (*done).by.process == (*by).process
            && (*done).major == device.major
            && (*done).minor == device.minor
            && (*done).operation == device.operation;
        if (*done).kind != 0 && !(is_same && now.saturating_sub((*done).first_ns) < MERGED_NS) {
            emit(*done);
            (*done).kind = 0;
        }
        let queued_ns = if times.started_ns == 0 { times.issued_ns } else { times.started_ns };
        if (*done).kind == 0 {
            (*done).kind = DiskRequests::KIND as u32;
            (*done).major = device.major;
            (*done).minor = device.minor;
            (*done).operation = device.operation;
            (*done).requests = zero() as u32;
            (*done).bytes = zero();
            (*done).queued_ns = queued_ns;
            (*done).issued_ns = times.issued_ns;
            (*done).first_ns = now;
            (*done).by = *by;
        }
        (*done).requests += u32::from(is_last);
        (*done).bytes += bytes;
        (*done).queued_ns = (*done).queued_ns.min(queued_ns);
        (*done).issued_ns = (*done).issued_ns.min(times.issued_ns);
        (*done).last_ns = now;
        (&raw mut (*all).busy).write_volatile(0);
    }
}

/// Records what this CPU has completed some time ago; in a timer's interrupt.
#[inline(always)]
pub fn record_earlier() {
    let Some(all) = COMPLETED.get_ptr_mut(0) else { return };
    // SAFETY: this CPU's own element, in bounds; what it interrupts says so.
    unsafe {
        if (&raw const (*all).busy).read_volatile() != 0 {
            return;
        }
        let now = now_ns();
        for place in 0..REQUESTERS_AT_ONCE {
            let done = (&raw mut (*all).of).cast::<DiskRequests>().add(place);
            if (*done).kind != 0 && now.saturating_sub((*done).first_ns) >= MERGED_NS {
                emit(*done);
                (*done).kind = 0;
            }
        }
    }
}

/// Of the bio at a request's head. The front of one that was split is another bio, whose end leads to the one that was
/// submitted (`bio_chain`, 6.1 to 6.18).
#[inline(always)]
unsafe fn requester(request: *const u8) -> Option<*const Requester> {
    // SAFETY: the caller's request is a struct request, and the pointers are loaded from it.
    unsafe {
        let bio: *const u8 = load(request, Field::RequestBio);
        if bio.is_null() {
            return None;
        }
        REQUESTERS
            .get_ptr(bio as u64)
            .or_else(|| REQUESTERS.get_ptr(load::<*const u8>(bio, Field::BioPrivate) as u64))
    }
}

#[inline(always)]
unsafe fn current_task(process: Option<*mut Process>) -> Requester {
    // SAFETY: the current task always exists, and its leader is loaded from it; the caller's process is a live slot.
    unsafe {
        let task: *const u8 = bpf_get_current_task_btf().cast_const().cast();
        let leader: *const u8 = load(task, Field::TaskGroupLeader);
        let name = leader.add(offset(Field::TaskComm)).cast::<u64>();
        let mut by = Requester {
            process: process.map_or(0, |process| (*process).serial),
            tgid: (bpf_get_current_pid_tgid() >> 32) as u32,
            by_kernel: target::is_kernel_thread().into(),
            ..Requester::default()
        };
        let comm = by.comm.as_mut_ptr().cast::<u64>();
        comm.write_unaligned(name.read_volatile());
        comm.add(1).write_unaligned(name.add(1).read_volatile());
        by
    }
}
