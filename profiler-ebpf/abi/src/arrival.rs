//! Arrivals: bytes became readable on a TCP socket. Those of datagrams are told by the receive that follows.

use super::event::{Event, Kind};

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrival {
    pub kind: u32,
    /// `rcv_nxt`, the first byte that is still missing.
    pub sequence: u32,
    pub cookie: u64,
    /// Monotonic ns.
    pub at_ns: u64,
}

const _: () = assert!(size_of::<Arrival>() == 24);

// SAFETY: plain integers without padding, `kind` first.
unsafe impl Event for Arrival {
    const KIND: Kind = Kind::Arrival;
}

/// While bytes lie unread, arrivals are recorded at most this often.
pub const ARRIVAL_INTERVAL_NS: u64 = 100_000;
