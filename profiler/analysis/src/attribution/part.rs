//! A part of a network wait, and whose time it is.

use super::{observed::threads::ThreadIndex, shares::Network};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    pub from_ns: u64,
    pub to_ns: u64,
    pub of: PartOf,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PartOf {
    Network(Network),
    /// The bytes were there, and we were not woken yet.
    Ours,
    /// What this thread did until it sent on this socket.
    Peer {
        thread: ThreadIndex,
        socket: u64,
    },
}

pub(super) fn part(from_ns: u64, to_ns: u64, of: Network) -> Part {
    Part { from_ns, to_ns, of: PartOf::Network(of) }
}
