//! The traffic records of a capture, and what goes with them.

use crate::attribution::observed::threads::ThreadIndex;
use capture::{
    OnHost, Progress, SocketEnds,
    traffic::{Arrival, Payload, SendQueue},
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
    pub progress: Vec<Progress>,
    pub payloads: Vec<Payload>,
    pub arrivals: Vec<Arrival>,
    pub send_queues: Vec<SendQueue>,
    pub sockets: Vec<Socket>,
}

/// A send, and who made it.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    pub thread: ThreadIndex,
    pub payload: Payload,
}
