//! Perfetto's trace: transfers with phases and milestones, threads with their states, payload by socket with arrows from sends
//! to receives, and bytes as counters. Times are the capture's: the monotonic clock.
//!
//! The messages are a part of `perfetto_trace.proto` of github.com/google/perfetto, by its numbers of fields; none is newer than
//! its version 20.

mod messages;
mod tracks;

use std::{
    collections::{BTreeMap, HashMap},
    io::Write,
};

use analysis::{
    attribution::shares::Shares,
    timeline::Point,
    trace::{self, Carrier, Slice, State, Trace},
};
use anyhow::Result;
use capture::traffic::Direction;

use super::{Format, Source, sections::cells::clean};
use messages::Annotation;
use tracks::{FlowEnd, Out, TrackId};

pub struct Perfetto;

impl Format for Perfetto {
    fn name(&self) -> &'static str {
        "perfetto"
    }

    fn extension(&self) -> &'static str {
        "pftrace"
    }

    fn write(&self, source: Source, out: &mut dyn Write) -> Result<()> {
        trace::of_capture(source.capture, |trace| write(trace, out).map(drop))
    }
}

/// How much was written of each kind: what a reader must find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub slices: u64,
    pub instants: u64,
    pub counters: u64,
    pub flows: u64,
}

/// Writes a trace as it goes.
pub fn write(trace: &Trace, out: &mut dyn Write) -> Result<Written> {
    let mut out = Out::begin(out, trace.clock(), trace.start_ns())?;
    transfers(trace, &mut out)?;
    let threads = trace.threads();
    let mut named = HashMap::new();
    let mut tracks = BTreeMap::new();
    for process in trace.processes() {
        tracks.insert(process.serial, (out.process(process.pid, &clean(&process.name))?, process));
    }
    for (track, process) in tracks.values() {
        for thread in threads.iter().filter(|thread| thread.process == process.serial) {
            let lane = out.thread(*track, process.pid, thread.tid, &clean(&thread.comm))?;
            trace.slices(thread, |slice| {
                out.slice(lane, slice.from_ns, slice.to_ns, &text(slice), Vec::new())
            })?;
            trace.moved(thread, &mut named, |moved| {
                let way = way(moved.direction);
                let socket = out.child(*track, &format!("{way} {}", moved.cookie))?;
                let carrier =
                    moved.carrier.and_then(|carrier| Some((tracks.get(&carrier.process)?.0, carrier)));
                let flow = carrier.map(|(from, carrier)| under_way(from, carrier, &mut out)).transpose()?;
                let bytes = Annotation::whole("bytes", moved.bytes);
                out.instant(
                    socket,
                    moved.at_ns,
                    way,
                    vec![bytes, Annotation::whole("tid", moved.tid.into())],
                    flow,
                )
            })?;
        }
        payload(trace.payload(process.serial), *track, &mut out)?;
    }
    out.end()
}

/// Where the arrow to a receive begins.
fn under_way(process: TrackId, carrier: Carrier, out: &mut Out) -> Result<FlowEnd> {
    let socket = out.child(process, &format!("under way from {}", carrier.cookie))?;
    out.flow(
        socket,
        carrier.by_ns,
        "under way",
        vec![Annotation::whole("send_returned_ns", carrier.returned_ns)],
    )
}

/// Two counters.
fn payload(points: &[Point], process: TrackId, out: &mut Out) -> Result<()> {
    if points.is_empty() {
        return Ok(());
    }
    let received = out.counter(process, "received from peers", "bytes")?;
    let sent = out.counter(process, "sent to peers", "bytes")?;
    for point in points {
        out.count(received, point.at_ns, point.rx_bytes as f64)?;
        out.count(sent, point.at_ns, point.tx_bytes as f64)?;
    }
    Ok(())
}

fn transfers(trace: &Trace, out: &mut Out) -> Result<()> {
    for ((transfer, report), figure) in
        trace.transfers().iter().zip(&trace.report.transfers).zip(&trace.figures.transfers)
    {
        let track = out.root(&format!("transfer {}", clean(&transfer.label)))?;
        for (phase, (from_ns, to_ns)) in report.phases.iter().zip(&transfer.phases) {
            let shares = phase.budget.iter().flat_map(|budget| budget.shares.named());
            let shares = shares.map(|(name, share)| Annotation::real(name, share));
            out.slice(track, *from_ns, *to_ns, &format!("{} to {}", phase.from, phase.to), shares.collect())?;
        }
        let marks = out.child(track, "milestones")?;
        for (name, by_kernel, by_application) in &transfer.milestones {
            for (whose, sighting) in [("kernel", by_kernel), ("application", by_application)] {
                if let Some(sighting) = sighting {
                    let late = Annotation::whole("late_by_at_most_ns", sighting.resolution_ns);
                    out.instant(marks, sighting.at_ns, &format!("{name} by the {whose}"), vec![late], None)?;
                }
            }
        }
        let names = Shares::<f64>::default().named().map(|(name, _)| name);
        for (place, name) in names.into_iter().enumerate().filter(|_| !figure.bins.is_empty()) {
            let counter = out.counter(track, &format!("path: {name}"), "% of the bin")?;
            for bin in &figure.bins {
                let at_ns = transfer.requested_ns + (bin.from_s * 1e9).round() as u64;
                out.count(counter, at_ns, 100.0 * bin.shares.named()[place].1)?;
            }
        }
    }
    Ok(())
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Sent => "send",
        Direction::Received => "receive",
    }
}

fn text(slice: Slice) -> String {
    match slice.state {
        State::Running => "running".to_owned(),
        State::Runnable => "runnable".to_owned(),
        State::Throttled => "throttled".to_owned(),
        State::Waiting { cause, call: Some(call) } => format!("wait: {cause} ({call})"),
        State::Waiting { cause, call: None } => format!("wait: {cause}"),
    }
}

#[cfg(test)]
mod tests;
