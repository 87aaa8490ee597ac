//! Payload on its way, as the probes write it.

use std::net::SocketAddr;

use profiler_ebpf::abi::{
    arrival,
    payload::{self, Destination, SENT},
    sockets::IPPROTO_TCP,
};

use crate::{
    capture::{
        ProcessSerial,
        traffic::{Arrival, Payload, Way},
    },
    decode::address,
};

pub fn payload(raw: &payload::Payload) -> Payload {
    Payload {
        at_ns: raw.at_ns,
        process: ProcessSerial(raw.process),
        tid: raw.tid,
        cookie: raw.cookie,
        way: if raw.way == SENT { Way::Sent } else { Way::Received },
        bytes: raw.bytes,
        sequence: (raw.protocol == IPPROTO_TCP).then_some(raw.sequence),
        destination: destination(&raw.destination),
        empty_calls: raw.empty_calls,
    }
}

pub fn arrival(raw: &arrival::Arrival) -> Arrival {
    let sequence = (raw.protocol == IPPROTO_TCP).then_some(raw.sequence);
    Arrival { at_ns: raw.at_ns, cookie: raw.cookie, sequence }
}

/// What a receive left unread: it has arrived by now. The probes do not record every arrival at a socket whose
/// reader is behind.
pub fn left_unread(raw: &payload::Payload) -> Option<Arrival> {
    let unread = raw.way != SENT && raw.protocol == IPPROTO_TCP && raw.arrived != raw.sequence;
    unread.then_some(Arrival { at_ns: raw.at_ns, cookie: raw.cookie, sequence: Some(raw.arrived) })
}

fn destination(raw: &Destination) -> Option<SocketAddr> {
    let [low, high] = raw.ip;
    let bytes = u128::from(low) | u128::from(high) << 64;
    (raw.family != 0).then(|| address(raw.family, &bytes.to_ne_bytes(), raw.port))
}
