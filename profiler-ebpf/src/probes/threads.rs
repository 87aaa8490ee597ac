//! Which element of `THREADS` keeps the time of a thread.
//!
//! An array says which one its id had last, so that a switch needs no hash. The element says whose it is: what the
//! array knows may be of an earlier thread with this id, and may have been given back since.

use abi::{
    fields::Field,
    loss::Loss,
    sched::{StateWord, THREAD_SLOTS, Thread, ThreadKey, ThreadState},
    target::Process,
};

use crate::{
    ids,
    kernel::{load, read_bytes},
    maps::{FREE_THREADS, NEW_THREADS, NO_EXIST, THREAD_OF, THREAD_PLACES, THREADS},
    places::{self, NO_PLACE},
};

/// The thread's element; a thread that is seen for the first time gets one that begins with the thread, or with
/// the recording of its process if that came later.
#[inline(always)]
pub unsafe fn find(task: *const u8, process: *mut Process) -> Option<*mut Thread> {
    // SAFETY: the caller's task is a task_struct, its process a live slot; elements are live.
    unsafe {
        let key = key_of(task);
        let thread = THREADS.get_ptr_mut(ids::slot(&THREAD_OF, key.tid))?;
        if (*thread).key == key {
            return Some(thread);
        }
        match slot_of(task, process) {
            NO_PLACE => None,
            slot => THREADS.get_ptr_mut(slot),
        }
    }
}

#[inline(never)]
unsafe fn slot_of(task: *const u8, process: *mut Process) -> u32 {
    // SAFETY: the caller's task is a task_struct, its process a live slot; map values are live.
    unsafe {
        let key = key_of(task);
        let slot = match THREAD_PLACES.get(key) {
            Some(slot) => *slot,
            None => first_seen(task, process, key),
        };
        if slot != NO_PLACE {
            ids::set_slot(&THREAD_OF, key.tid, slot as u16);
        }
        slot
    }
}

#[inline(always)]
unsafe fn first_seen(task: *const u8, process: *mut Process, key: ThreadKey) -> u32 {
    let Some(slot) = places::take(&FREE_THREADS, THREAD_SLOTS, Loss::ThreadTableFull) else {
        return NO_PLACE;
    };
    let Some(thread) = THREADS.get_ptr_mut(slot) else { return NO_PLACE };
    // SAFETY: a live element, which nobody else knows yet; the fields that are not set here are 0.
    unsafe {
        let since_ns = key.start_ns.max((*process).since_ns);
        (*thread).word = StateWord::new(ThreadState::Unseen, since_ns).0;
        (*thread).since_ns = since_ns;
        (*thread).off_ns = since_ns;
        (*thread).user_stack = -1;
        (*thread).kernel_stack = -1;
        (*thread).was_long = 1;
        (*thread).exec_ns = load(task, Field::TaskSumExec);
        (*thread).process = (*process).serial;
        (*thread).tgid = (*process).tgid;
        read_bytes(task, Field::TaskComm, &mut (*thread).comm);
        if THREAD_PLACES.insert(key, slot, NO_EXIST).is_ok() {
            // The id last: with it the element is the thread's, for other CPUs and for the daemon.
            (&raw mut (*thread).key.start_ns).write_volatile(key.start_ns);
            (&raw mut (*thread).key.tid).write_volatile(key.tid);
            if let Some(count) = NEW_THREADS.get_ptr_mut(0) {
                *count += 1;
            }
            return slot;
        }
    }
    places::give_way(&FREE_THREADS, slot, &THREAD_PLACES, key, Loss::ThreadTableFull)
}

#[inline(always)]
unsafe fn key_of(task: *const u8) -> ThreadKey {
    // SAFETY: the caller's task is a task_struct.
    unsafe {
        ThreadKey { start_ns: load(task, Field::TaskStartTime), tid: load(task, Field::TaskPid), _pad: 0 }
    }
}
