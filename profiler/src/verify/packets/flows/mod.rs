//! Payload of a packet capture by flow, from all of its files.
//!
//! A packet may be seen at several places: on several interfaces, leaving and arriving on a loopback interface, from
//! the viewpoints of both hosts. Each place is counted for itself; a flow's count is the place's that saw most.
//! Memory is bounded: flows beyond [`FLOW_LIMIT`] are counted only in [`Unread::flows_full`].

mod sightings;
mod unread;
mod viewpoints;

use std::{
    collections::{BTreeMap, HashMap},
    mem,
};

use foldhash::fast::RandomState;

use super::{
    files::Frame,
    headers::{self, Flow, Read, Segment, Transport},
    link::{self, NotIp},
    stream::{RANGE_LIMIT, Stream},
};
use sightings::{Sightings, Times};
pub use unread::Unread;
use viewpoints::{Evidence, HELD_LIMIT, Viewpoint};

/// Connections and places that are told apart. With their ranges they stay below 64 MiB.
pub const FLOW_LIMIT: usize = 1 << 16;

/// Ranges that all streams together keep before each has to do with few.
const RANGES_IN_ALL: usize = 1 << 18;
const RANGES_IF_MANY: usize = 2;

/// Of a datagram, from its header on: as much as is left at any snap length that leaves headers.
const CONTENT_BYTES: usize = 64;

/// One direction of a connection, as the place that saw most of it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    pub transport: Transport,
    pub packets: u64,
    /// Every byte once.
    pub bytes: u64,
    /// Bytes that sequence numbers say were there, in packets that are not in the file.
    pub missing_bytes: u64,
    /// Of these bytes, those that may be there only because one packet was seen on several interfaces.
    pub alike_bytes: u64,
    /// Sent again.
    pub again_bytes: u64,
    /// Seen after bytes that follow them, for the first time.
    pub late_bytes: u64,
    pub syn: bool,
    pub fin: bool,
    pub rst: bool,
    /// Wall clock, ns; `None` where no packet has a time.
    pub first_ns: Option<u64>,
    pub last_ns: Option<u64>,
}

/// Everything that is known of a packet capture.
#[derive(Default)]
pub struct Flows {
    numbers: HashMap<Key, Place, RandomState>,
    counts: Vec<Count>,
    /// The key of the packet before, which is often the next one's too.
    latest: Option<(Key, Place)>,
    /// The section of the current file, and the viewpoint that they are a slice of, once it is known.
    section: u32,
    viewpoint: Option<u32>,
    viewpoints: Vec<Viewpoint>,
    /// What the slice begins with, until its viewpoint is known.
    held: Vec<Packet>,
    ranges: usize,
    sightings: Sightings,
    /// Of datagrams, by the number of the count.
    times: BTreeMap<usize, Times>,
    pub packets: u64,
    pub unread: Unread,
    pub first_ns: Option<u64>,
    pub last_ns: Option<u64>,
}

/// A flow at one place.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    flow: Flow,
    viewpoint: u32,
    interface: u32,
    interface_index: u32,
    outgoing: bool,
}

/// A packet with all that is needed to count it. The viewpoint in its key is not known yet.
struct Packet {
    key: Key,
    segment: Segment,
    /// If it is told by its content from the same one on another interface.
    mixed: Option<u64>,
    /// Of a datagram, for its viewpoint.
    content: Option<u64>,
    at_ns: Option<u64>,
}

/// How many connections of these addresses came before, and which count is the current one.
#[derive(Clone, Copy)]
struct Place {
    generation: u32,
    count: usize,
}

struct Count {
    key: Key,
    generation: u32,
    stream: Stream,
    packets: u64,
    datagram_bytes: u64,
    first_ns: Option<u64>,
    last_ns: Option<u64>,
}

impl Flows {
    /// What comes now is from another file. Files are to be given in the order of their first packets.
    pub fn next_file(&mut self) {
        self.next_slice();
        self.section = 0;
    }

    pub fn add(&mut self, frame: &Frame<'_>) {
        self.packets += 1;
        if let Some(at_ns) = frame.at_ns {
            self.first_ns = Some(self.first_ns.map_or(at_ns, |first| first.min(at_ns)));
            self.last_ns = self.last_ns.max(Some(at_ns));
        }
        let carried = match link::ip_packet(frame) {
            Ok(carried) => carried,
            Err(NotIp::Other(kind)) => return self.unread.other(kind),
            Err(NotIp::Cut) => return self.unread.headless += 1,
        };
        match headers::read(&carried) {
            Read::Segment(segment, mark) => {
                if frame.section != self.section {
                    self.next_slice();
                    self.section = frame.section;
                }
                let key = Key {
                    flow: segment.flow,
                    viewpoint: self.viewpoint.unwrap_or_default(),
                    interface: frame.interface,
                    interface_index: carried.interface_index,
                    outgoing: carried.outgoing,
                };
                let mixed = carried.is_mixed.then(|| mark.content(&segment, usize::MAX));
                let content = self
                    .is_remembered(&segment)
                    .then(|| viewpoints::content_of(segment.flow, mark.content(&segment, CONTENT_BYTES)));
                match self.viewpoint {
                    Some(_) => self.count(key, &segment, mixed, content, frame.at_ns),
                    None => self.hold(Packet { key, segment, mixed, content, at_ns: frame.at_ns }),
                }
            }
            Read::LaterFragment => self.unread.later_fragments += 1,
            Read::Other(kind) => self.unread.other(kind),
            Read::Headless => self.unread.headless += 1,
        }
    }

    /// Whether slices of one viewpoint may have been taken for several, because they are not in the order of time.
    pub fn is_out_of_order(&mut self) -> bool {
        self.settle();
        viewpoints::are_out_of_order(&self.viewpoints)
    }

    /// Each flow's connections, in the order in which they were seen.
    pub fn totals(&mut self) -> BTreeMap<Flow, Vec<Total>> {
        self.settle();
        let mut best = BTreeMap::<(Flow, u32), Total>::new();
        let mixed = self.mixed();
        for (number, count) in self.counts.iter().enumerate() {
            let mut total = count.total();
            if let Some(mixed) = mixed.get(&number) {
                (total.bytes, total.alike_bytes) = *mixed;
            }
            let whole = |total: &Total| (total.bytes + total.missing_bytes, total.bytes, total.packets);
            match best.get(&(count.key.flow, count.generation)) {
                Some(other) if whole(other) >= whole(&total) => {}
                _ => drop(best.insert((count.key.flow, count.generation), total)),
            }
        }
        let mut totals = BTreeMap::<Flow, Vec<Total>>::new();
        for ((flow, _), total) in best {
            // Nearly every flow has one; a vector that grows by itself takes room for four.
            totals.entry(flow).or_insert_with(|| Vec::with_capacity(1)).push(total);
        }
        totals
    }

    /// Bytes of datagrams that were seen on interfaces that are not known, and how many of them may be too many.
    fn mixed(&self) -> BTreeMap<usize, (u64, u64)> {
        let mut times = self.times.clone();
        self.sightings.open().for_each(|(number, seen)| add(&mut times, &self.counts, number, &seen));
        let way = |number: usize| (self.counts[number].key.viewpoint, self.counts[number].key.flow.between());
        let mut ways = BTreeMap::<_, Times>::new();
        for (number, times) in &times {
            ways.entry(way(*number)).or_default().extend(times);
        }
        let bytes = |(number, times): (usize, Times)| match ways[&way(number)].interfaces() {
            Some(interfaces) => (number, (times.bytes(interfaces), 0)),
            None => (number, (times.bytes(1), times.bytes(1) - times.bytes(u32::MAX))),
        };
        times.into_iter().map(bytes).collect()
    }

    fn next_slice(&mut self) {
        self.settle();
        self.viewpoint = None;
    }

    /// For the beginning of a slice, whose viewpoint is not known yet.
    #[cold]
    fn hold(&mut self, packet: Packet) {
        self.held.push(packet);
        if self.viewpoints.is_empty() || self.held.len() == HELD_LIMIT {
            self.settle();
        }
    }

    /// Decides which viewpoint a slice is of, by what is held of it, and counts that.
    fn settle(&mut self) {
        let held = mem::take(&mut self.held);
        if held.is_empty() {
            return;
        }
        let begin_ns = held.iter().find_map(|packet| packet.at_ns);
        let continued = begin_ns.and_then(|begin_ns| {
            viewpoints::continued(&self.viewpoints, begin_ns, |number| self.evidence(number, &held))
        });
        let number = continued.unwrap_or_else(|| {
            self.viewpoints.push(Viewpoint::default());
            self.viewpoints.len() - 1
        });
        self.viewpoint = Some(number as u32);
        for Packet { key, segment, mixed, content, at_ns } in held {
            self.count(Key { viewpoint: number as u32, ..key }, &segment, mixed, content, at_ns);
        }
    }

    fn evidence(&self, number: usize, packets: &[Packet]) -> Evidence {
        let mut evidence = Evidence::default();
        for packet in packets {
            let place = self.numbers.get(&Key { viewpoint: number as u32, ..packet.key });
            evidence.known += usize::from(place.is_some());
            let saw = match &packet.segment.tcp {
                None => packet.content.and_then(|content| self.viewpoints[number].saw(content)),
                Some(tcp) => place
                    .map_or(Some(false), |place| self.counts[place.count].stream.saw(&packet.segment, tcp)),
            };
            match saw {
                Some(true) => evidence.again += 1,
                Some(false) => evidence.new += 1,
                None => {}
            }
        }
        evidence
    }

    /// Whether a packet's content may tell of its viewpoint.
    fn is_remembered(&self, segment: &Segment) -> bool {
        segment.tcp.is_none()
            && self.viewpoint.is_none_or(|number| self.viewpoints[number as usize].remembers())
    }

    /// What `mixed` and `content` are, [`Packet`] says.
    #[inline]
    fn count(
        &mut self,
        key: Key,
        segment: &Segment,
        mixed: Option<u64>,
        content: Option<u64>,
        at_ns: Option<u64>,
    ) {
        let place = (key.interface, key.interface_index, key.outgoing);
        self.viewpoints[key.viewpoint as usize].see(content, place, at_ns);
        let Some(number) = self.place(key, segment) else {
            self.unread.flows_full += 1;
            return;
        };
        let was_seen = mixed.is_some_and(|content| {
            let (times, closed) = self.sightings.see(number, content, segment.payload_bytes, at_ns);
            if let Some((number, seen)) = closed {
                add(&mut self.times, &self.counts, number, &seen);
            }
            times > 0
        });
        let count = &mut self.counts[number];
        count.packets += 1;
        count.first_ns = count.first_ns.or(at_ns);
        count.last_ns = at_ns.or(count.last_ns);
        match &segment.tcp {
            None if mixed.is_some() => {}
            None => count.datagram_bytes += u64::from(segment.payload_bytes),
            Some(_) if was_seen => {}
            Some(tcp) => {
                let before = count.stream.ranges();
                let limit = if self.ranges < RANGES_IN_ALL { RANGE_LIMIT } else { RANGES_IF_MANY };
                count.stream.add(segment, tcp, limit);
                self.ranges = self.ranges + count.stream.ranges() - before;
            }
        }
    }

    /// Where a segment is counted; `None` if there is no place left.
    #[inline]
    fn place(&mut self, key: Key, segment: &Segment) -> Option<usize> {
        let is_another =
            |place: Place| segment.tcp.is_some_and(|tcp| self.counts[place.count].stream.is_another(&tcp));
        let known = match self.latest {
            Some((latest, place)) if latest == key => match is_another(place) {
                false => return Some(place.count),
                true => Some(place),
            },
            _ => self.numbers.get(&key).copied(),
        };
        let place = match known {
            Some(place) if !is_another(place) => place,
            _ if self.counts.len() >= FLOW_LIMIT => return None,
            _ => {
                let generation = known.map_or(0, |place| place.generation + 1);
                self.counts.push(Count::new(key, generation));
                let place = Place { generation, count: self.counts.len() - 1 };
                self.numbers.insert(key, place);
                place
            }
        };
        self.latest = Some((key, place));
        Some(place.count)
    }
}

/// Adds what was seen of a datagram; segments are counted by their sequence numbers.
fn add(times: &mut BTreeMap<usize, Times>, counts: &[Count], number: usize, seen: &sightings::Seen) {
    if counts[number].key.flow.transport == Transport::Udp {
        times.entry(number).or_default().add(seen);
    }
}

impl Count {
    fn new(key: Key, generation: u32) -> Self {
        Self {
            key,
            generation,
            stream: Stream::default(),
            packets: 0,
            datagram_bytes: 0,
            first_ns: None,
            last_ns: None,
        }
    }

    fn total(&self) -> Total {
        let stream = &self.stream;
        Total {
            transport: self.key.flow.transport,
            packets: self.packets,
            bytes: stream.unique_bytes() + self.datagram_bytes,
            missing_bytes: stream.missing_bytes(),
            alike_bytes: 0,
            again_bytes: stream.again_bytes,
            late_bytes: stream.late_bytes,
            syn: stream.syn,
            fin: stream.has_fin(),
            rst: stream.rst,
            first_ns: self.first_ns,
            last_ns: self.last_ns,
        }
    }
}

#[cfg(test)]
mod tests;
