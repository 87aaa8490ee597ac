//! What the kernel threw away of targets' sockets: how much by when, for each socket, reason and sender.

use std::{collections::BTreeMap, net::SocketAddr};

use crate::rows::{Codec, Row, Rows};
use capture::{DropReason, ProcessSerial};

/// Of what drops are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SocketDrops {
    pub cookie: u64,
    /// Of a listening socket.
    pub process: Option<ProcessSerial>,
    pub reason: DropReason,
    pub source: Option<SocketAddr>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drops {
    of: BTreeMap<SocketDrops, Counts>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Counts {
    /// Of the last record.
    buffer: u32,
    steps: Rows<Step>,
}

/// So much had been dropped by then.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    at_ns: u64,
    drops: u64,
    bytes: u64,
}

/// What was dropped between two moments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropped {
    pub of: SocketDrops,
    pub drops: u64,
    pub bytes: u64,
    /// See [`capture::Drops::buffer`].
    pub buffer: u32,
}

impl Drops {
    pub fn add(&mut self, record: &capture::Drops) {
        let capture::Drops { at_ns, cookie, process, reason, source, drops, bytes, buffer } = *record;
        let counts = self.of.entry(SocketDrops { cookie, process, reason, source }).or_default();
        counts.buffer = buffer;
        counts.steps.push(Step { at_ns, drops, bytes });
    }

    /// Records of several CPUs come in any order.
    pub fn in_order(mut self) -> Self {
        for counts in self.of.values_mut() {
            counts.steps = std::mem::take(&mut counts.steps).into_order().collect();
        }
        self
    }

    /// The last drop at a socket from a moment on and up to another, of packets from senders that are wanted.
    pub fn last_between(
        &self,
        cookie: u64,
        (from_ns, to_ns): (u64, u64),
        is_wanted: impl Fn(SocketAddr) -> bool,
    ) -> Option<u64> {
        let first = SocketDrops { cookie, process: None, reason: DropReason::ReceiveBuffer, source: None };
        let at_socket = self.of.range(first..).take_while(|(of, _)| of.cookie == cookie);
        let wanted = at_socket.filter(|(of, _)| of.source.is_some_and(&is_wanted));
        let last = wanted.filter_map(|(_, counts)| {
            let past = counts.steps.partition_point(|step| step.at_ns <= to_ns);
            Some(counts.steps.at(past.checked_sub(1)?).at_ns)
        });
        last.max().filter(|&at_ns| at_ns >= from_ns)
    }

    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// After one moment and up to another.
    pub fn between(&self, from_ns: u64, to_ns: u64) -> impl Iterator<Item = Dropped> {
        self.of.iter().filter_map(move |(of, counts)| {
            let (before, by) = (counts.by(from_ns), counts.by(to_ns));
            let (drops, bytes) = (by.0.saturating_sub(before.0), by.1.saturating_sub(before.1));
            (drops > 0).then_some(Dropped { of: *of, drops, bytes, buffer: counts.buffer })
        })
    }
}

impl Counts {
    /// Drops and bytes by a moment.
    fn by(&self, at_ns: u64) -> (u64, u64) {
        let past = self.steps.partition_point(|step| step.at_ns <= at_ns);
        past.checked_sub(1).map_or((0, 0), |last| {
            let Step { drops, bytes, .. } = self.steps.at(last);
            (drops, bytes)
        })
    }
}

impl Row for Step {
    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn code(&mut self, before: &Self, codec: &mut impl Codec) {
        let Self { at_ns, drops, bytes } = self;
        codec.step(at_ns, before.at_ns);
        codec.step(drops, before.drops);
        codec.step(bytes, before.bytes);
    }
}
