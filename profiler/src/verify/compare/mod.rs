//! Sockets beside their packets, and whether they say the same.

mod matching;

use serde::Serialize;

use crate::verify::packets::flows::{Flows, Total, Unread};
use capture::Protocol;

use super::sockets::{Socket, Sockets};
use matching::Pair;

/// A call returns this long after its last packet at most, or before its first: times of the two files are no closer
/// than that.
pub const SLACK_NS: u64 = 100_000_000;

#[derive(Debug, PartialEq, Serialize)]
pub struct Comparison {
    pub agrees: bool,
    pub tolerance_bytes: u64,
    /// Rows that were compared, and those of them that differ beyond the tolerance.
    pub compared: usize,
    pub differing: usize,
    pub rows: Vec<Row>,
    pub packets: u64,
    pub unread: Unread,
}

/// A socket; or several, where packets do not tell which is which.
#[derive(Debug, PartialEq, Serialize)]
pub struct Row {
    pub processes: Vec<String>,
    pub protocol: Option<Protocol>,
    pub local: Option<String>,
    pub peer: Option<String>,
    pub netns: Option<u32>,
    pub sockets: usize,
    pub received: Side,
    pub sent: Side,
    pub verdict: Verdict,
    pub reasons: Vec<String>,
}

/// One direction, in bytes of payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Side {
    pub kernel_bytes: u64,
    /// Every byte once, with `missing_bytes`.
    pub packet_bytes: u64,
    /// Kernel less packets.
    pub difference_bytes: i64,
    pub retransmitted_bytes: u64,
    pub out_of_order_bytes: u64,
    /// In packets that are not in the file, as sequence numbers tell.
    pub missing_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Equal,
    WithinTolerance,
    Differs,
    NotComparable,
}

/// Puts sockets beside packets. They agree if at least one row could be compared and none differs by more than
/// `tolerance_bytes` in either direction.
pub fn compare(sockets: &Sockets, flows: &mut Flows, tolerance_bytes: u64) -> Comparison {
    let span = Span { recorded_ns: sockets.recorded_ns, packets_ns: flows.first_ns.zip(flows.last_ns) };
    let totals = flows.totals();
    let pairs = matching::pairs(sockets, &totals);
    let rows: Vec<_> = pairs.iter().map(|pair| row(pair, &span, tolerance_bytes)).collect();
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let (compared, differing) = (rows.len() - count(Verdict::NotComparable), count(Verdict::Differs));
    Comparison {
        agrees: compared > 0 && differing == 0,
        tolerance_bytes,
        compared,
        differing,
        packets: flows.packets,
        unread: flows.unread.clone(),
        rows,
    }
}

/// When each of the two files was made, wall clock ns.
struct Span {
    recorded_ns: Option<(u64, u64)>,
    packets_ns: Option<(u64, u64)>,
}

fn row(pair: &Pair<'_>, span: &Span, tolerance_bytes: u64) -> Row {
    let ends = pair.sockets.iter().find_map(|socket| socket.ends.as_ref());
    let sum = |bytes: fn(&Socket) -> u64| pair.sockets.iter().map(|socket| bytes(socket)).sum();
    let received = side(sum(|socket| socket.rx_bytes), &pair.received);
    let sent = side(sum(|socket| socket.tx_bytes), &pair.sent);
    let mut reasons = Vec::new();
    if pair.sockets.len() > 1 {
        reasons.push(format!("{} sockets with these addresses, compared together", pair.sockets.len()));
    }
    let missing_bytes = received.missing_bytes + sent.missing_bytes;
    if missing_bytes > 0 {
        reasons.push(format!("packets with {missing_bytes} of these bytes are not in the file"));
    }
    let is_alike = is_alike(&received, &pair.received) || is_alike(&sent, &pair.sent);
    let obstacle = pair
        .obstacle
        .or_else(|| (!is_whole(pair) && !is_inside(pair, span)).then_some(NOT_WHOLE))
        .or_else(|| is_alike.then_some(ALIKE));
    let verdict = match obstacle {
        Some(obstacle) => {
            reasons.push(obstacle.to_owned());
            Verdict::NotComparable
        }
        None => judge(pair, &received, &sent, tolerance_bytes, &mut reasons),
    };
    let mut processes: Vec<_> = pair.sockets.iter().flat_map(|socket| socket.processes.clone()).collect();
    processes.sort();
    processes.dedup();
    Row {
        processes,
        protocol: ends.map(|ends| ends.protocol),
        local: ends.map(|ends| matching::canonical(ends.local).to_string()),
        peer: ends.filter(|ends| ends.has_peer()).map(|ends| matching::canonical(ends.peer).to_string()),
        netns: ends.map(|ends| ends.netns),
        sockets: pair.sockets.len(),
        received,
        sent,
        verdict,
        reasons,
    }
}

const NOT_WHOLE: &str = "its beginning or its end is not in both files";
const ALIKE: &str = "its datagrams are alike, and a cooked file (version 1) does not say which of them are one that passed \
                     several interfaces";

/// Whether all that is too many may be packets that were seen on several interfaces.
fn is_alike(side: &Side, totals: &[&Total]) -> bool {
    let alike_bytes: u64 = totals.iter().map(|total| total.alike_bytes).sum();
    side.difference_bytes < 0 && side.difference_bytes.unsigned_abs() <= alike_bytes
}

fn side(kernel_bytes: u64, totals: &[&Total]) -> Side {
    let sum = |bytes: fn(&Total) -> u64| -> u64 { totals.iter().map(|total| bytes(total)).sum() };
    let packet_bytes = sum(|total| total.bytes + total.missing_bytes);
    Side {
        kernel_bytes,
        packet_bytes,
        difference_bytes: kernel_bytes.wrapping_sub(packet_bytes) as i64,
        retransmitted_bytes: sum(|total| total.again_bytes),
        out_of_order_bytes: sum(|total| total.late_bytes),
        missing_bytes: sum(|total| total.missing_bytes),
    }
}

fn judge(
    pair: &Pair<'_>,
    received: &Side,
    sent: &Side,
    tolerance_bytes: u64,
    reasons: &mut Vec<String>,
) -> Verdict {
    // A reset throws away what arrived and was not read, and what was written and not sent: TCP's own totals say
    // how much. Without one there is nothing to excuse.
    let was_reset = pair.both().any(|total| total.rst);
    let lost = if was_reset { Thrown::of(&pair.sockets) } else { Thrown::default() };
    let unread_bytes = (-received.difference_bytes).clamp(0, lost.unread_bytes as i64);
    let unsent_bytes = sent.difference_bytes.clamp(0, lost.unsent_bytes as i64);
    for (bytes, what) in [(unread_bytes, "arrived and were not read"), (unsent_bytes, "were not sent")] {
        if bytes > 0 {
            reasons.push(format!("{bytes} bytes {what} before the reset, by TCP's own totals"));
        }
    }
    let off_bytes = [received.difference_bytes + unread_bytes, sent.difference_bytes - unsent_bytes]
        .map(i64::unsigned_abs)
        .into_iter()
        .max();
    match off_bytes.unwrap_or(0) {
        0 => Verdict::Equal,
        bytes if bytes <= tolerance_bytes => Verdict::WithinTolerance,
        _ => Verdict::Differs,
    }
}

/// What resets threw away, at most.
#[derive(Default)]
struct Thrown {
    unread_bytes: u64,
    unsent_bytes: u64,
}

impl Thrown {
    fn of(sockets: &[&Socket]) -> Self {
        let mut thrown = Self::default();
        for socket in sockets {
            if let Some(closed) = socket.ends.as_ref().and_then(|ends| ends.closed) {
                thrown.unread_bytes += closed.bytes_received.saturating_sub(socket.rx_bytes);
                let left_bytes = closed.bytes_sent.saturating_sub(closed.bytes_retransmitted);
                thrown.unsent_bytes += socket.tx_bytes.saturating_sub(left_bytes);
            }
        }
        thrown
    }
}

/// Whether both files have all of a connection: its SYN and its FIN or RST among the packets, and its beginning and
/// its end in the capture.
fn is_whole(pair: &Pair<'_>) -> bool {
    let began_and_ended = |socket: &&Socket| {
        socket.ends.as_ref().is_some_and(|ends| ends.established_ns.is_some() && ends.closed.is_some())
    };
    let is_reset = pair.both().any(|total| total.rst);
    !pair.received.is_empty()
        && !pair.sent.is_empty()
        && pair.sockets.iter().all(began_and_ended)
        && pair.both().all(|total| total.syn && (total.fin || is_reset))
}

/// Whether each file covers the time in which the other saw payload move.
fn is_inside(pair: &Pair<'_>, span: &Span) -> bool {
    let (Some(recorded_ns), Some(packets_ns)) = (span.recorded_ns, span.packets_ns) else { return false };
    let within =
        |inner: (u64, u64), outer: (u64, u64)| inner.0 + SLACK_NS >= outer.0 && inner.1 <= outer.1 + SLACK_NS;
    pair.sockets.iter().all(|socket| socket.used_ns.is_some_and(|used_ns| within(used_ns, packets_ns)))
        && pair.both().all(|total| {
            total.first_ns.zip(total.last_ns).is_some_and(|seen_ns| within(seen_ns, recorded_ns))
        })
}

#[cfg(test)]
mod tests;
