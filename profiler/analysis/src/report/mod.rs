//! The report: what a person or a program reads of a capture. A function of the timeline and of nothing else:
//! no clock, no environment, everything sorted.
//!
//! The field names are those of the JSON report, and are kept.

mod about;
mod budget;
mod connections;
mod devices;
mod drops;
mod held;
mod helpers;
mod overhead;
mod processes;
mod transfers;
mod trust;

use std::path::Path;

use anyhow::{Context as _, Result};
use rayon::prelude::*;
use serde::Serialize;

pub use about::{About, Host};
pub use budget::{Budget, Holder, Piece, ProcessShare, StackReport, Steal, ThreadName};
pub use connections::{ConnectionReport, Spread};
pub use devices::DeviceReport;
pub use drops::DropReport;
pub(crate) use held::holder_name;
pub use held::{CpuHeld, CpuHolder, DiskHeld, DiskHolder};
pub use helpers::HelperReport;
pub use overhead::{Overhead, Program, dispatch_ns_per_run};
pub use processes::{DiskBytes, NetworkBytes, PeerReport, ProcessPath, ProcessReport, ThreadReport};
pub use transfers::{Agreement, MilestoneReport, Phase, Throughput, TransferReport};
pub(crate) use transfers::{FoundTransfer, intervals, transferred};
pub use trust::{Comparison, Detachment, Relation, Trust, Verdict};

use crate::{
    attribution::{self, Evidence, observed::gather::gather},
    rows,
    timeline::{Events, Timeline},
};
use capture::families::SCHEDULING;

/// Grows when a field changes its meaning or goes away; new fields do not change it. 2: `checksum` has `sent` and `received`,
/// which name their algorithm, in place of two SHA-256; `processes[].time` may be `null`. 3: `trust.cross_checks` in place
/// of `trust.witnesses`. 4: the shares follow the bytes through any number of nodes, so that `network_detail` has neither
/// `peer_network` nor `peer_waits_for_us`; pieces of the path that are no thread's have none. 5: the network's parts
/// `retransmit` and `loss`, which were `link` and `peer_timer`.
pub const SCHEMA_VERSION: u32 = 5;

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub schema_version: u32,
    pub capture: About,
    pub trust: Trust,
    pub overhead: Overhead,
    pub processes: Vec<ProcessReport>,
    /// Small ones of `processes`, added up.
    pub helpers: Vec<HelperReport>,
    /// For the whole host, targets or not. Not to be added together.
    pub devices: Vec<DeviceReport>,
    pub transfers: Vec<TransferReport>,
    /// Where one labelled leecher received from labelled seeders.
    pub agreement: Option<Agreement>,
}

/// The report of a capture file.
pub fn of_capture(path: &Path) -> Result<Report> {
    let mut timeline = Timeline::from_capture(&mut capture::read(path)?)
        .with_context(|| format!("read the capture {}", path.display()))?;
    of_timeline(&mut timeline)
}

/// The report of a timeline, whose events are given up: they are most of it. An error where what of them is in the temporary file
/// cannot be read again.
pub fn of_timeline(timeline: &mut Timeline) -> Result<Report> {
    Ok(of_timeline_and(timeline, |_, _, _, _| ())?.0)
}

/// The report, and what else is found by the same evidence.
pub(crate) fn of_timeline_and<T>(
    timeline: &mut Timeline,
    more: impl FnOnce(&Report, &Timeline, Option<&Evidence>, &[FoundTransfer]) -> T,
) -> Result<(Report, T)> {
    let Events { stacks, outside_wakers, outside_runs, .. } = &mut timeline.events;
    let named = Events {
        stacks: std::mem::take(stacks),
        outside_wakers: std::mem::take(outside_wakers),
        outside_runs: outside_runs.names(),
        ..Events::default()
    };
    let events = std::mem::replace(&mut timeline.events, named);
    rows::reading(|| with_events(timeline, events, more))
}

/// The same of a timeline that stays as it is; to be called by [`rows::reading`] where that may be in the temporary file.
pub fn build(timeline: &Timeline) -> Report {
    with_events(timeline, timeline.events.clone(), |_, _, _, _| ()).0
}

fn with_events<T>(
    timeline: &Timeline,
    events: Events,
    more: impl FnOnce(&Report, &Timeline, Option<&Evidence>, &[FoundTransfer]) -> T,
) -> (Report, T) {
    let found = transfers::find(timeline);
    let observed = gather(timeline, events);
    let evidence = attribution::weigh(&observed);
    let evidence = timeline.has_family(SCHEDULING).then_some(&evidence);
    let (transfers, processes): (Vec<_>, _) = rayon::join(
        || found.par_iter().map(|transfer| transfers::report(timeline, evidence, transfer)).collect(),
        || processes::report(timeline, evidence),
    );
    let report = Report {
        schema_version: SCHEMA_VERSION,
        capture: about::report(timeline),
        trust: trust::judge(timeline, evidence, &found),
        overhead: overhead::report(timeline),
        helpers: helpers::report(timeline, &processes),
        processes,
        devices: devices::report(timeline),
        agreement: transfers::agreement(timeline),
        transfers,
    };
    let more = more(&report, timeline, evidence, &found);
    (report, more)
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// `None` where there is nothing to divide by.
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests;
