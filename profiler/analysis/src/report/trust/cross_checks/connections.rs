//! TCP's own totals, taken as a connection was released. Calls of which the capture has all are those of a connection
//! that began while a target already used it, and ended.

use std::collections::BTreeMap;

use crate::timeline::Timeline;
use capture::{DropReason, Protocol, SocketClosed};

use super::{Comparison, Measure, Relation};

const RECEIVED: Measure = Measure {
    what: "received over TCP",
    cross_check: "tcp_sock",
    unit: "bytes",
    follows: "bytes that never arrived were counted, and received bytes are too high by as much",
};

const SENT: Measure = Measure {
    what: "sent over TCP",
    cross_check: "tcp_sock",
    unit: "bytes",
    follows: "calls were not counted, or came from processes that are no targets, and sent bytes are too low by as much",
};

#[derive(Default)]
struct Connection {
    rx_bytes: u64,
    tx_bytes: u64,
    is_whole: bool,
    closed: Option<SocketClosed>,
}

pub(super) fn rows(timeline: &Timeline) -> Vec<Comparison> {
    let mut connections = BTreeMap::<u64, Connection>::new();
    for process in timeline.processes.values() {
        let since_ns = process.totals.as_ref().map(|totals| totals.since_ns);
        for (cookie, socket) in &process.sockets {
            let connection = connections.entry(*cookie).or_default();
            connection.rx_bytes += socket.rx_bytes;
            connection.tx_bytes += socket.tx_bytes;
            let Some(ends) = socket.ends.as_ref().filter(|ends| ends.protocol == Protocol::Tcp) else {
                continue;
            };
            connection.is_whole |=
                ends.established_ns.zip(since_ns).is_some_and(|(began, since)| since <= began);
            connection.closed = connection.closed.or(ends.closed);
        }
    }
    connections.retain(|_, connection| connection.is_whole && connection.closed.is_some());
    let whole: Vec<_> = connections.values().filter_map(|one| Some((one, one.closed?))).collect();
    let sum = |of: fn(&(&Connection, SocketClosed)) -> u64| whole.iter().map(of).sum::<u64>();
    let of = format!("{} whole connections", whole.len());
    // TCP counts the FIN as a byte that it received. What arrived may be left unread.
    let received = sum(|(_, closed)| closed.bytes_received);
    // What was not sent before a reset was thrown away.
    let sent = sum(|(_, closed)| closed.bytes_sent.saturating_sub(closed.bytes_retransmitted));
    // TCP has sent what the host itself drops, and sends it later as if for the first time (6.18). With headers.
    let dropped = timeline.drops.between(0, u64::MAX);
    let own =
        dropped.filter(|dropped| connections.contains_key(&dropped.of.cookie) && is_own(dropped.of.reason));
    let own_bytes: u64 = own.map(|dropped| dropped.bytes).sum();
    vec![
        RECEIVED.compare(of.clone(), sum(|(ours, _)| ours.rx_bytes), Relation::AtMost, received, 0),
        SENT.compare(of, sum(|(ours, _)| ours.tx_bytes), Relation::AtLeast, sent, own_bytes),
    ]
}

/// Whether a reason is one to drop what the host sends.
fn is_own(reason: DropReason) -> bool {
    use DropReason::{Device, Filter, Neighbour, Qdisc};
    matches!(reason, Qdisc | Device | Filter | Neighbour)
}
