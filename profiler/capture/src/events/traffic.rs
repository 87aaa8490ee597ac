//! Payload on its way, as the probes write it.

use std::net::SocketAddr;

use abi::{
    arrival,
    payload::{self, Destination, SENT},
    sockets::{IPPROTO_TCP, IPPROTO_UDP},
};

use super::address;
use crate::{
    ProcessSerial,
    records::traffic::{Arrival, Direction, Payload},
};

pub fn payload(raw: &payload::Payload) -> Payload {
    Payload {
        since_ns: raw.since_ns,
        at_ns: raw.at_ns,
        process: ProcessSerial(raw.process),
        tid: raw.tid,
        cookie: raw.cookie,
        direction: if raw.direction == SENT { Direction::Sent } else { Direction::Received },
        bytes: raw.bytes,
        sequence: (raw.protocol == IPPROTO_TCP).then_some(raw.sequence),
        destination: destination(&raw.destination),
        empty_calls: raw.empty_calls,
    }
}

pub fn arrival(raw: &arrival::Arrival) -> Arrival {
    Arrival { at_ns: raw.at_ns, cookie: raw.cookie, sequence: Some(raw.sequence) }
}

/// The arrival that a receive tells of. TCP: what it left unread has arrived by now, of which the probes do not record
/// every arrival while the reader is behind. UDP: the first one since the receive before.
pub fn arrived(raw: &payload::Payload) -> Option<Arrival> {
    let (at_ns, sequence) = match (raw.direction, raw.protocol) {
        (SENT, _) => return None,
        (_, IPPROTO_TCP) if raw.arrived != raw.sequence => (raw.at_ns, Some(raw.arrived)),
        (_, IPPROTO_UDP) if raw.arrived_ns != 0 => (raw.arrived_ns, None),
        _ => return None,
    };
    Some(Arrival { at_ns, cookie: raw.cookie, sequence })
}

fn destination(raw: &Destination) -> Option<SocketAddr> {
    let [low, high] = raw.ip;
    let bytes = u128::from(low) | u128::from(high) << 64;
    (raw.family != 0).then(|| address(raw.family, &bytes.to_ne_bytes(), raw.port))
}
