//! Whether counters alone are watched: no probe sees switches, wake-ups and arrivals then.

/// 1: they are. Set by the daemon.
#[unsafe(no_mangle)]
static COUNTERS_ALONE: u32 = 0;

/// A constant to the kernel's verifier, which leaves out what depends on it.
#[inline(always)]
pub fn alone() -> bool {
    // SAFETY: volatile because the daemon replaces the value that the compiler sees.
    unsafe { (&raw const COUNTERS_ALONE).read_volatile() != 0 }
}
