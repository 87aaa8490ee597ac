//! The traffic records of a capture, and what goes with them.

use crate::{
    attribution::observed::threads::ThreadIndex,
    rows::{Codec, Row, Rows},
};
use capture::{
    OnHost, Retransmit, SocketEnds,
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
    pub payloads: Rows<Payload>,
    pub arrivals: Rows<Arrival>,
    pub send_queues: Rows<SendQueue>,
    pub retransmits: Rows<Retransmit>,
    pub sockets: Vec<Socket>,
}

/// Place of a movement among all of a capture, in order of their last times.
pub type MovementIndex = u64;

/// Payload that a thread moved on a connection, in one call or in several that share a record: of these only the first and the
/// last time are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Movement {
    pub index: MovementIndex,
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
    pub fn of(payload: &Payload, thread: ThreadIndex, index: MovementIndex) -> Self {
        let Payload { cookie, direction, bytes, sequence, since_ns, at_ns, empty_calls, .. } = *payload;
        let since_ns = since_ns.min(at_ns);
        Self { index, thread, cookie, direction, bytes, past: sequence, since_ns, at_ns, empty_calls }
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

impl Row for Movement {
    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn code(&mut self, before: &Self, codec: &mut impl Codec) {
        let Self { index, thread, cookie, direction, bytes, past, since_ns, at_ns, empty_calls } = self;
        codec.step(index, before.index);
        codec.like(thread, before.thread);
        codec.like(cookie, before.cookie);
        codec.like(direction, before.direction);
        codec.step(bytes, before.bytes);
        codec.some32(past, before.past);
        codec.step(since_ns, before.at_ns);
        codec.step(at_ns, before.at_ns);
        codec.step32(empty_calls, before.empty_calls);
    }
}
