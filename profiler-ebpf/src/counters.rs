//! Whether counters alone are watched: no probe sees switches, wake-ups and arrivals then.

use crate::maps::SHED;

/// 1: they are. Set by the daemon.
#[unsafe(no_mangle)]
static COUNTERS_ALONE: u32 = 0;

/// A constant to the kernel's verifier, which leaves out what depends on it.
#[inline(always)]
pub fn alone() -> bool {
    // SAFETY: volatile because the daemon replaces the value that the compiler sees.
    unsafe { (&raw const COUNTERS_ALONE).read_volatile() != 0 }
}

/// Whether switches are not seen for now. Asks a map: for what happens rarely.
#[inline(always)]
pub fn are_switches_shed() -> bool {
    // SAFETY: a live element, which the daemon changes.
    SHED.get_ptr(0).is_some_and(|shed| unsafe { shed.read_volatile() } != 0)
}
