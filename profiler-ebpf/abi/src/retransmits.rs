//! Segments that TCP sent again.

use crate::event::{Event, Kind};

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Retransmit {
    pub kind: u32,
    /// Its first byte.
    pub sequence: u32,
    /// As [`SocketKey::cookie`](super::sockets::SocketKey::cookie)
    pub cookie: u64,
    /// Monotonic ns.
    pub at_ns: u64,
    /// Behind its last byte.
    pub past: u32,
    pub _pad: u32,
}

const _: () = assert!(size_of::<Retransmit>() == 32);

// SAFETY: plain integers without padding, `kind` first.
unsafe impl Event for Retransmit {
    const KIND: Kind = Kind::Retransmit;
}
