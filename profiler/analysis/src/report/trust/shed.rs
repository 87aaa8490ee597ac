//! What was detached to keep a limit of cost, and what is not known for it.

use std::collections::BTreeMap;

use capture::families::{CONTEXTS, DROPS, SAMPLES, SCHEDULING, SEND_QUEUE, TIMERS};
use serde::Serialize;

use crate::{
    report::transfers::{FoundTransfer, intervals},
    timeline::Timeline,
};

/// A family that was detached for some of the recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Detachment {
    pub family: String,
    pub seconds: f64,
    /// Seconds by phase, as in `leecher-1: first_byte to p50`; only phases that were touched.
    pub phases: BTreeMap<String, f64>,
}

/// By family.
pub(super) fn detachments(timeline: &Timeline, transfers: &[FoundTransfer]) -> Vec<Detachment> {
    let mut found: Vec<Detachment> = Vec::new();
    for one in &timeline.detached {
        let place = found.iter().position(|known| known.family == one.family).unwrap_or_else(|| {
            let family = one.family.clone();
            found.push(Detachment { family, seconds: 0.0, phases: BTreeMap::new() });
            found.len() - 1
        });
        found[place].seconds += one.to_ns.saturating_sub(one.from_ns) as f64 / 1e9;
        for transfer in transfers {
            for interval in intervals(transfer) {
                let from_ns = one.from_ns.max(interval.from_ns);
                let seconds = one.to_ns.min(interval.to_ns).saturating_sub(from_ns) as f64 / 1e9;
                if seconds > 0.0 {
                    let label = &transfer.timed.transfer.label;
                    let phase = format!("{label}: {} to {}", interval.from, interval.to);
                    *found[place].phases.entry(phase).or_default() += seconds;
                }
            }
        }
    }
    found
}

pub(super) fn reason(detachment: &Detachment) -> String {
    let Detachment { family, seconds, phases } = detachment;
    let missing = match family.as_str() {
        SCHEDULING => "shares of that time are other, and so is what threads did",
        CONTEXTS => "what ended waits is not known then",
        SEND_QUEUE => {
            "shares of that time are other: when bytes arrived, and what TCP held back, is not known"
        }
        SAMPLES => "user and kernel time rest on the samples of the rest",
        TIMERS => "which thread set a timer is not known then",
        DROPS => "packets that were thrown away then are in no count",
        _ => "nothing of it is known then",
    };
    let phases: Vec<String> =
        phases.iter().map(|(phase, seconds)| format!("{phase} ({seconds:.3} s)")).collect();
    let of_phases =
        if phases.is_empty() { String::new() } else { format!(", of that in {}", phases.join(", ")) };
    format!("{family} was detached for {seconds:.3} s to keep the limit of cost{of_phases}: {missing}")
}

/// That more was taken than the limit allows when nothing was left to detach.
pub(super) fn beyond(timeline: &Timeline) -> Option<String> {
    let (most, limit) = timeline.beyond_limit?;
    Some(format!(
        "the limit of cost was not kept: with all detached but the counters, probes and profiler took up to {:.1} % of a CPU, {:.1} % were allowed",
        most as f64 / 1e7,
        limit as f64 / 1e7,
    ))
}

pub(super) fn is_detached(timeline: &Timeline, family: &str) -> bool {
    timeline.detached.iter().any(|one| one.family == family)
}
