//! Our counts beside those that the kernel keeps whether anybody measures or not.

mod connections;
mod cpu;
mod disks;
mod interfaces;
mod processes;

use serde::Serialize;

use crate::timeline::{CrossChecks, Grown, Timeline};

/// One count, by the probes and by a cross_check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// What was counted.
    pub what: &'static str,
    /// Of which process, device or network namespace.
    pub of: String,
    /// Who else counted it.
    pub cross_check: &'static str,
    pub ours: u64,
    pub theirs: u64,
    /// Ours less theirs.
    pub difference: i64,
    /// The known error.
    pub tolerance: u64,
    pub unit: &'static str,
    /// How ours must stand to theirs, but for the known error.
    pub relation: Relation,
    pub agrees: bool,
    /// What it means if they do not agree.
    #[serde(skip)]
    follows: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    Equal,
    AtLeast,
    AtMost,
}

/// What is compared, wherever it is.
struct Measure {
    what: &'static str,
    cross_check: &'static str,
    unit: &'static str,
    follows: &'static str,
}

pub(super) fn compare(timeline: &Timeline) -> Vec<Comparison> {
    let mut rows = connections::rows(timeline);
    // Of a capture that was cut short, ours and theirs were not read at the same time.
    if timeline.whole_until_ns().is_some() {
        rows.extend(processes::rows(timeline));
        rows.extend(cpu::rows(timeline));
        rows.extend(disks::rows(timeline));
        rows.extend(interfaces::rows(timeline));
    }
    rows.retain(|row| row.ours > 0 || row.theirs > 0);
    rows
}

/// Why not everything was compared.
pub(super) fn missing(timeline: &Timeline) -> Option<&'static str> {
    if timeline.whole_until_ns().is_none() {
        Some("the capture was cut short: only connections are compared")
    } else if timeline.cross_checks == CrossChecks::default() {
        Some("the capture has no readings of /proc: devices, interfaces, CPU time and calls are not compared")
    } else {
        None
    }
}

/// Sentences for those that disagree.
pub(super) fn reasons(rows: &[Comparison]) -> Vec<String> {
    let disagree = rows.iter().filter(|row| !row.agrees);
    disagree
        .map(|row| {
            let Comparison { what, of, cross_check, ours, theirs, tolerance, unit, follows, .. } = row;
            let bound = match row.relation {
                Relation::Equal => "",
                Relation::AtLeast => "at least ",
                Relation::AtMost => "at most ",
            };
            format!(
                "{what} of {of}: {ours} {unit} were counted, and {cross_check} says {bound}{theirs} (known error {tolerance}): {follows}"
            )
        })
        .collect()
}

impl Measure {
    fn compare(&self, of: String, ours: u64, relation: Relation, theirs: u64, tolerance: u64) -> Comparison {
        let (missing, excess) = (theirs.saturating_sub(ours), ours.saturating_sub(theirs));
        let agrees = match relation {
            Relation::Equal => missing.max(excess) <= tolerance,
            Relation::AtLeast => missing <= tolerance,
            Relation::AtMost => excess <= tolerance,
        };
        Comparison {
            what: self.what,
            of,
            cross_check: self.cross_check,
            ours,
            theirs,
            difference: ours.wrapping_sub(theirs).cast_signed(),
            tolerance,
            unit: self.unit,
            relation,
            agrees,
            follows: self.follows,
        }
    }

    /// With a counter that was read before and after both ends of the recording. Of what was gone before its last
    /// reading, only that much is known.
    fn compare_grown(&self, of: String, ours: u64, grown: Grown, known_error: u64) -> Comparison {
        match grown.most {
            Some(most) => {
                self.compare(of, ours, Relation::Equal, most, most - grown.least.min(most) + known_error)
            }
            None => self.compare(of, ours, Relation::AtLeast, grown.least, known_error),
        }
    }
}

#[cfg(test)]
mod tests;
