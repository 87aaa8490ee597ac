//! How far the report can be trusted. Every reason names the thing and what follows from it.

use std::collections::BTreeMap;

use abi::loss::Loss;
use serde::Serialize;

use crate::{
    attribution::Evidence,
    milestones::{Finish, Found, out_of_order},
    timeline::{LATE, Process, ThreadTime, TimedTransfer, Timeline, Ways, Windows},
};
use capture::{
    ARRIVAL_REENTRY, ARRIVALS, Ending, Family, FileWay, PROBE_REENTRY, STACK_TRUNCATED, ThreadState,
    UNDECODABLE, UNKNOWN_KIND,
    families::{DROPS, PROBE_COST, SCHEDULING},
};

mod cross_checks;
mod shed;

pub use cross_checks::{Comparison, Relation};
pub use shed::Detachment;

use super::{
    processes,
    transfers::{FoundTransfer, Interval, intervals},
};

#[derive(Clone, Debug, Serialize)]
pub struct Trust {
    pub verdict: Verdict,
    /// Sentences; none if the verdict is `complete`.
    pub reasons: Vec<String>,
    /// By class, also those without a loss.
    pub events_lost: BTreeMap<String, u64>,
    pub probes_missing: Vec<String>,
    /// Families that were not asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub probes_left_out: Vec<String>,
    /// Families that were detached for some time, to keep a limit of cost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub probes_shed: Vec<Detachment>,
    /// Counts that the kernel keeps too.
    pub cross_checks: Vec<Comparison>,
    /// Why some have no cross_check.
    pub cross_checks_missing: Option<&'static str>,
    /// What the kernel threw away of targets' sockets; missing where that was not recorded.
    pub packets_dropped: Option<u64>,
    /// Hooks that stand in for others; they count the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub probes_second_choice: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Complete,
    Degraded,
}

pub(super) fn judge(timeline: &Timeline, evidence: Option<&Evidence>, transfers: &[FoundTransfer]) -> Trust {
    let mut reasons = Vec::new();
    reasons.extend(cut(timeline));
    reasons.extend(lost(timeline));
    reasons.extend(transfers.iter().flat_map(|transfer| lossy(timeline, transfer)));
    let probes_shed = shed::detachments(timeline, transfers);
    reasons.extend(probes_shed.iter().map(shed::reason));
    reasons.extend(shed::beyond(timeline));
    reasons.extend(missing(timeline));
    reasons.extend(timeline.processes.values().filter_map(bypassed));
    if evidence.is_some() {
        reasons.extend(sums(timeline));
    }
    reasons.extend(evidence.into_iter().flat_map(|evidence| spans(timeline, evidence)));
    reasons.extend(without_subject(timeline, transfers));
    for transfer in transfers {
        judge_transfer(transfer, &mut reasons);
    }
    reasons.extend(timeline.stray_claims.iter().map(|label| {
        format!(
            "milestones were claimed for {label}, but no transfer has that label: they are not in the report"
        )
    }));
    let cross_checks = cross_checks::compare(timeline);
    reasons.extend(cross_checks::reasons(&cross_checks));
    let left_out = timeline.families.values().filter(|family| family.is_left_out());
    let missing = missing_families(timeline);
    Trust {
        verdict: if reasons.is_empty() { Verdict::Complete } else { Verdict::Degraded },
        reasons,
        events_lost: timeline.losses.clone(),
        probes_second_choice: timeline
            .families
            .values()
            .flat_map(Family::second_choices)
            .map(ToString::to_string)
            .collect(),
        probes_shed,
        probes_missing: missing.map(|family| family.name.clone()).collect(),
        probes_left_out: left_out.map(|family| family.name.clone()).collect(),
        cross_checks,
        cross_checks_missing: cross_checks::missing(timeline),
        packets_dropped: timeline
            .families
            .contains_key(DROPS)
            .then(|| timeline.drops.between(0, u64::MAX).map(|dropped| dropped.drops).sum()),
    }
}

/// A recording that ended as it should, and has nothing of what it was for.
fn without_subject(timeline: &Timeline, transfers: &[FoundTransfer]) -> Option<String> {
    if timeline.ending != Ending::Complete {
        return None;
    }
    if timeline.processes.is_empty() {
        return Some(
            "no process was followed: nothing that was to be profiled ran meanwhile, and only the host's numbers are here"
                .to_owned(),
        );
    }
    let size_bytes = timeline.start.size_bytes.filter(|_| transfers.is_empty())?;
    Some(format!("no process moved half of {size_bytes} bytes: there is no transfer to report"))
}

fn cut(timeline: &Timeline) -> Vec<String> {
    let Ending::CutAt { offset } = timeline.ending else { return Vec::new() };
    let mut reasons = vec![format!(
        "the capture was cut short after byte {offset} (killed, or the disk was full): what came later is missing"
    )];
    let threads = timeline.processes.values().flat_map(|process| process.threads.values());
    let oldest =
        threads.filter(|thread| thread.state != ThreadState::Exited).map(|thread| thread.at_ns).min();
    if let Some(age_ns) = oldest.map(|at_ns| timeline.end_ns.saturating_sub(at_ns)).filter(|age| *age > 0) {
        reasons.push(format!(
            "the last totals of threads are up to {:.3} ms older than the capture's end: their time ends there",
            age_ns as f64 / 1e6
        ));
    }
    let unknown = processes::without_totals(timeline).len();
    if unknown > 0 {
        reasons.push(format!("processes without totals in the capture, and so not in the report: {unknown}"));
    }
    reasons
}

fn lost(timeline: &Timeline) -> Vec<String> {
    let lost = timeline.losses.iter().filter(|(class, count)| **count > 0 && matters(timeline, class));
    lost.map(|(class, count)| format!("{count} × {class}: {}", meaning(class))).collect()
}

/// The phases in which records of the ring buffers were lost.
fn lossy(timeline: &Timeline, transfer: &FoundTransfer) -> Option<String> {
    let touched = intervals(transfer).into_iter().filter_map(|Interval { from, to, from_ns, to_ns }| {
        let lossy = timeline.lossy.iter().map(|lossy| (lossy.from_ns.max(from_ns), lossy.to_ns.min(to_ns)));
        let lossy_ns: u64 = lossy.map(|(from_ns, to_ns)| to_ns.saturating_sub(from_ns)).sum();
        (lossy_ns > 0).then(|| format!("{from} to {to} ({:.3} s)", lossy_ns as f64 / 1e9))
    });
    let touched: Vec<String> = touched.collect();
    (!touched.is_empty()).then(|| {
        let label = &transfer.timed.transfer.label;
        format!(
            "transfer {label}: records were lost in the phases {}: so much of them is other",
            touched.join(", ")
        )
    })
}

/// Whether a loss can change a number by as much as [`UNSEEN_PERCENT`]. Of what was not seen the effect is known:
/// how long the sleeps were that ended so, and how many requests there were. Of other losses it is not.
fn matters(timeline: &Timeline, class: &str) -> bool {
    if class == Loss::WakeUnseen.name() {
        return timeline.processes.values().any(|process| {
            let unseen_ns: u64 = process.threads.values().map(|thread| thread.waits.unseen_ns).sum();
            unseen_ns * 100 > processes::time(timeline, process).lifetime_ns * UNSEEN_PERCENT
        });
    }
    if [PROBE_REENTRY, ARRIVAL_REENTRY].contains(&class) {
        // How often the probes ran in all is known from windows, where there were any.
        let Windows { wall_ns, programs, .. } = &timeline.windows;
        let concerned = programs.iter().filter(|(name, _)| class == PROBE_REENTRY || *name == ARRIVALS);
        let runs: u64 = concerned.map(|(_, program)| program.runs).sum();
        let all = runs as f64 * timeline.duration_ns() as f64 / (*wall_ns).max(1) as f64;
        return timeline.losses[class] as f64 * REENTRIES_SHOWN >= all;
    }
    // An interval without its stack is still one, and that of an unseen switch is as long as it was.
    if [Loss::StackTableFull.name(), Loss::SwitchUnseen.name(), STACK_TRUNCATED].contains(&class) {
        return false;
    }
    if class == Loss::CompletionUnseen.name() {
        let totals = timeline.devices.values().flat_map(|device| device.totals.values());
        let requests: u64 = totals.map(|totals| totals.requests).sum();
        return timeline.losses[class] * 100 > requests * UNSEEN_PERCENT;
    }
    true
}

/// One skipped run in so many changes no number by more.
const REENTRIES_SHOWN: f64 = 1000.0;

/// A third of the error that a share may have.
const UNSEEN_PERCENT: u64 = 1;

fn meaning(class: &str) -> &str {
    match Loss::ALL.iter().find(|loss| loss.name() == class) {
        Some(loss) => loss.meaning(),
        None if class == LATE => {
            "a progress record came after its time was closed and was not used: milestones are coarser, byte counts are not affected"
        }
        None if class == PROBE_REENTRY => {
            "the kernel skipped a probe that interrupted itself: what it would have counted is missing"
        }
        None if class == ARRIVAL_REENTRY => {
            "the kernel skipped the probe of arrivals, which interrupted itself: when these bytes arrived is not known"
        }
        None if class == STACK_TRUNCATED => {
            "a stack had more frames than the kernel records: its outermost are missing"
        }
        None if class == UNDECODABLE => {
            "records of a ring buffer could not be read: the probes and the daemon are of different versions, or a probe did not end"
        }
        None if class == UNKNOWN_KIND => {
            "records of kinds that this version does not know were skipped: a newer profiler recorded them, and its own report has them"
        }
        None => "this version does not know what follows from it",
    }
}

/// What counts a way to move bytes of files is missed only where somebody went it.
fn missing_families(timeline: &Timeline) -> impl Iterator<Item = &Family> {
    let mut gone = Ways::default();
    timeline.processes.values().for_each(|process| gone |= process.uncounted_ways(timeline));
    let is_missed = move |family: &&Family| {
        let way = FileWay::ALL.into_iter().find(|way| way.name() == family.name);
        way.is_none_or(|way| gone.iter().any(|gone| gone == way))
    };
    timeline.families.values().filter(|family| family.missing().is_some()).filter(is_missed)
}

fn missing(timeline: &Timeline) -> Vec<String> {
    missing_families(timeline)
        .filter_map(|family| Some((&family.name, family.missing()?)))
        .map(|(name, why)| match name.as_str() {
            PROBE_COST => format!("what the probes cost is not known: {why}"),
            _ => format!(
                "probe family {name} is missing, in whole or in part, and so is what it counts: {why}"
            ),
        })
        .collect()
}

/// Bytes past the counted calls, and the connections that had most of them.
fn bypassed(process: &Process) -> Option<String> {
    const NAMED: usize = 3;
    let mut connections: Vec<(u64, u64)> =
        process.bypassed.iter().map(|(cookie, bytes)| (*bytes, *cookie)).collect();
    connections.sort_unstable_by(|one, other| other.cmp(one));
    let name = |(bytes, cookie): &(u64, u64)| {
        let ends = process.sockets.get(cookie).and_then(|socket| socket.ends.as_ref());
        match ends {
            Some(ends) => format!("{bytes} bytes over {} to {}", ends.local, ends.peer),
            None => format!("{bytes} bytes over a connection without a place in the table"),
        }
    };
    let mut parts: Vec<String> = connections.iter().take(NAMED).map(name).collect();
    if let Some(rest @ [_, ..]) = connections.get(NAMED..) {
        let bytes: u64 = rest.iter().map(|(bytes, _)| bytes).sum();
        parts.push(format!("{bytes} bytes over {} more", rest.len()));
    }
    (!parts.is_empty()).then(|| {
        format!(
            "{} received {} past the calls that are counted (splice, zero-copy receive, a reader inside the kernel): its bytes and milestones lack them",
            process.name(),
            parts.join(", ")
        )
    })
}

fn sums(timeline: &Timeline) -> Vec<String> {
    let times = timeline.processes.values().map(|process| (process, processes::time(timeline, process)));
    times
        .filter(|(_, time)| !time.adds_up())
        .map(|(process, time)| {
            let ThreadTime { difference_ns, lifetime_ns, .. } = time;
            format!(
                "the thread states of {} differ from the threads' lifetimes by {:.3} ms of {:.3} ms (more than 0.1 %): their shares are off by as much",
                process.name(),
                difference_ns as f64 / 1e6,
                lifetime_ns as f64 / 1e6,
            )
        })
        .collect()
}

/// Counters cannot be lost, and spans can: where they do not agree on a thread's time on the CPU, shares are off. A
/// loss that was counted is not told twice.
fn spans(timeline: &Timeline, evidence: &Evidence) -> Vec<String> {
    if !timeline.lossy.is_empty() || shed::is_detached(timeline, SCHEDULING) {
        return Vec::new();
    }
    let processes = timeline.processes.values();
    let threads = processes.flat_map(|process| process.threads.values().map(move |thread| (process, thread)));
    threads
        .filter_map(|(process, thread)| {
            let time = ThreadTime::of(thread, timeline.whole_until_ns());
            let by_spans = processes::by_spans(evidence, thread)?.cpu_ns;
            let off_ns = by_spans.abs_diff(time.on_cpu_ns());
            let tolerable_ns = (time.lifetime_ns * UNSEEN_PERCENT / 100).max(SHORTEST_DOUBT_NS);
            (off_ns > tolerable_ns).then(|| {
                format!(
                    "thread {} of {} was on the CPU for {:.3} ms by its counters and for {:.3} ms by its spans: shares that pass through it are off by up to the difference",
                    thread.tid,
                    process.name(),
                    time.on_cpu_ns() as f64 / 1e6,
                    by_spans as f64 / 1e6,
                )
            })
        })
        .collect()
}

/// A thread that lives for a moment only has a state that is not recorded at its beginning or end.
const SHORTEST_DOUBT_NS: u64 = 5_000_000;

fn judge_transfer(transfer: &FoundTransfer, reasons: &mut Vec<String>) {
    let label = &transfer.timed.transfer.label;
    let Some(found) = &transfer.found else {
        reasons.push(format!(
            "the process of transfer {label} is not in the capture: it has no kernel milestones"
        ));
        return;
    };
    if let Some(checksum) = &transfer.timed.checksum
        && checksum.sent != checksum.received
    {
        reasons.push(format!("transfer {label}: the received file is not the one that was sent"));
    }
    reasons.extend(incomplete(transfer.timed, found).map(|why| format!("transfer {label}: {why}")));
    for (whose, order) in [
        ("application's", out_of_order(&found.milestones, |milestone| milestone.app)),
        ("kernel's", out_of_order(&found.milestones, |milestone| milestone.kernel)),
    ] {
        if let Some((first, second)) = order {
            reasons.push(format!(
                "transfer {label}: the {whose} {first} comes after its {second}: its phases mean nothing"
            ));
        }
    }
}

fn incomplete(timed: &TimedTransfer, found: &Found) -> Option<String> {
    let size_bytes = timed.transfer.file_size_bytes;
    match found.finish {
        Finish::SizeReached if !timed.claims.is_empty() => Some(
            "the application did not claim 100 %: milestones count to the moment when the kernel had counted the file's size"
                .to_owned(),
        ),
        Finish::Claimed if found.final_bytes < size_bytes => Some(format!(
            "the application claims {size_bytes} bytes, but the kernel counted only {}: payload came on a way that is not counted",
            found.final_bytes
        )),
        Finish::Unknown => Some(format!(
            "only {} of {size_bytes} bytes moved within the capture: milestones are fractions of what moved",
            found.final_bytes
        )),
        Finish::Claimed | Finish::SizeReached => None,
    }
}

#[cfg(test)]
mod tests;
