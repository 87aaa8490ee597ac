//! Packets whose payload is in no flow, by the reason.

use std::collections::BTreeMap;

use crate::verify::packets::kinds::Kind;

/// Kinds that are told apart; a file with more is made to have them.
pub const KIND_LIMIT: usize = 64;

/// How many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Unread {
    /// Neither TCP nor UDP over IP, or a link of an unknown kind.
    pub other: u64,
    /// The same by what they are; beyond [`KIND_LIMIT`] kinds, packets are in `other` alone.
    pub kinds: BTreeMap<Kind, u64>,
    /// Later parts of fragmented packets. The first part of a datagram has the length of the whole; that of a TCP
    /// segment has not.
    pub later_fragments: u64,
    /// Less was captured than the headers.
    pub headless: u64,
    /// There were too many flows.
    pub flows_full: u64,
}

impl Unread {
    /// Counts a packet that is neither TCP nor UDP.
    pub fn other(&mut self, kind: Kind) {
        self.other += 1;
        if self.kinds.len() < KIND_LIMIT || self.kinds.contains_key(&kind) {
            *self.kinds.entry(kind).or_default() += 1;
        }
    }
}
