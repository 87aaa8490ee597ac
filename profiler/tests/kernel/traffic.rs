//! Payload on its way, as the probes see it: calls, arrivals, and what TCP holds back.

#[path = "traffic/arrival.rs"]
mod arrival;
#[path = "traffic/holding.rs"]
mod holding;
#[path = "traffic/payload.rs"]
mod payload;

use capture::{
    Protocol, SocketTotals,
    traffic::{Arrival, Holding, Payload, Way},
};

use crate::{bytes::find, recorded::Recorded};

/// What was recorded of the socket with this local port.
struct Socket<'r> {
    recorded: &'r Recorded,
    totals: &'r SocketTotals,
}

impl<'r> Socket<'r> {
    fn tcp(recorded: &'r Recorded, port: u16) -> Self {
        Self { recorded, totals: find(recorded, Protocol::Tcp, port) }
    }

    fn udp(recorded: &'r Recorded, port: u16) -> Self {
        Self { recorded, totals: find(recorded, Protocol::Udp, port) }
    }

    /// Its payload of one way, in order of time.
    fn payloads(&self, way: Way) -> Vec<&'r Payload> {
        let payloads = self.recorded.timeline.events.payloads.iter();
        let mut own: Vec<_> = payloads.filter(|p| p.cookie == self.totals.cookie && p.way == way).collect();
        own.sort_by_key(|payload| payload.at_ns);
        own
    }

    /// In order of time.
    fn arrivals(&self) -> Vec<&'r Arrival> {
        let arrivals = self.recorded.timeline.events.arrivals.iter();
        let mut own: Vec<_> = arrivals.filter(|arrival| arrival.cookie == self.totals.cookie).collect();
        own.sort_by_key(|arrival| arrival.at_ns);
        own
    }

    /// In order of time.
    fn holdings(&self) -> Vec<&'r Holding> {
        let holdings = self.recorded.timeline.events.holdings.iter();
        let mut own: Vec<_> = holdings.filter(|holding| holding.cookie == self.totals.cookie).collect();
        own.sort_by_key(|holding| holding.at_ns);
        own
    }
}
