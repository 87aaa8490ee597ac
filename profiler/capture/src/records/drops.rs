//! What the kernel threw away of targets' sockets.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::ProcessSerial;

/// Packets of one socket that were dropped for one reason since the recording began. Of one sender, where they were on their
/// way in; without one on their way out, or where it is not known. Told at most every ms, and at the end.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drops {
    pub at_ns: u64,
    /// The kernel's own of a listening socket, which `process` has.
    pub cookie: u64,
    pub process: Option<ProcessSerial>,
    pub reason: DropReason,
    pub source: Option<SocketAddr>,
    pub drops: u64,
    /// Of datagrams the payload, of TCP with the headers that the packet still had; 0 where it is not known.
    pub bytes: u64,
    /// The size of the socket's buffer for that direction; of a listening socket the length of its accept queue.
    pub buffer: u32,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    ReceiveBuffer,
    Memory,
    AcceptQueue,
    Qdisc,
    Filter,
    Device,
    Checksum,
    Neighbour,
    Window,
    Other,
}

impl DropReason {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::ReceiveBuffer => "receive buffer full",
            Self::Memory => "no memory for buffers",
            Self::AcceptQueue => "accept queue full",
            Self::Qdisc => "queueing discipline full",
            Self::Filter => "filtered",
            Self::Device => "device could not take it",
            Self::Checksum => "checksum wrong",
            Self::Neighbour => "next hop not found",
            Self::Window => "beyond the window",
            Self::Other => "another reason",
        }
    }
}
