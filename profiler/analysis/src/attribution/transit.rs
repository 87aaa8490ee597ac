//! From send to arrival: in flight, or still held by the sender's TCP, and by what.
//!
//! TCP's state is known where it was recorded, after sends and as acknowledgements come in; between two
//! records the earlier one holds. A byte that once was handed to the link stays the link's. Unsent bytes that
//! nothing in TCP holds are the link's as well: its queue is full. A segment that was sent again was lost meanwhile, unless it was
//! sent again for nothing, as where others overtook it. Datagrams are not held.

use crate::attribution::{
    observed::{sequences::is_before, traffic::Traffic},
    shares::Network,
};
use capture::{
    Retransmit,
    traffic::{HeldBy, SendQueue},
};

/// Bytes on their way from one time to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    pub from_ns: u64,
    pub to_ns: u64,
    pub of: Network,
}

/// The transit of a byte (None: of a datagram) that was sent on this socket at `sent_ns`, between two times; the latest part first.
pub fn of_byte(
    traffic: &Traffic,
    (cookie, sent_ns): (u64, u64),
    byte: Option<u32>,
    from_ns: u64,
    to_ns: u64,
) -> Vec<Part> {
    let Some(byte) = byte else { return vec![Part { from_ns, to_ns, of: Network::Link }] };
    let send_queues = traffic.send_queues(cookie, from_ns, to_ns);
    let sent = send_queues.iter().position(|send_queue| has_sent(send_queue, byte));
    let held = &send_queues[..sent.map_or(send_queues.len(), |sent| sent + 1)];
    let mut parts = stretch(held, from_ns, to_ns, |send_queue| match send_queue.held_by {
        _ if has_sent(send_queue, byte) => Network::Link,
        Some(HeldBy::Nagle) => Network::Nagle,
        Some(HeldBy::CongestionWindow) => Network::Cwnd,
        Some(HeldBy::Pacing) => Network::Pacing,
        Some(HeldBy::PeerWindow) => Network::PeerWindow,
        None => Network::Link,
    });
    // It was lost when it was sent first; again it was sent before that time, perhaps.
    if let Some(last) = parts.first_mut().filter(|last| may_be_lost(last))
        && traffic.resent(cookie, sent_ns.min(last.from_ns), last.to_ns).any(|segment| {
            has_byte(&segment, byte) && was_lost(traffic, &segment, byte, (sent_ns, Some(to_ns)))
        })
    {
        last.of = Network::Retransmit;
    }
    parts
}

/// Whether a segment that was sent again had been lost, of which `byte` is one, sent after `since_ns`. TCP does not know of a loss before
/// what was sent behind it is answered: what arrives in less than a round trip was only overtaken. Of what was not seen to arrive, one
/// way is taken.
fn was_lost(
    traffic: &Traffic,
    segment: &Retransmit,
    byte: u32,
    (since_ns, arrived_ns): (u64, Option<u64>),
) -> bool {
    let told = traffic.send_queues(segment.cookie, since_ns, segment.at_ns);
    let Some(rtt_us) = told.iter().rev().find_map(|told| told.smoothed_rtt_us) else { return true };
    // While nothing is held it is not told again, and what is sent then goes out at once.
    let released = told.iter().position(|send_queue| has_sent(send_queue, byte));
    let released = released.filter(|place| *place > 0 && told[place - 1].unsent_bytes > 0);
    let first_ns = released.map_or(since_ns, |place| told[place].at_ns.max(since_ns));
    // It is smoothed: some are shorter.
    let (end_ns, least) = arrived_ns.map_or((segment.at_ns, 0.5), |arrived_ns| (arrived_ns, 0.75));
    end_ns.saturating_sub(first_ns) as f64 >= least * f64::from(rtt_us) * 1000.0
}

fn may_be_lost(part: &Part) -> bool {
    matches!(part.of, Network::Link | Network::Unknown)
}

fn has_byte(segment: &Retransmit, byte: u32) -> bool {
    !is_before(byte, segment.sequence) && is_before(byte, segment.past)
}

/// What kept a TCP socket from having room for more: the peer's window where it is used up, the congestion window, else the
/// link, which still has the bytes whose acknowledgement would make room. `other_end` is the peer's socket, where that is in the capture.
pub fn for_room(
    traffic: &Traffic,
    (cookie, other_end): (u64, Option<u64>),
    from_ns: u64,
    to_ns: u64,
) -> Vec<Part> {
    let send_queues = traffic.send_queues(cookie, from_ns, to_ns);
    let mut parts = stretch(&send_queues, from_ns, to_ns, |send_queue| match send_queue.held_by {
        Some(HeldBy::PeerWindow) => Network::PeerWindow,
        Some(HeldBy::CongestionWindow) => Network::Cwnd,
        Some(HeldBy::Nagle | HeldBy::Pacing) | None => Network::Link,
    });
    let held_up = |segment: &Retransmit| {
        let last = segment.past.wrapping_sub(1);
        let arrived_ns =
            other_end.and_then(|other_end| traffic.byte_arrived_ns(other_end, last, segment.at_ns));
        let had_arrived = arrived_ns.is_some_and(|arrived_ns| arrived_ns < segment.at_ns);
        let first = segment.sequence;
        let sent = traffic.carrier(cookie, first, segment.at_ns);
        !had_arrived && sent.is_none_or(|sent| was_lost(traffic, segment, first, (sent.since_ns, arrived_ns)))
    };
    for part in parts.iter_mut().filter(|part| may_be_lost(part)) {
        if traffic.resent(cookie, part.from_ns, part.to_ns).any(|segment| held_up(&segment)) {
            part.of = Network::Retransmit;
        }
    }
    parts
}

/// Each record from its time to the next one's, the first one from the beginning.
fn stretch(
    send_queues: &[SendQueue],
    from_ns: u64,
    to_ns: u64,
    meaning: impl Fn(&SendQueue) -> Network,
) -> Vec<Part> {
    if send_queues.is_empty() {
        return vec![Part { from_ns, to_ns, of: Network::Unknown }];
    }
    let mut parts: Vec<Part> = Vec::with_capacity(send_queues.len());
    let mut until_ns = to_ns;
    for (place, send_queue) in send_queues.iter().enumerate().rev() {
        let since_ns = if place == 0 { from_ns } else { send_queue.at_ns.clamp(from_ns, until_ns) };
        let of = meaning(send_queue);
        match parts.last_mut().filter(|later| later.of == of) {
            Some(later) => later.from_ns = since_ns,
            None => parts.push(Part { from_ns: since_ns, to_ns: until_ns, of }),
        }
        until_ns = since_ns;
    }
    parts
}

/// Whether the byte had been handed to the link.
fn has_sent(send_queue: &SendQueue, byte: u32) -> bool {
    is_before(byte, send_queue.write_seq.wrapping_sub(send_queue.unsent_bytes))
}
