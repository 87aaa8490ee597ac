//! Tasks that end as soon as they have begun, so many a second; and a crowd of those that live.

use std::{
    ffi::{c_int, c_void},
    ptr::null_mut,
    thread,
    time::{Duration, Instant},
};

/// What a storm keeps to.
const SLOT: Duration = Duration::from_millis(10);

/// Processes, one after the other. They are children of this process.
pub fn processes(number: usize, per_s: usize) {
    storm(number, per_s, || {
        let child = begin(libc::SIGCHLD);
        // SAFETY: a child that nobody else waits for.
        assert_eq!(unsafe { libc::waitpid(child, null_mut(), 0) }, child);
    });
}

/// Threads of this process, with the name of the calling one.
pub fn threads(number: usize, per_s: usize) {
    let shared = libc::CLONE_THREAD | libc::CLONE_SIGHAND | libc::CLONE_FS | libc::CLONE_FILES;
    storm(number, per_s, || {
        begin(shared);
    });
}

/// Processes that sleep until this is dropped. They are children of this process.
pub struct Crowd {
    children: Vec<c_int>,
    /// All have one, and write the same to it.
    _stack: Box<[u128; 1024]>,
}

pub fn crowd(number: usize) -> Crowd {
    extern "C" fn sleep(_: *mut c_void) -> c_int {
        loop {
            // SAFETY: no arguments.
            unsafe { libc::pause() };
        }
    }
    let mut stack = Box::new([0u128; 1024]);
    let top = stack.as_mut_ptr_range().end;
    // SAFETY: the stack is aligned, and outlives the tasks, which all call the same.
    let one = || unsafe { libc::clone(sleep, top.cast(), libc::SIGCHLD | libc::CLONE_VM, null_mut()) };
    let children: Vec<_> = (0..number).map(|_| one()).collect();
    assert!(children.iter().all(|id| *id > 0), "clone: {}", std::io::Error::last_os_error());
    Crowd { children, _stack: stack }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for &child in &self.children {
            // SAFETY: a child that nobody else waits for.
            unsafe {
                libc::kill(child, libc::SIGKILL);
                libc::waitpid(child, null_mut(), 0);
            }
        }
    }
}

fn storm(number: usize, per_s: usize, one: impl Fn()) {
    let began = Instant::now();
    let per_slot = per_s * SLOT.as_millis() as usize / 1000;
    for slot in 0..number.div_ceil(per_slot) {
        thread::sleep((SLOT * slot as u32).saturating_sub(began.elapsed()));
        (slot * per_slot..number.min((slot + 1) * per_slot)).for_each(|_| one());
    }
    eprintln!("{:.0} of {per_s} a second", number as f64 / began.elapsed().as_secs_f64());
}

/// Makes a task in this one's memory, and waits until it has left it.
fn begin(flags: c_int) -> c_int {
    extern "C" fn end_at_once(_: *mut c_void) -> c_int {
        0
    }
    let mut stack = [0u128; 1024];
    let top = stack.as_mut_ptr_range().end;
    // SAFETY: the stack is aligned, and outlives the task, which does nothing and uses no thread's own data.
    let id = unsafe {
        libc::clone(end_at_once, top.cast(), flags | libc::CLONE_VM | libc::CLONE_VFORK, null_mut())
    };
    assert!(id > 0, "clone: {}", std::io::Error::last_os_error());
    id
}
