//! Records into the ring buffer, and the count of what could not be recorded.

use aya_ebpf::{bindings::BPF_RB_NO_WAKEUP, helpers::bpf_ktime_get_ns};
use profiler_ebpf::abi::{event::Event, loss::Loss};

use crate::maps::{EVENTS, LOSSES};

/// Puts one record into the ring buffer. Never wakes the daemon, which drains on a timer: a wake-up per
/// record costs the profiled thread a trip through the scheduler.
#[inline(always)]
pub fn emit<T: Event>(record: T) {
    match EVENTS.reserve::<T>(0) {
        Some(mut entry) => {
            entry.write(record);
            entry.submit(u64::from(BPF_RB_NO_WAKEUP));
        }
        None => lose(Loss::RingFull),
    }
}

#[inline(always)]
pub fn lose(class: Loss) {
    if let Some(count) = LOSSES.get_ptr_mut(class as u32) {
        // SAFETY: this CPU's own element, and preemption is off in a tracepoint (not in fexit: see the limitations).
        unsafe { *count += 1 };
    }
}

/// Monotonic ns, the clock of every record.
#[inline(always)]
pub fn now_ns() -> u64 {
    // SAFETY: no arguments.
    unsafe { bpf_ktime_get_ns() }
}
