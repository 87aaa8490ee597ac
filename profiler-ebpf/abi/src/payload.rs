//! Payload: the calls that moved peer traffic, put together while one thread stays on its CPU.

use crate::Plain;

use super::event::{Event, Kind};

/// Calls of one thread on one socket, one way and to one destination, that followed each other within
/// [`TOGETHER_NS`]. The sum of `bytes` over the records of a socket is what it carried.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Payload {
    pub kind: u32,
    pub tid: u32,
    pub process: u64,
    pub cookie: u64,
    /// Monotonic ns: when the first call returned.
    pub since_ns: u64,
    /// Monotonic ns: when the last call returned.
    pub at_ns: u64,
    pub bytes: u64,
    /// TCP, as of the last call: `copied_seq` after a receive, `write_seq` after a send.
    pub sequence: u32,
    /// TCP, as of the last receive: `rcv_nxt`.
    pub arrived: u32,
    /// Receives that found nothing since the thread's last payload, see [`Pending::empty_calls`].
    pub empty_calls: u32,
    pub protocol: u16,
    /// [`RECEIVED`] or [`SENT`].
    pub direction: u16,
    /// UDP: where the datagrams were sent.
    pub destination: Destination,
    /// UDP: when the first datagram arrived after the receive before these, monotonic ns; 0 where none was seen.
    pub arrived_ns: u64,
}

const _: () = assert!(size_of::<Payload>() == 96);

// SAFETY: plain integers without padding, `kind` first.
unsafe impl Event for Payload {
    const KIND: Kind = Kind::Payload;
}

pub const RECEIVED: u16 = 0;
pub const SENT: u16 = 1;

/// An address and a port; the family is 0 where they are not known.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Destination {
    pub family: u16,
    pub port: u16,
    pub _pad: u32,
    /// The bytes of the address in network order; an IPv4 address is the first four.
    pub ip: [u64; 2],
}

/// Calls further apart are records of their own: a byte's time is known to this.
pub const TOGETHER_NS: u64 = 100_000;

/// What the thread that is on a CPU has moved and not yet recorded; one per CPU. One record for each way: an event loop
/// that answers every datagram as it reads it goes to and fro between the two.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Pending {
    /// Without bytes: nothing.
    pub receives: Payload,
    pub sends: Payload,
    /// Receives that found nothing, on any socket, since the thread's last payload or sleep. The one that finds a
    /// socket drained after a payload is not counted: every event loop makes it.
    pub empty_calls: u32,
    /// 1: the thread's last receive got something, and it has not slept since.
    pub received: u32,
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for Pending {}

const _: () = assert!(size_of::<Pending>() == 200);
