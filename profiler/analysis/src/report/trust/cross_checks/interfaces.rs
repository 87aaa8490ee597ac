//! What the interfaces of the targets' network namespaces carried. Payload is less, by headers and by what others sent;
//! in a benchmark's namespaces nobody else does, and payload is most of it.

use std::collections::BTreeMap;

use crate::timeline::{Grown, Readings, Timeline};
use capture::{Protocol, SocketTotals, cross_check::InterfaceReading};

use super::{Comparison, Measure, Relation};

const INTERFACES: &str = "/proc/PID/net/dev";
const LOOPBACK: &str = "lo";

const RECEIVED: Measure = Measure {
    what: "payload received",
    cross_check: INTERFACES,
    unit: "bytes",
    follows: "bytes that no interface carried were counted, and received bytes are too high by as much",
};

const SENT: Measure = Measure {
    what: "payload sent",
    cross_check: INTERFACES,
    unit: "bytes",
    follows: "bytes that no interface carried were counted, and sent bytes are too high by as much",
};

/// Over both directions: of those that carry no payload, acknowledgements of uTP are packets without any.
const MOST: Measure = Measure {
    what: "80 % of packets both ways",
    cross_check: INTERFACES,
    unit: "bytes",
    follows: "most of what the benchmark's interfaces carried was not counted: payload came on a way that is not seen",
};

/// Of a benchmark's traffic, headers and acknowledgements are less than the rest.
const PAYLOAD_PERCENT: u64 = 80;

/// Below this, greetings and small messages are no longer a small part.
const ENOUGH_BYTES: u64 = 16 << 20;

/// What a socket's buffer may hold: the kernel's default limits (`tcp_rmem`, `tcp_wmem`).
const BUFFER_BYTES: u64 = 6 << 20;

#[derive(Default)]
struct Payload {
    rx_bytes: u64,
    tx_bytes: u64,
    /// What may have arrived before the recording, or may leave after it.
    rx_buffered: u64,
    tx_buffered: u64,
    /// When the first and the last call of any socket returned.
    first_ns: u64,
    last_ns: u64,
}

pub(super) fn rows(timeline: &Timeline) -> Vec<Comparison> {
    let carried = |netns: u32, payload: &Payload, all: bool, of: fn(&InterfaceReading) -> u64| {
        let interfaces = timeline.cross_checks.interfaces.iter();
        let interfaces = interfaces.filter(|((found, name), _)| *found == netns && (all || name != LOOPBACK));
        // A process that came into a control group moved bytes before anybody looked at its namespace.
        let around = |readings: &Readings<InterfaceReading>| {
            readings.around(payload.first_ns, payload.last_ns).grown(of)
        };
        let grown: Vec<Grown> = interfaces.filter_map(|(_, readings)| around(readings)).collect();
        // An interface that was gone at the end may have carried anything.
        grown.iter().map(|grown| grown.most).sum::<Option<u64>>().filter(|_| !grown.is_empty())
    };
    let mut rows = Vec::new();
    for (netns, payload) in by_namespace(timeline) {
        let of = format!("network namespace {netns}");
        let (Some(rx), Some(tx)) = (
            carried(netns, &payload, true, |reading| reading.rx_bytes),
            carried(netns, &payload, true, |reading| reading.tx_bytes),
        ) else {
            continue;
        };
        let Payload { rx_bytes, tx_bytes, rx_buffered, tx_buffered, .. } = payload;
        rows.push(RECEIVED.compare(of.clone(), rx_bytes, Relation::AtMost, rx, rx_buffered));
        rows.push(SENT.compare(of.clone(), tx_bytes, Relation::AtMost, tx, tx_buffered));
        // The namespaces of a benchmark have no other users, but for its own questions over loopback.
        let (Some(rx), Some(tx)) = (
            carried(netns, &payload, false, |reading| reading.rx_bytes),
            carried(netns, &payload, false, |reading| reading.tx_bytes),
        ) else {
            continue;
        };
        if timeline.start.run.is_some() && netns != timeline.environment.netns && rx + tx >= ENOUGH_BYTES {
            let part = (rx + tx) / 100 * PAYLOAD_PERCENT;
            rows.push(MOST.compare(of, rx_bytes + tx_bytes, Relation::AtLeast, part, 0));
        }
    }
    rows
}

fn by_namespace(timeline: &Timeline) -> BTreeMap<u32, Payload> {
    let mut all = BTreeMap::<u32, Payload>::new();
    for socket in timeline.processes.values().flat_map(|process| process.sockets.values()) {
        let Some(ends) = &socket.ends else { continue };
        let payload =
            all.entry(ends.netns).or_insert_with(|| Payload { first_ns: u64::MAX, ..Payload::default() });
        if socket.rx_bytes + socket.tx_bytes > 0 {
            payload.first_ns = payload.first_ns.min(socket.first_ns);
            payload.last_ns = payload.last_ns.max(socket.last_ns);
        }
        payload.rx_bytes += socket.rx_bytes;
        payload.tx_bytes += socket.tx_bytes;
        if began_before(timeline, socket) {
            payload.rx_buffered += socket.rx_bytes.min(BUFFER_BYTES);
        }
        if ends.closed.is_none() {
            payload.tx_buffered += socket.tx_bytes.min(BUFFER_BYTES);
        }
    }
    all
}

fn began_before(timeline: &Timeline, socket: &SocketTotals) -> bool {
    socket.ends.as_ref().is_none_or(|ends| {
        ends.protocol == Protocol::Udp || ends.established_ns.is_none_or(|began| began < timeline.start.at_ns)
    })
}
