//! The traffic records of a capture, and what goes with them.

use crate::attribution::observed::threads::ThreadIndex;
use capture::{
    OnHost, SocketEnds,
    traffic::{Arrival, Direction, Payload, SendQueue},
};

/// A socket of a target and its ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Socket {
    pub cookie: OnHost<u64>,
    pub ends: SocketEnds,
    /// First and last sign of life.
    pub first_ns: u64,
    pub last_ns: u64,
}

impl Socket {
    pub fn netns(&self) -> OnHost<u32> {
        self.cookie.host.of(self.ends.netns)
    }
}

/// All traffic records of a capture, in any order.
#[derive(Clone, Debug, Default)]
pub struct TrafficRecords {
    pub payloads: Vec<Payload>,
    pub arrivals: Vec<Arrival>,
    pub send_queues: Vec<SendQueue>,
    pub sockets: Vec<Socket>,
}

/// Place of a movement in [`Traffic::all`](super::traffic::Traffic::all).
pub type MovementIndex = u32;

/// Payload that a thread moved on a connection, in one call or in several that share a record: of these only the first and the
/// last time are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Movement {
    pub thread: ThreadIndex,
    pub cookie: u64,
    pub direction: Direction,
    pub bytes: u64,
    /// TCP: the sequence number behind its last byte.
    pub past: Option<u32>,
    /// Monotonic ns: when the first call returned, and the last.
    pub since_ns: u64,
    pub at_ns: u64,
    /// See [`Payload::empty_calls`].
    pub empty_calls: u32,
}

impl Movement {
    pub fn of(payload: &Payload, thread: ThreadIndex) -> Self {
        let Payload { cookie, direction, bytes, sequence, since_ns, at_ns, empty_calls, .. } = *payload;
        Self { thread, cookie, direction, bytes, past: sequence, since_ns, at_ns, empty_calls }
    }

    /// What of it lies before a byte; None if nothing does.
    pub fn up_to(&self, byte: u32) -> Option<Self> {
        let bytes = byte.wrapping_sub(self.first_byte()?);
        match u64::from(bytes) {
            0 => None,
            bytes if bytes < self.bytes => Some(Self { past: Some(byte), bytes, ..*self }),
            _ => Some(*self),
        }
    }

    /// The sequence number of its first byte, for TCP.
    pub fn first_byte(&self) -> Option<u32> {
        self.past.map(|past| past.wrapping_sub(self.bytes as u32))
    }
}
