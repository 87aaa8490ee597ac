//! Payload on its way, as recorded: what threads received and sent, when it arrived, and what kept it back.
//!
//! Times are monotonic ns. Sequence numbers are TCP's own, and wrap. Records may come in any order.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::ProcessSerial;

/// A call that moved payload, recorded as it returned. Where a record stands for several calls, `bytes` is
/// their sum, `since_ns` the first one's, and the rest the last one's: a byte that no record covers has no known
/// sender. Traffic of control
/// ports is not recorded: a loop that answers a question about the transfer makes no progress with it.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// When the first of its calls returned.
    pub since_ns: u64,
    /// When the last one did.
    pub at_ns: u64,
    pub process: ProcessSerial,
    pub tid: u32,
    pub cookie: u64,
    pub direction: Direction,
    pub bytes: u64,
    /// TCP: `copied_seq` after a receive, `write_seq` after a send.
    pub sequence: Option<u32>,
    /// A datagram's destination, where it was sent.
    pub destination: Option<SocketAddr>,
    /// Receives of the thread that found nothing, on any socket, since its last payload or sleep; without the one
    /// that finds a socket drained.
    pub empty_calls: u32,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Received,
    Sent,
}

/// Bytes became readable (`sk_data_ready`).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub at_ns: u64,
    pub cookie: u64,
    /// TCP: `rcv_nxt`, the first byte that is still missing.
    pub sequence: Option<u32>,
}

/// What TCP holds of a socket's bytes: after a send, and as acknowledgements come in.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendQueue {
    pub at_ns: u64,
    pub cookie: u64,
    pub write_seq: u32,
    pub in_flight_bytes: u32,
    /// Written by the application, not yet handed to the link.
    pub unsent_bytes: u32,
    /// What keeps the next byte from being sent. None: nothing but the link's own queue.
    pub held_by: Option<HeldBy>,
    /// Missing before it was measured, and in captures up to November 2026. Appended, and so are the next two.
    pub smoothed_rtt_us: Option<u32>,
    pub congestion_window_bytes: u32,
    /// What it announced, from the first byte that it has not acknowledged on.
    pub peer_window_bytes: u32,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum HeldBy {
    Nagle,
    CongestionWindow,
    Pacing,
    PeerWindow,
}

impl Payload {
    /// The sequence number of its first byte, for TCP.
    pub fn first_byte(&self) -> Option<u32> {
        self.sequence.map(|past| past.wrapping_sub(self.bytes as u32))
    }
}
