//! Thread states: a partition of each thread's life, to the ns.
//!
//! States are what the kernel showed, wait by wait: an event loop's tick is `wait_timer` here, whatever the
//! loop waited for; what the bytes waited for is the active path's. Time that interrupts took from a running
//! thread is still in `cpu_ns`. A sleep from before the recording is `wait_idle` up to its wake-up.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::{
    attribution::observed::threads::Thread,
    attribution::{
        cause::{self, Cause},
        futex::FutexWaits,
    },
};

#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct States {
    pub cpu_ns: u64,
    pub runqueue_ns: u64,
    pub throttled_ns: u64,
    pub wait_disk_ns: u64,
    pub wait_network_ns: u64,
    pub wait_lock_ns: u64,
    pub wait_timer_ns: u64,
    pub wait_thread_ns: u64,
    pub wait_memory_ns: u64,
    pub wait_idle_ns: u64,
    pub wait_other_ns: u64,
}

/// The states of a thread between two times; they sum to the part of its life that lies between them.
pub fn of(thread: &Thread, futexes: &FutexWaits, from_ns: u64, to_ns: u64) -> States {
    let (from_ns, to_ns) = (from_ns.max(thread.life.since_ns), to_ns.min(thread.life.end_ns));
    let inside = |from: u64, to: u64| to.min(to_ns).saturating_sub(from.max(from_ns));
    let mut states = States::default();
    let mut off_cpu_ns = 0;
    // Intervals are disjoint: only the last one that began before may reach into the window.
    let reaching = thread.spans_before(from_ns).saturating_sub(1)..thread.spans_before(to_ns);
    for span in thread.spans.range(reaching) {
        let off = thread.times(&span);
        let blocked_ns = inside(off.off_ns, off.runnable_ns);
        let runnable_ns = inside(off.runnable_ns, off.on_ns);
        off_cpu_ns += blocked_ns + runnable_ns;
        let runnable = if span.throttled { &mut states.throttled_ns } else { &mut states.runqueue_ns };
        *runnable += runnable_ns;
        if let Some(cause) = cause::of(&span, futexes) {
            let since_before = off.off_ns <= thread.life.since_ns;
            *states.waiting(if since_before { Cause::Never } else { cause }) += blocked_ns;
        }
    }
    states.cpu_ns = inside(from_ns, to_ns) - off_cpu_ns;
    states
}

impl States {
    pub fn sum_ns(&self) -> u64 {
        let Self { cpu_ns, runqueue_ns, throttled_ns, wait_disk_ns, wait_network_ns, .. } = self;
        let Self { wait_lock_ns, wait_timer_ns, wait_thread_ns, wait_memory_ns, .. } = self;
        let on_or_ready_ns = cpu_ns + runqueue_ns + throttled_ns;
        let device_ns = wait_disk_ns + wait_network_ns + wait_timer_ns + wait_memory_ns;
        on_or_ready_ns + device_ns + wait_lock_ns + wait_thread_ns + self.wait_idle_ns + self.wait_other_ns
    }

    fn waiting(&mut self, cause: Cause) -> &mut u64 {
        match cause {
            Cause::Network => &mut self.wait_network_ns,
            Cause::Disk => &mut self.wait_disk_ns,
            Cause::Timer => &mut self.wait_timer_ns,
            Cause::Memory => &mut self.wait_memory_ns,
            Cause::Lock { .. } => &mut self.wait_lock_ns,
            Cause::Thread { .. } | Cause::OutsideWaker => &mut self.wait_thread_ns,
            Cause::Never => &mut self.wait_idle_ns,
            Cause::Unknown => &mut self.wait_other_ns,
        }
    }
}

impl AddAssign for States {
    fn add_assign(&mut self, other: Self) {
        self.cpu_ns += other.cpu_ns;
        self.runqueue_ns += other.runqueue_ns;
        self.throttled_ns += other.throttled_ns;
        self.wait_disk_ns += other.wait_disk_ns;
        self.wait_network_ns += other.wait_network_ns;
        self.wait_lock_ns += other.wait_lock_ns;
        self.wait_timer_ns += other.wait_timer_ns;
        self.wait_thread_ns += other.wait_thread_ns;
        self.wait_memory_ns += other.wait_memory_ns;
        self.wait_idle_ns += other.wait_idle_ns;
        self.wait_other_ns += other.wait_other_ns;
    }
}
