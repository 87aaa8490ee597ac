//! What results were made with: profiler, host, programs, matrix.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    bench::arguments::Arguments,
    bench::{
        self,
        plan::{Cell, Matrix, Obstacle, Planned, Verdict},
        swarm::ceilings::Ceilings,
    },
    collect::{environment, probes::families::ProbeSet},
};

/// `manifest.json`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Of preset or matrix file.
    pub name: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    pub profiler: Profiler,
    pub host: Host,
    /// By name.
    pub programs: BTreeMap<String, Program>,
    pub scratch: Scratch,
    /// As resolved: units stand in the names.
    pub matrix: Value,
    /// Whether packets were captured beside each run.
    #[serde(default)]
    pub pcap: bool,
    /// How much was watched.
    #[serde(default)]
    pub probes: ProbeSet,
    /// What that might cost, as it was typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_overhead: Option<String>,
    /// Configurations that did not fit when the results were begun.
    pub skipped: Vec<Skipped>,
    /// What the set-up reaches without any client; measured when the results were begun.
    pub ceilings: Option<Ceilings>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Profiler {
    pub version: String,
    /// Of the sources that it was built from, where those were a clone; `with changes` if they were not as committed.
    pub git_commit: Option<String>,
    /// Of its executable.
    pub sha256: String,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub name: String,
    pub kernel: String,
    pub cpus: u32,
    pub memory_bytes: u64,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub path: PathBuf,
    pub sha256: String,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Scratch {
    pub path: PathBuf,
    /// Kind and device of its file system, where that is on a device.
    pub filesystem: Option<String>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    #[serde(flatten)]
    pub cell: Cell,
    pub lack: String,
    pub reason: String,
}

/// The manifest of results that begin now; without ceilings.
pub fn of(
    name: &str,
    matrix: &Matrix,
    plan: &[Planned],
    args: &Arguments,
    stop: &AtomicBool,
) -> Result<Manifest> {
    let environment = environment::read()?;
    let mut programs = BTreeMap::new();
    for system in &matrix.systems {
        // A system whose program is missing is skipped.
        for (name, path) in
            bench::swarm::programs::programs(*system, args.codex_bin.as_deref()).unwrap_or_default()
        {
            let sha256 = bench::dataset::checksum::sha256_of_file(&path, stop)?;
            programs.insert(name.to_owned(), Program { path, sha256 });
        }
    }
    let scratch = &args.scratch;
    let scratch = scratch.canonicalize().with_context(|| format!("find {}", scratch.display()))?;
    let mounted = environment
        .filesystems
        .iter()
        .filter(|mount| scratch.starts_with(&mount.mounted_on))
        .max_by_key(|mount| mount.mounted_on.len());
    Ok(Manifest {
        name: name.to_owned(),
        started_at: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
        profiler: Profiler {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            git_commit: option_env!("PROFILER_GIT_COMMIT").map(str::to_owned),
            sha256: bench::dataset::checksum::sha256_of_file(Path::new("/proc/self/exe"), stop)?,
        },
        host: Host {
            name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            kernel: environment.kernel,
            cpus: environment.cpus,
            memory_bytes: environment.memory_bytes,
        },
        programs,
        scratch: Scratch {
            filesystem: mounted.map(|mount| format!("{} on {}", mount.kind, mount.device)),
            path: scratch,
        },
        matrix: serde_json::to_value(matrix).context("write down the matrix")?,
        pcap: args.pcap,
        probes: args.probes,
        max_overhead: args.max_overhead.map(|limit| limit.to_string()),
        skipped: plan.iter().filter_map(skipped).collect(),
        ceilings: None,
    })
}

/// What must not change while results are made, and did: `host.kernel: "6.18", now "6.19"`.
pub fn differences(before: &Manifest, now: &Manifest) -> Vec<String> {
    let fixed = |manifest: &Manifest| {
        let Manifest { profiler, host, programs, scratch, matrix, pcap, probes, .. } = manifest;
        serde_json::json!({
            "profiler": profiler, "host": host, "programs": programs, "scratch": scratch, "matrix": matrix,
            "pcap": pcap, "probes": probes,
        })
    };
    let mut found = Vec::new();
    compare("", &fixed(before), &fixed(now), &mut found);
    found
}

fn compare(name: &str, before: &Value, now: &Value, found: &mut Vec<String>) {
    match (before, now) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                let value = |object: &serde_json::Map<_, _>| object.get(key).cloned().unwrap_or_default();
                compare(&name, &value(a), &value(b), found);
            }
        }
        _ if before != now => found.push(format!("{name}: {before}, now {now}")),
        _ => (),
    }
}

fn skipped(planned: &Planned) -> Option<Skipped> {
    match &planned.verdict {
        Verdict::Fits => None,
        Verdict::Skipped(Obstacle { lack, reason }) => {
            Some(Skipped { cell: planned.cell, lack: (*lack).to_owned(), reason: reason.clone() })
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::bench::plan::Preset;

    pub fn sample() -> Manifest {
        Manifest {
            name: "quick".to_owned(),
            started_at: "2026-11-22T20:00:00Z".to_owned(),
            profiler: Profiler {
                version: "0.1.0".to_owned(),
                git_commit: Some("95339ac".to_owned()),
                sha256: "aa".to_owned(),
            },
            host: Host {
                name: "host".to_owned(),
                kernel: "6.18".to_owned(),
                cpus: 2,
                memory_bytes: 25_000_000_000,
            },
            programs: BTreeMap::from([(
                "transmission-daemon".to_owned(),
                Program { path: "/usr/bin/transmission-daemon".into(), sha256: "bb".to_owned() },
            )]),
            scratch: Scratch { path: "/var/tmp".into(), filesystem: Some("ext4 on /dev/vda".to_owned()) },
            matrix: serde_json::to_value(Preset::Quick.matrix().expect("valid")).expect("text keys"),
            pcap: false,
            probes: ProbeSet::All,
            max_overhead: None,
            skipped: Vec::new(),
            ceilings: None,
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Manifest), expected: &[&str]) {
        let mut now = sample();
        change(&mut now);
        assert_eq!(differences(&sample(), &now), expected);
    }

    #[test]
    fn what_changed_is_named() {
        check(|_| {}, &[]);
        check(|now| now.started_at.clear(), &[]);
        check(|now| now.pcap = true, &["pcap: false, now true"]);
        check(|now| now.probes = ProbeSet::Counters, &["probes: \"all\", now \"counters\""]);
        check(|now| now.host.cpus = 4, &["host.cpus: 2, now 4"]);
        check(|now| now.profiler.git_commit = None, &["profiler.git_commit: \"95339ac\", now null"]);
        check(
            |now| now.programs.clear(),
            &[
                "programs.transmission-daemon: {\"path\":\"/usr/bin/transmission-daemon\",\"sha256\":\"bb\"}, now null",
            ],
        );
        check(|now| now.matrix["repetitions"] = 2.into(), &["matrix.repetitions: 1, now 2"]);
    }
}
