//! Running at once after a wake-up, on a host that is busy with other things.

use crate::programs::PRIORITY;

/// `struct sched_attr`, of `linux/sched/types.h`.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime_ns: u64,
    deadline_ns: u64,
    period_ns: u64,
}

const SLICE_NS: u64 = 100_000;

/// Since 6.12 a task may have a slice of its own. With the usual one it waits, for all its priority, until the slice of
/// whoever runs is over, which is 3 ms; with a shorter one it does not. Older kernels ignore it.
pub fn shorten() {
    let attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        nice: PRIORITY,
        runtime_ns: SLICE_NS,
        ..Attributes::default()
    };
    // SAFETY: the attributes outlive the call.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    assert_eq!(done, 0, "choose a slice, which needs root");
}
