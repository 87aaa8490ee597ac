//! Timers that a thread sets for later, rather than for the call that it sleeps in.

use super::event::{Event, Kind};

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TimerSet {
    pub kind: u32,
    pub tid: u32,
    pub process: u64,
    /// Monotonic ns.
    pub at_ns: u64,
    /// As [`Waker::event`](super::span::Waker::event) names it.
    pub timer: u64,
    /// Monotonic ns, whatever clock it was set by: the soft expiry.
    pub deadline_ns: u64,
    /// The system call that set it.
    pub syscall: i32,
    pub _pad: u32,
}

const _: () = assert!(size_of::<TimerSet>() == 48);

// SAFETY: plain integers without padding, `kind` first.
unsafe impl Event for TimerSet {
    const KIND: Kind = Kind::TimerSet;
}
