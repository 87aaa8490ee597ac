//! What TCP went by as it sent, connection by connection: round trip time, windows, bytes in flight.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{attribution::Evidence, rows::Rows, timeline::Process};
use capture::{SocketTotals, traffic::SendQueue};

use super::seconds;

/// So many of a process are told: those that sent most.
const TOLD: usize = 64;

/// A state that is not told of again counts for as long: while bytes are in flight it is told of this often.
const HOLDS_NS: u64 = abi::send_queue::IN_FLIGHT_INTERVAL_NS;

/// One TCP connection of a process, by the time in which bytes of it were in flight or unsent.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionReport {
    pub local: String,
    pub peer: String,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub retransmits: u64,
    /// Missing before the first one was measured, and in captures up to November 2026.
    pub smoothed_rtt_s: Option<Spread<f64>>,
    pub congestion_window_bytes: Spread<u64>,
    /// What the peer announced, from the first byte that it had not acknowledged on.
    pub peer_window_bytes: Spread<u64>,
    pub in_flight_bytes: Spread<u64>,
}

/// The median is that over time, within 1.6 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread<T> {
    pub median: T,
    pub max: T,
}

/// Those of which TCP's state was recorded, the ones that sent most first, and how many are left out.
pub(super) fn of_process(process: &Process, evidence: &Evidence) -> (Vec<ConnectionReport>, usize) {
    let mut sockets: Vec<_> = process.sockets.values().filter(|socket| !socket.control).collect();
    sockets.sort_by_key(|socket| std::cmp::Reverse((socket.tx_bytes, socket.cookie)));
    let mut all = sockets.into_iter().filter_map(|socket| {
        let states = evidence.observed.traffic.sending(socket.cookie)?;
        Some((socket, states))
    });
    let told = all.by_ref().take(TOLD).filter_map(|(socket, states)| report(socket, states)).collect();
    (told, all.count())
}

fn report(socket: &SocketTotals, states: &Rows<SendQueue>) -> Option<ConnectionReport> {
    let ends = socket.ends.as_ref()?;
    let [mut rtt_us, mut congestion, mut window, mut in_flight] = [(); 4].map(|()| Values::default());
    let mut states = states.iter().peekable();
    while let Some(state) = states.next() {
        let next_ns = states.peek().map_or(u64::MAX, |next| next.at_ns);
        let ns = next_ns.saturating_sub(state.at_ns).min(HOLDS_NS);
        // Converted captures may not say.
        if state.congestion_window_bytes == 0 {
            continue;
        }
        state.smoothed_rtt_us.inspect(|us| rtt_us.add(*us, ns));
        congestion.add(state.congestion_window_bytes, ns);
        window.add(state.peer_window_bytes, ns);
        in_flight.add(state.in_flight_bytes, ns);
    }
    let rtt_s = rtt_us
        .spread()
        .map(|rtt| Spread { median: seconds(1000 * rtt.median), max: seconds(1000 * rtt.max) });
    Some(ConnectionReport {
        local: ends.local.to_string(),
        peer: ends.peer.to_string(),
        rx_bytes: socket.rx_bytes,
        tx_bytes: socket.tx_bytes,
        retransmits: ends.retransmits,
        smoothed_rtt_s: rtt_s,
        congestion_window_bytes: congestion.spread()?,
        peer_window_bytes: window.spread()?,
        in_flight_bytes: in_flight.spread()?,
    })
}

/// Values with how long each held, in classes of some width: there may be millions.
#[derive(Debug, Default)]
struct Values {
    ns: BTreeMap<u32, u64>,
    max: u32,
}

/// Bits of a value that are kept.
const KEPT_BITS: u32 = 6;

impl Values {
    fn add(&mut self, value: u32, ns: u64) {
        let dropped = (u32::BITS - value.leading_zeros()).saturating_sub(KEPT_BITS);
        *self.ns.entry(value >> dropped << dropped).or_default() += ns;
        self.max = self.max.max(value);
    }

    /// None where there are none.
    fn spread(&self) -> Option<Spread<u64>> {
        let all_ns: u64 = self.ns.values().sum();
        let mut ns = 0;
        let (least, _) = self.ns.iter().find(|(_, held_ns)| {
            ns += **held_ns;
            2 * ns >= all_ns
        })?;
        let dropped = (u32::BITS - least.leading_zeros()).saturating_sub(KEPT_BITS);
        let middle = least + (1 << dropped) / 2;
        Some(Spread { median: middle.min(self.max).into(), max: self.max.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_that_over_time() {
        let mut values = Values::default();
        assert_eq!(values.spread(), None);
        for _ in 0..100 {
            values.add(10, 1);
        }
        assert_eq!(values.spread(), Some(Spread { median: 10, max: 10 }));
        values.add(20, 101);
        assert_eq!(values.spread(), Some(Spread { median: 20, max: 20 }));
        values.add(1_000_000, 1);
        assert_eq!(values.spread(), Some(Spread { median: 20, max: 1_000_000 }));
    }

    #[test]
    fn a_median_is_near() {
        for value in [63, 64, 65, 127, 128, 1000, 65_535, 1 << 20, u32::MAX] {
            let mut values = Values::default();
            values.add(value, 1);
            let Spread { median, max } = values.spread().unwrap();
            assert!(max == u64::from(value) && median.abs_diff(max) <= max / 64 + 1, "{value}: {median}");
        }
    }
}
