//! Clocks. Every time in a capture is monotonic: `CLOCK_MONOTONIC`, as `bpf_ktime_get_ns` reads it.

use rustix::time::{ClockId, clock_gettime};

/// Monotonic ns.
pub fn now_ns() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// Ns since the Unix epoch.
pub fn wall_ns() -> u64 {
    nanoseconds(ClockId::Realtime)
}

/// CPU time that the calling thread has used so far.
pub fn thread_cpu_ns() -> u64 {
    nanoseconds(ClockId::ThreadCPUTime)
}

/// CPU time that this process has used so far, all threads together.
pub fn process_cpu_ns() -> u64 {
    nanoseconds(ClockId::ProcessCPUTime)
}

/// The time as a part of file names, which sorts: `2026-11-22T201926Z`.
pub fn filename_time() -> String {
    humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string().replace(':', "")
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    // None of them is negative, and 2^64 ns are 584 years.
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
