//! A piece of the path that some bytes came by.

use crate::attribution::{observed::threads::ThreadIndex, shares::Share};

/// Whose time it is, as the process that is asked about sees it. It changes at connections only: a child that is waited for is
/// no peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Own,
    Peer,
}

/// A thread in one state, or bytes on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub from_ns: u64,
    pub to_ns: u64,
    /// None: on the way between two threads, or not known.
    pub thread: Option<ThreadIndex>,
    /// The off-CPU interval of that thread that it is a part of; None where it ran.
    pub span: Option<usize>,
    /// As the thread itself sees it.
    pub share: Share,
    pub side: Side,
}

impl Segment {
    /// As the process that is asked about sees it.
    pub fn seen(self) -> Share {
        match self.side {
            Side::Own => self.share,
            Side::Peer => self.share.of_peer(),
        }
    }
}
