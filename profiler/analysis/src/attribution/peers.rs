//! A network wait, split over the transit of the byte that it waited for: before the peer sent it, while TCP held
//! it, while it was under way, and from its arrival to the wake-up.
//!
//! The awaited byte is the first one of the receive that ended the wait which had not arrived as the wait
//! began: a receive that takes several waits waits for another byte each time. On loopback a byte arrives
//! before its send returns; a send is then taken to end as the byte arrives.
//!
//! Only the peer is followed, not the peer's peers: what a third node did is `peer_network`. Where the peer
//! itself waits for bytes of ours that were sent before, they are on the way like any others (Nagle may hold
//! them); `peer_waits_for_us` begins where those were not yet sent.

use crate::attribution::{
    Evidence,
    observed::{payload::Sent, sequences::is_before, traffic::Traffic},
    part::{Part, PartOf, part},
    shares::Network,
    transit,
};
use capture::{
    ProcessSerial,
    traffic::{Direction, Payload},
};

/// A part of a network wait, and the payload that ended the wait.
#[derive(Clone, Copy, Debug)]
pub struct Wait<'t> {
    pub from_ns: u64,
    pub to_ns: u64,
    /// When the whole wait began.
    pub since_ns: u64,
    pub payload: Option<&'t Payload>,
}

/// On whose side of the connection a wait is.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    Own,
    /// The peer's, whose `socket` we wait for.
    Peer {
        us: ProcessSerial,
        socket: u64,
    },
}

/// The parts of a wait, the latest first; they cover it.
pub fn split(evidence: &Evidence, wait: Wait, scope: Scope) -> Vec<Part> {
    let unexplained = match scope {
        Scope::Own => Network::Unknown,
        Scope::Peer { .. } => Network::PeerNetwork,
    };
    let parts = match wait.payload {
        Some(payload) if payload.direction == Direction::Received => {
            for_bytes(evidence, wait, payload, scope)
        }
        Some(payload) => for_space(evidence, wait, payload, scope),
        None => None,
    };
    parts.unwrap_or_else(|| vec![part(wait.from_ns, wait.to_ns, unexplained)])
}

/// A wait that ended in a receive; None where the sender is not known, or is a third node.
fn for_bytes(evidence: &Evidence, wait: Wait, receive: &Payload, scope: Scope) -> Option<Vec<Part>> {
    let traffic = &evidence.observed.traffic;
    let byte = awaited_byte(traffic, wait, receive)?;
    let arrived_ns = match byte {
        Some(byte) => traffic.byte_arrived_ns(receive.cookie, byte, receive.at_ns),
        None => traffic.arrived_ns(receive),
    };
    let arrived_ns = arrived_ns.unwrap_or(receive.at_ns);
    let sent = carrier(evidence, receive, byte, arrived_ns)?;

    let mut parts = Vec::with_capacity(3);
    let there_ns = arrived_ns.clamp(wait.from_ns, wait.to_ns);
    // On loopback the send returns after the arrival: clamped, nothing is under way.
    let under_way_ns = sent.payload.at_ns.clamp(wait.from_ns, there_ns);
    let before = match scope {
        Scope::Own => PartOf::Peer { thread: sent.thread, socket: sent.payload.cookie },
        Scope::Peer { us, .. } if sent.payload.process == us => PartOf::Network(Network::PeerWaitsForUs),
        Scope::Peer { .. } => return None,
    };
    parts.push(Part { from_ns: there_ns, to_ns: wait.to_ns, of: PartOf::Ours });
    parts.extend(transit::of_byte(traffic, sent.payload.cookie, byte, under_way_ns, there_ns));
    parts.push(Part { from_ns: wait.from_ns, to_ns: under_way_ns, of: before });
    Some(parts)
}

/// A wait that ended in a send; None where it was for a third node.
fn for_space(evidence: &Evidence, wait: Wait, send: &Payload, scope: Scope) -> Option<Vec<Part>> {
    match scope {
        Scope::Peer { socket, .. } if socket != send.cookie => None,
        Scope::Peer { .. } | Scope::Own => {
            Some(transit::for_space(&evidence.observed.traffic, send, wait.from_ns, wait.to_ns))
        }
    }
}

/// None: all of the receive had arrived before the wait, which was for something else. `Some(None)`: a
/// datagram.
fn awaited_byte(traffic: &Traffic, wait: Wait, receive: &Payload) -> Option<Option<u32>> {
    let (Some(first), Some(past)) = (receive.first_byte(), receive.sequence) else { return Some(None) };
    let missing = traffic.missing_at(receive.cookie, wait.since_ns).unwrap_or(first);
    let byte = if is_before(first, missing) { missing } else { first };
    is_before(byte, past).then_some(Some(byte))
}

/// The send that carried the awaited byte, or datagram.
fn carrier<'t>(
    evidence: &Evidence<'t>,
    receive: &Payload,
    byte: Option<u32>,
    arrived_ns: u64,
) -> Option<&'t Sent> {
    let traffic = &evidence.observed.traffic;
    match byte {
        Some(byte) => {
            let sender = evidence.pairs.peer(evidence.observed.host.of(receive.cookie))?;
            traffic.carrier(sender.id, byte, receive.at_ns)
        }
        None => traffic.last_datagram(receive.cookie, arrived_ns),
    }
}
