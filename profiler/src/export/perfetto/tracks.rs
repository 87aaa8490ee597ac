//! Packets as they are written: a track where it is first used, a name where it is first said.

use std::{collections::HashMap, io::Write};

use anyhow::Result;
use capture::Clock;
use prost::Message as _;

use super::{
    Written,
    messages::{
        self, Annotation, COUNTER, ClockSnapshot, Counter, Defaults, Event, EventName,
        INCREMENTAL_STATE_CLEARED, INSTANT, Interned, MONOTONIC, NEEDS_INCREMENTAL_STATE, Packet, Process,
        REALTIME, SLICE_BEGIN, SLICE_END, Thread, Track,
    },
};

/// The one sequence of packets.
const SEQUENCE: u32 = 1;

/// A track by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TrackId(u64);

/// A flow that begins somewhere, and is to end.
pub struct FlowEnd(u64);

pub struct Out<'w> {
    out: &'w mut dyn Write,
    written: Written,
    tracks: u64,
    children: HashMap<(TrackId, String), TrackId>,
    names: HashMap<String, u64>,
}

impl<'w> Out<'w> {
    pub fn begin(out: &'w mut dyn Write, clock: Option<Clock>, start_ns: u64) -> Result<Self> {
        let mut out = Self {
            out,
            written: Written::default(),
            tracks: 0,
            children: HashMap::new(),
            names: HashMap::new(),
        };
        let at =
            |clock_id, timestamp| messages::Clock { clock_id: Some(clock_id), timestamp: Some(timestamp) };
        let clocks = match clock {
            Some(clock) => vec![at(MONOTONIC, clock.monotonic_ns), at(REALTIME, clock.wall_ns)],
            None => vec![at(MONOTONIC, start_ns)],
        };
        out.packet(Packet {
            sequence_flags: Some(INCREMENTAL_STATE_CLEARED),
            trace_packet_defaults: Some(Defaults { timestamp_clock_id: Some(MONOTONIC) }),
            clock_snapshot: Some(ClockSnapshot { clocks, primary_trace_clock: Some(MONOTONIC as i32) }),
            ..Packet::default()
        })?;
        Ok(out)
    }

    pub fn end(self) -> Result<Written> {
        self.out.flush()?;
        Ok(self.written)
    }

    pub fn root(&mut self, name: &str) -> Result<TrackId> {
        self.track(Track { name: Some(name.to_owned()), ..Track::default() })
    }

    /// Of processes that had one pid after the other each is a track of its own.
    pub fn process(&mut self, pid: u32, name: &str) -> Result<TrackId> {
        let process = Process { pid: Some(pid as i32), process_name: Some(name.to_owned()) };
        self.track(Track { process: Some(process), ..Track::default() })
    }

    pub fn thread(&mut self, process: TrackId, pid: u32, tid: u32, comm: &str) -> Result<TrackId> {
        let thread =
            Thread { pid: Some(pid as i32), tid: Some(tid as i32), thread_name: Some(comm.to_owned()) };
        self.track(Track { parent_uuid: Some(process.0), thread: Some(thread), ..Track::default() })
    }

    pub fn counter(&mut self, parent: TrackId, name: &str, unit: &str) -> Result<TrackId> {
        self.track(Track {
            parent_uuid: Some(parent.0),
            name: Some(name.to_owned()),
            counter: Some(Counter { unit_name: Some(unit.to_owned()) }),
            ..Track::default()
        })
    }

    /// The track of this name below another; made where it is first asked for.
    pub fn child(&mut self, parent: TrackId, name: &str) -> Result<TrackId> {
        let key = (parent, name.to_owned());
        if let Some(known) = self.children.get(&key) {
            return Ok(*known);
        }
        let track = self.track(Track {
            parent_uuid: Some(parent.0),
            name: Some(name.to_owned()),
            ..Track::default()
        })?;
        self.children.insert(key, track);
        Ok(track)
    }

    pub fn slice(
        &mut self,
        track: TrackId,
        from_ns: u64,
        to_ns: u64,
        name: &str,
        debug_annotations: Vec<Annotation>,
    ) -> Result<()> {
        self.written.slices += 1;
        self.event(from_ns, Some(name), Event { debug_annotations, ..event(SLICE_BEGIN, track) })?;
        self.event(to_ns, None, event(SLICE_END, track))
    }

    /// An instant, at which a flow may end.
    pub fn instant(
        &mut self,
        track: TrackId,
        at_ns: u64,
        name: &str,
        debug_annotations: Vec<Annotation>,
        flow: Option<FlowEnd>,
    ) -> Result<()> {
        self.written.instants += 1;
        let terminating_flow_ids = flow.into_iter().map(|FlowEnd(flow)| flow).collect();
        let event = Event { debug_annotations, terminating_flow_ids, ..event(INSTANT, track) };
        self.event(at_ns, Some(name), event)
    }

    /// An instant at which a flow begins.
    pub fn flow(
        &mut self,
        track: TrackId,
        at_ns: u64,
        name: &str,
        debug_annotations: Vec<Annotation>,
    ) -> Result<FlowEnd> {
        self.written.instants += 1;
        self.written.flows += 1;
        let flow = self.written.flows;
        let event = Event { debug_annotations, flow_ids: vec![flow], ..event(INSTANT, track) };
        self.event(at_ns, Some(name), event)?;
        Ok(FlowEnd(flow))
    }

    pub fn count(&mut self, counter: TrackId, at_ns: u64, value: f64) -> Result<()> {
        self.written.counters += 1;
        self.event(at_ns, None, Event { double_counter_value: Some(value), ..event(COUNTER, counter) })
    }

    fn track(&mut self, track: Track) -> Result<TrackId> {
        self.tracks += 1;
        let uuid = Some(self.tracks);
        self.packet(Packet { track_descriptor: Some(Track { uuid, ..track }), ..Packet::default() })?;
        Ok(TrackId(self.tracks))
    }

    fn event(&mut self, at_ns: u64, name: Option<&str>, event: Event) -> Result<()> {
        let mut interned_data = None;
        let name_iid = name.map(|name| match self.names.get(name) {
            Some(known) => *known,
            None => {
                let iid = self.names.len() as u64 + 1;
                self.names.insert(name.to_owned(), iid);
                let said = EventName { iid: Some(iid), name: Some(name.to_owned()) };
                interned_data = Some(Interned { event_names: vec![said] });
                iid
            }
        });
        self.packet(Packet {
            timestamp: Some(at_ns),
            sequence_flags: Some(NEEDS_INCREMENTAL_STATE),
            interned_data,
            track_event: Some(Event { name_iid, ..event }),
            ..Packet::default()
        })
    }

    fn packet(&mut self, packet: Packet) -> Result<()> {
        let file =
            messages::File { packet: vec![Packet { trusted_packet_sequence_id: Some(SEQUENCE), ..packet }] };
        Ok(self.out.write_all(&file.encode_to_vec())?)
    }
}

fn event(r#type: i32, track: TrackId) -> Event {
    Event { r#type: Some(r#type), track_uuid: Some(track.0), ..Event::default() }
}
