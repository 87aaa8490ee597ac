//! An emulated machine whose clock counts instructions skips the time that it idles, also while its disk is at work: a write
//! would take as long as until the next timer. It does not idle while a thread has something to run.

use std::{
    hint,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

/// Dropping it ends the thread.
pub struct Awake {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Awake {
    /// A thread of this process, which every other thread comes before.
    pub fn keep() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let spin = move || {
            let parameters = libc::sched_param { sched_priority: 0 };
            // SAFETY: the parameters outlive the call.
            let done = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) };
            assert_eq!(done, 0, "give way to everything");
            while !seen.load(Relaxed) {
                // Not `pause`, at which the emulator looks at everything.
                hint::black_box((0..1000).sum::<u32>());
            }
        };
        Self { is_over, thread: Some(thread::spawn(spin)) }
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.is_over.store(true, Relaxed);
        // Without it the programs were off their plan, which is said.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
