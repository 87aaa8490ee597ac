//! Payload on its way, as the probes see it: calls, arrivals, and what TCP holds back.

#[path = "traffic/arrival.rs"]
mod arrival;
#[path = "traffic/payload.rs"]
mod payload;
#[path = "traffic/send_queue.rs"]
mod send_queue;

use capture::{
    Protocol, SocketTotals,
    traffic::{Arrival, Direction, Payload, SendQueue},
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
    fn payloads(&self, way: Direction) -> Vec<Payload> {
        let payloads = self.recorded.timeline.events.payloads.iter();
        let mut own: Vec<_> =
            payloads.filter(|p| p.cookie == self.totals.cookie && p.direction == way).collect();
        own.sort_by_key(|payload| payload.at_ns);
        own
    }

    /// In order of time.
    fn arrivals(&self) -> Vec<Arrival> {
        let arrivals = self.recorded.timeline.events.arrivals.iter();
        let mut own: Vec<_> = arrivals.filter(|arrival| arrival.cookie == self.totals.cookie).collect();
        own.sort_by_key(|arrival| arrival.at_ns);
        own
    }

    /// In order of time.
    fn send_queues(&self) -> Vec<SendQueue> {
        let send_queues = self.recorded.timeline.events.send_queues.iter();
        let mut own: Vec<_> =
            send_queues.filter(|send_queue| send_queue.cookie == self.totals.cookie).collect();
        own.sort_by_key(|send_queue| send_queue.at_ns);
        own
    }
}
