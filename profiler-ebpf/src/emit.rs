//! Records into the ring buffers, and the count of what could not be recorded.

use abi::{
    event::Event,
    loss::Loss,
    rings::{BLOCK_BYTES, MARGIN_BYTES, SPARE_BYTES},
};
use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns};

use crate::{
    atomic,
    maps::{LOSSES, RING_BLOCKS, RING_ENDS},
};

/// Blocks of each ring; a power of two, set by the daemon.
#[unsafe(no_mangle)]
static BLOCKS_PER_RING: u32 = 1;

/// Puts one record into this CPU's ring. Never wakes the daemon, which drains on a timer: a wake-up per record costs
/// the profiled thread a trip through the scheduler.
///
/// Probes that interrupt each other reserve one after the other, and write side by side.
#[inline(always)]
pub fn emit<T: Event>(record: T) {
    write::<T, false>(record);
}

/// The same where nothing can interrupt, as in `sched_switch`, whose CPU takes no interrupts: locked instructions are
/// saved.
#[inline(always)]
pub fn emit_alone<T: Event>(record: T) {
    write::<T, true>(record);
}

#[inline(always)]
fn write<T: Event, const ALONE: bool>(record: T) {
    let bytes = const {
        assert!(size_of::<T>().is_multiple_of(8) && size_of::<T>() as u64 <= SPARE_BYTES);
        size_of::<T>() as u64
    };
    // SAFETY: no arguments.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let Some(ends) = RING_ENDS.get_ptr_mut(cpu) else { return lose(Loss::RingFull) };
    // SAFETY: a live element; the record lies within its block and the block's spare room.
    unsafe {
        let blocks = (&raw const BLOCKS_PER_RING).read_volatile();
        let unread =
            (&raw const (*ends).reserved).read_volatile() - (&raw const (*ends).read).read_volatile();
        if unread + MARGIN_BYTES >= u64::from(blocks) * BLOCK_BYTES {
            return lose(Loss::RingFull);
        }
        let at = if ALONE {
            let at = (&raw const (*ends).reserved).read_volatile();
            atomic::add_alone(&raw mut (*ends).reserved, bytes);
            at
        } else {
            atomic::fetch_add(&raw mut (*ends).reserved, bytes)
        };
        let block = (at / BLOCK_BYTES) as u32 & (blocks - 1);
        if let Some(block) = RING_BLOCKS.get_ptr_mut(cpu * blocks + block) {
            block.byte_add((at % BLOCK_BYTES) as usize).cast::<T>().write(record);
        }
        if ALONE {
            atomic::add_alone(&raw mut (*ends).written, bytes);
        } else {
            atomic::add(&raw mut (*ends).written, bytes);
        }
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
