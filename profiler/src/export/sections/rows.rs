//! Whose rows tables have: processes one by one, and helpers together, after them.

use std::collections::BTreeSet;

use analysis::{
    report::{DiskBytes, NetworkBytes, PeerReport, ProcessReport, Report, ThreadReport},
    timeline::ThreadTime,
};

use super::cells::clean;

/// Below a table with helpers in it.
const SEE_THEM: &str =
    "helpers: small processes of one command below one target, added up; `--format json` has each";

pub struct Rows<'r>(Vec<Row<'r>>);

pub struct Row<'r> {
    pub name: String,
    /// Nothing of several processes.
    pub pid: String,
    pub network: &'r NetworkBytes,
    pub peers: &'r [PeerReport],
    pub disk: &'r DiskBytes,
    pub time: Option<&'r ThreadTime>,
    pub threads: &'r [ThreadReport],
    helpers: bool,
}

impl<'r> Rows<'r> {
    pub fn of(report: &'r Report) -> Self {
        let processes = one_by_one(report).map(|process| Row {
            name: clean(process.name()),
            pid: process.pid.to_string(),
            network: &process.network,
            peers: &process.peers,
            disk: &process.disk,
            time: process.time.as_ref(),
            threads: &process.threads,
            helpers: false,
        });
        let helpers = report.helpers.iter().map(|helpers| Row {
            name: format!("{} ×{} (helpers)", clean(&helpers.comm), helpers.members.len()),
            pid: String::new(),
            network: &helpers.network,
            peers: &helpers.peers,
            disk: &helpers.disk,
            time: helpers.time.as_ref(),
            threads: &[],
            helpers: true,
        });
        Self(processes.chain(helpers).collect())
    }

    /// Those of which something is true, and what stands below their table.
    pub fn that(&self, has: impl Fn(&Row) -> bool) -> (Vec<&Row<'r>>, &'static str) {
        let rows: Vec<_> = self.0.iter().filter(|row| has(row)).collect();
        let below = if rows.iter().any(|row| row.helpers) { SEE_THEM } else { "" };
        (rows, below)
    }
}

impl Row<'_> {
    /// Whether it ran or moved a byte.
    pub fn did_something(&self) -> bool {
        self.time.is_some_and(|time| time.cpu_ns > 0) || self.network.moved() || self.disk.moved()
    }
}

/// Processes that are no helpers.
pub fn one_by_one(report: &Report) -> impl Iterator<Item = &ProcessReport> {
    let helpers: BTreeSet<usize> =
        report.helpers.iter().flat_map(|helpers| &helpers.members).copied().collect();
    let rest = report.processes.iter().enumerate().filter(move |(place, _)| !helpers.contains(place));
    rest.map(|(_, process)| process)
}
