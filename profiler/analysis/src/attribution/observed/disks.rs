//! Whose requests a disk did while one waited for it.

use std::collections::{BTreeMap, HashMap};

use crate::{
    rows::{Codec, Row, Rows},
    timeline::{DeviceId, Requester, Requests},
};
use capture::ProcessSerial;

#[derive(Debug, Default)]
pub struct Disks {
    of: BTreeMap<DeviceId, Vec<Lane>>,
}

/// What a disk did for one requester, in order of time.
#[derive(Debug)]
struct Lane {
    by: Requester,
    done: Rows<Done>,
}

/// Some requests of a lane. The disk is taken to have worked on them evenly, from when it got them, or was done with those
/// before, to their end.
#[derive(Clone, Copy, Debug)]
struct Done {
    queued_ns: u64,
    from_ns: u64,
    to_ns: u64,
    /// Of the lane, with those before.
    bytes: u64,
}

/// A part of a wait in which somebody's requests were done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Held {
    pub by: Requester,
    /// In proportion to its bytes.
    pub ns: f64,
    pub bytes: f64,
}

impl Disks {
    pub fn of(requests: Rows<Requests>) -> Self {
        let mut disks = Self::default();
        let mut known = HashMap::new();
        for Requests { device, by, bytes, queued_ns, issued_ns, last_ns } in requests.into_order() {
            let lanes = disks.of.entry(device).or_default();
            let lane = *known.entry((device.major, device.minor, by)).or_insert_with(|| {
                lanes.push(Lane { by, done: Rows::default() });
                lanes.len() - 1
            });
            let done = &mut lanes[lane].done;
            let (before, ended_ns) = done.last().map_or((0, 0), |last| (last.bytes, last.to_ns));
            let from_ns = issued_ns.clamp(ended_ns, last_ns.max(ended_ns));
            done.push(Done { queued_ns, from_ns, to_ns: last_ns, bytes: before + bytes });
        }
        disks
    }

    /// Who had the disk while a process waited for one: from when a request of its own was in a disk's queue, the requests
    /// that this disk did until then, its own among them. Where it had none, somebody of the kernel did it for all (a
    /// journal, the dispatcher of what is throttled).
    pub fn held(&self, process: ProcessSerial, from_ns: u64, to_ns: u64) -> Vec<Held> {
        let of = |is_its: &dyn Fn(Requester) -> bool| -> Vec<(&Vec<Lane>, u64, u64)> {
            let queued = |lanes: &Vec<Lane>| {
                let mut queued: Vec<(u64, u64)> = Vec::new();
                for lane in lanes.iter().filter(|lane| is_its(lane.by)) {
                    lane.queued(from_ns, to_ns, &mut queued);
                }
                joined(queued)
            };
            let queued = self.of.values().map(|lanes| (lanes, queued(lanes)));
            queued
                .flat_map(|(lanes, queued)| queued.into_iter().map(move |(from, to)| (lanes, from, to)))
                .collect()
        };
        let mut queued = of(&|by| by == Requester::Process(process));
        if queued.is_empty() {
            queued = of(&|by| matches!(by, Requester::Kernel(_)));
        }
        // Of several disks at a time each has its part.
        let all_ns: u64 = queued.iter().map(|(_, from_ns, to_ns)| to_ns - from_ns).sum();
        let part = ((to_ns - from_ns) as f64 / all_ns.max(1) as f64).min(1.0);
        let mut held: Vec<Held> = Vec::new();
        for (lanes, from_ns, to_ns) in queued {
            let did = |lane: &Lane| (lane.by, lane.by(to_ns) - lane.by(from_ns));
            let did: Vec<(Requester, f64)> =
                lanes.iter().map(did).filter(|(_, bytes)| *bytes > 0.0).collect();
            let all: f64 = did.iter().map(|(_, bytes)| bytes).sum();
            held.extend(did.into_iter().map(|(by, bytes)| {
                let ns = part * (to_ns - from_ns) as f64 * bytes / all;
                Held { by, ns, bytes }
            }));
        }
        held
    }
}

impl Lane {
    /// When some of its requests were in the queue, or with the disk.
    fn queued(&self, from_ns: u64, to_ns: u64, into: &mut Vec<(u64, u64)>) {
        let first = self.done.partition_point(|done| done.to_ns <= from_ns);
        for done in self.done.from(first) {
            if done.queued_ns < to_ns {
                into.push((done.queued_ns.max(from_ns), done.to_ns.min(to_ns)));
            }
            // Requests of one process overtake each other by little.
            if done.to_ns >= to_ns {
                break;
            }
        }
    }

    /// Bytes that were done by a moment.
    fn by(&self, at_ns: u64) -> f64 {
        let past = self.done.partition_point(|done| done.to_ns <= at_ns);
        let before = past.checked_sub(1).map_or(0, |last| self.done.look_at(last, |done| done.bytes));
        if past == self.done.len() {
            return before as f64;
        }
        let Done { from_ns, to_ns, bytes, .. } = self.done.at(past);
        let part = at_ns.saturating_sub(from_ns) as f64 / (to_ns - from_ns).max(1) as f64;
        before as f64 + part * (bytes - before) as f64
    }
}

/// Without overlaps.
fn joined(mut intervals: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    intervals.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (from, to) in intervals {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined.retain(|(from, to)| from < to);
    joined
}

impl Row for Done {
    fn at_ns(&self) -> u64 {
        self.to_ns
    }

    fn code(&mut self, before: &Self, codec: &mut impl Codec) {
        let Self { queued_ns, from_ns, to_ns, bytes } = self;
        codec.step(queued_ns, before.to_ns);
        codec.step(from_ns, before.to_ns);
        codec.step(to_ns, before.to_ns);
        codec.step(bytes, before.bytes);
    }
}
