//! Sockets: who talked to whom, and how much. Totals are cumulative since the recording began.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::ProcessSerial;

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    Tcp,
    Udp,
}

/// One process's use of one socket.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct SocketTotals {
    pub at_ns: u64,
    pub cookie: u64,
    pub process: ProcessSerial,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_calls: u64,
    pub tx_calls: u64,
    /// Monotonic ns; see [`SocketTotals::used_ns`].
    pub first_ns: u64,
    pub last_ns: u64,
    /// One of its ports was named as a control port.
    pub control: bool,
    /// Missing where the table of sockets was full.
    pub ends: Option<SocketEnds>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct SocketEnds {
    pub protocol: Protocol,
    pub local: SocketAddr,
    /// Unspecified for a UDP socket that is not connected.
    pub peer: SocketAddr,
    pub netns: u32,
    pub established_ns: Option<u64>,
    pub retransmits: u64,
    pub closed: Option<SocketClosed>,
}

/// The kernel's own totals of a TCP connection when it was released, over all processes that used it.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct SocketClosed {
    pub at_ns: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub bytes_acked: u64,
    pub bytes_retransmitted: u64,
}

/// Bytes that a connection received past the calls that are counted (splice, zero-copy receive, readers inside the
/// kernel), over all processes that used it. Known as it is closed, or at the end.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Bypassed {
    pub at_ns: u64,
    pub cookie: u64,
    /// The process that used it first.
    pub process: ProcessSerial,
    pub bytes: u64,
}

impl SocketTotals {
    /// When the first and the last call moved payload, monotonic ns. Captures of the time before the probes kept the two
    /// in order may have the last before the first: the later call was counted first then, or the only one was not yet
    /// counted as the last.
    pub fn used_ns(&self) -> (u64, u64) {
        match (self.first_ns, self.last_ns) {
            (first, 0) => (first, first),
            (first, last) => (first.min(last), first.max(last)),
        }
    }
}

impl SocketEnds {
    /// Whether the peer is known: a connected socket, or a UDP socket that was connected.
    pub fn has_peer(&self) -> bool {
        self.peer.port() != 0 && !self.peer.ip().is_unspecified()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Record, testing::sample};

    #[track_caller]
    fn check(first_ns: u64, last_ns: u64, expected: (u64, u64)) {
        let Record::SocketTotals(totals) = sample::socket(sample::LEECHER, 11, None, false) else {
            panic!("totals of a socket")
        };
        assert_eq!(SocketTotals { first_ns, last_ns, ..totals }.used_ns(), expected);
    }

    #[test]
    fn the_first_use_is_never_after_the_last() {
        check(5, 9, (5, 9));
        check(5, 5, (5, 5));
        check(9, 5, (5, 9));
        check(9, 0, (9, 9));
    }
}
