//! From send to arrival: in flight, or still held by the sender's TCP, and by what.
//!
//! TCP's state is known where it was recorded, after sends and as acknowledgements come in; between two
//! records the earlier one holds. A byte that once was handed to the link stays the link's. Unsent bytes that
//! nothing in TCP holds are the link's as well: its queue is full. Datagrams are not held.

use crate::attribution::{
    observed::{sequences::is_before, traffic::Traffic},
    part::{Part, part},
    shares::Network,
};
use capture::traffic::{HeldBy, Payload, SendQueue};

/// The transit of a byte (None: of a datagram) that was sent on this socket; the latest part first.
pub fn of_byte(traffic: &Traffic, cookie: u64, byte: Option<u32>, from_ns: u64, to_ns: u64) -> Vec<Part> {
    let Some(byte) = byte else { return vec![part(from_ns, to_ns, Network::Link)] };
    let send_queues = traffic.send_queues(cookie, from_ns, to_ns);
    let sent = send_queues.iter().position(|send_queue| has_sent(send_queue, byte));
    let held = &send_queues[..sent.map_or(send_queues.len(), |sent| sent + 1)];
    stretch(held, from_ns, to_ns, |send_queue| match send_queue.held_by {
        _ if has_sent(send_queue, byte) => Network::Link,
        Some(HeldBy::Nagle) => Network::Nagle,
        Some(HeldBy::CongestionWindow) => Network::Cwnd,
        Some(HeldBy::Pacing) => Network::Pacing,
        Some(HeldBy::PeerWindow) => Network::PeerWindow,
        None => Network::Link,
    })
}

/// A wait for room to send: the peer's reader while its window is exhausted, else the link's, which still has
/// the bytes whose acknowledgement would make room.
pub fn for_space(traffic: &Traffic, send: &Payload, from_ns: u64, to_ns: u64) -> Vec<Part> {
    if send.sequence.is_none() {
        return vec![part(from_ns, to_ns, Network::Link)];
    }
    stretch(traffic.send_queues(send.cookie, from_ns, to_ns), from_ns, to_ns, |send_queue| {
        match send_queue.held_by {
            Some(HeldBy::PeerWindow) => Network::PeerWindow,
            Some(HeldBy::Nagle | HeldBy::CongestionWindow | HeldBy::Pacing) | None => Network::Link,
        }
    })
}

/// Each record from its time to the next one's, the first one from the beginning.
fn stretch(
    send_queues: &[SendQueue],
    from_ns: u64,
    to_ns: u64,
    meaning: impl Fn(&SendQueue) -> Network,
) -> Vec<Part> {
    if send_queues.is_empty() {
        return vec![part(from_ns, to_ns, Network::Unknown)];
    }
    let mut parts = Vec::with_capacity(send_queues.len());
    let mut until_ns = to_ns;
    for (place, send_queue) in send_queues.iter().enumerate().rev() {
        let since_ns = if place == 0 { from_ns } else { send_queue.at_ns.clamp(from_ns, until_ns) };
        parts.push(part(since_ns, until_ns, meaning(send_queue)));
        until_ns = since_ns;
    }
    parts
}

/// Whether the byte had been handed to the link.
fn has_sent(send_queue: &SendQueue, byte: u32) -> bool {
    is_before(byte, send_queue.write_seq.wrapping_sub(send_queue.unsent_bytes))
}
