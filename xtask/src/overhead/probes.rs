//! What one run of each of our probes takes, beyond what any program takes.
//!
//! An extra run of each load: the profiler counts its probes' time in windows, and an empty program of bpftrace on
//! `sock_send_length` is counted in the same windows, because the kernel's statistics are on or off for all programs.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::Value;

use super::{
    load::{Length, Load},
    proc,
    run::{self, Watcher},
    tool::{self, Tool},
};

const EMPTY: &str = "tracepoint:sock:sock_send_length { }";

#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Probe {
    pub probe: String,
    pub runs: u64,
    pub ns_per_run: f64,
    pub net_ns_per_run: f64,
}

#[derive(Serialize, Clone, Debug)]
pub struct Probes {
    pub load: Load,
    pub empty_runs: u64,
    pub empty_ns_per_run: f64,
    /// Those that ran, the busiest first.
    pub probes: Vec<Probe>,
}

/// Makes the extra run.
pub fn measure(load: Load, profiler: &Path, folder: &Path) -> Result<Probes> {
    run::empty(folder)?;
    let mut waiting = load.start(Length::Windows, profiler, folder)?;
    let mut empty = Command::new("bpftrace");
    empty.args(["-e", EMPTY]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let empty = Watcher::of(Some(empty), folder).context("start the empty program")?;
    let ours = Watcher::start(Tool::Profiler, profiler, &waiting.pids, folder)?;
    waiting.go()?;
    let (empty_runs, empty_ns) = empty.pid().map_or((0, 0), proc::program_runs);
    ours.stop(Tool::Profiler, folder)?;
    drop(empty);
    waiting.end()?;
    ensure!(empty_runs > 0, "the empty program was not counted: are the kernel's BPF statistics off?");
    let report: Value =
        serde_json::from_str(&tool::written(folder, "out")?).context("read the profiler's report")?;
    let empty_ns_per_run = empty_ns as f64 / empty_runs as f64;
    Ok(Probes { load, empty_runs, empty_ns_per_run, probes: probes(&report, empty_ns_per_run) })
}

fn probes(report: &Value, empty_ns: f64) -> Vec<Probe> {
    let programs = report["overhead"]["programs"].as_array().into_iter().flatten();
    let mut probes: Vec<Probe> = programs
        .filter_map(|program| {
            let ns_per_run = program["ns_per_run"].as_f64()?;
            Some(Probe {
                probe: program["program"].as_str()?.to_owned(),
                runs: program["runs"].as_u64()?,
                ns_per_run,
                net_ns_per_run: ns_per_run - empty_ns,
            })
        })
        .collect();
    probes.sort_by_key(|probe| std::cmp::Reverse(probe.runs));
    probes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn probes_that_did_not_run_have_no_cost() {
        let program =
            |name: &str, runs: u64, ns: Value| json!({ "program": name, "runs": runs, "ns_per_run": ns });
        let programs =
            [program("a", 0, Value::Null), program("b", 5, json!(100.0)), program("c", 9, json!(250.5))];
        let found = probes(&json!({ "overhead": { "programs": programs } }), 60.5);
        let found: Vec<_> =
            found.iter().map(|probe| format!("{} {}", probe.probe, probe.net_ns_per_run)).collect();
        assert_eq!(found, ["c 190", "b 39.5"]);
    }
}
