//! Puts together what is told, for those who ask at the door.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    sync::{Arc, RwLock},
};

use anyhow::{Context as _, Result};

use super::{
    config::{Config, UNASSIGNED},
    log,
    status::{Confinement, DeviceStatus, FamilyStatus, Status, TableStatus, TargetStatus},
    tally::Tally,
    transfers::Transfers,
};
use crate::{
    clock::{now_ns, process_cpu_ns, wall_ns},
    collect::{counters::Counters, environment, recording::Held},
};

/// Where the last status stands. Whoever reads it holds the lock for no longer than it takes to count the reader.
pub type Board = Arc<RwLock<Arc<Status>>>;

pub struct Publisher {
    board: Board,
    /// All but what [`publish`](Self::publish) adds.
    status: Status,
    /// The names of devices by their numbers.
    names: HashMap<String, String>,
    started_ns: u64,
}

impl Publisher {
    pub fn new(config: &Config, counters: &Counters, held: Option<&Held>) -> Result<Self> {
        let families = counters.families.iter().filter(|family| !family.is_left_out());
        let families = families.map(|family| FamilyStatus {
            family: family.name.clone(),
            attached: family.is_whole(),
            missing: family.missing().map(str::to_owned),
        });
        let mut status = Status {
            profiler: env!("CARGO_PKG_VERSION").to_owned(),
            kernel: environment::read()?.kernel,
            host_name: environment::host_name(),
            boot_id: environment::boot_id()?,
            started_s: seconds(wall_ns()),
            targets: targets(config)?,
            families: families.collect(),
            ..Status::default()
        };
        status.cost.map_bytes = counters.map_bytes + held.map_or(0, |held| held.map_bytes);
        Ok(Self { board: Arc::default(), status, names: HashMap::new(), started_ns: now_ns() })
    }

    pub fn board(&self) -> Arc<RwLock<Arc<Status>>> {
        Arc::clone(&self.board)
    }

    /// Those of another configuration.
    pub fn targets(&mut self, config: &Config) -> Result<()> {
        self.status.targets = targets(config)?;
        Ok(())
    }

    pub fn confined(&mut self, confinement: Confinement) {
        self.status.confinement = confinement;
    }

    /// The first status.
    pub fn started(&mut self, tally: &Tally, transfers: &Transfers) {
        self.status.cost.start_cpu_s = seconds(process_cpu_ns());
        self.publish(tally, transfers);
    }

    /// Reads what is not read for each status.
    pub fn account(&mut self, counters: &Counters) -> Result<()> {
        let lost = counters.losses()?;
        for (class, count) in &lost {
            let before = self.status.lost.get(class).copied().unwrap_or(0);
            if *count > before {
                tracing::warn!(class, since_last = count - before, "not everything was counted");
            }
        }
        self.status.lost = lost;
        self.status.tables = counters
            .fill()?
            .map(|fill| TableStatus {
                table: fill.table.to_owned(),
                entries: fill.entries,
                capacity: fill.capacity,
            })
            .into();
        let own = procfs::process::Process::myself()
            .and_then(|me| me.status())
            .context("read /proc/self/status")?;
        self.status.cost.resident_bytes = (own.rssanon.unwrap_or(0) + own.rssfile.unwrap_or(0)) * 1024;
        self.status.cost.peak_resident_bytes = own.vmhwm.unwrap_or(0) * 1024;
        Ok(())
    }

    /// Tells of what was counted.
    pub fn publish(&mut self, tally: &Tally, transfers: &Transfers) {
        self.status.transfers = transfers.sums();
        self.status.transfers_running = transfers.running_by_target();
        for (target, sum) in self.status.targets.iter_mut().zip(tally.sums()) {
            tell_of_change(target, sum.processes);
            target.processes = sum.processes;
            target.processes_seen = sum.processes_seen;
            target.moved = sum.moved;
        }
        let names = &mut self.names;
        let named = tally.devices().map(|device| {
            let name = names.entry(device.device.clone()).or_insert_with(|| name(&device.device));
            DeviceStatus { device: name.clone(), ..device.clone() }
        });
        self.status.devices = each_once(named);
        self.status.swept_s = seconds(wall_ns());
        self.status.up_s = seconds(now_ns() - self.started_ns);
        self.status.cost.cpu_s = seconds(process_cpu_ns());
        self.status.log_suppressed = log::suppressed();
        *self.board.write().expect("no holder panicked") = Arc::new(self.status.clone());
    }
}

/// What is told of each target before anything was counted, and of what fits none.
fn targets(config: &Config) -> Result<Vec<TargetStatus>> {
    let mut targets = Vec::new();
    for target in &config.targets {
        targets.push(TargetStatus {
            name: target.name.clone(),
            system: target.system.clone(),
            role: target.role.clone(),
            found_by: target.choice()?.in_words(),
            ..TargetStatus::default()
        });
    }
    targets.push(TargetStatus {
        name: UNASSIGNED.to_owned(),
        found_by: "whatever fits no other".to_owned(),
        ..TargetStatus::default()
    });
    Ok(targets)
}

/// A device that came again has the name that another one had: their counts go on together.
fn each_once(devices: impl Iterator<Item = DeviceStatus>) -> Vec<DeviceStatus> {
    let mut by_name = BTreeMap::<(String, String), DeviceStatus>::new();
    for device in devices {
        let key = (device.device.clone(), device.operation.clone());
        by_name
            .entry(key)
            .and_modify(|sum| {
                sum.bytes += device.bytes;
                sum.requests += device.requests;
                sum.errors += device.errors;
            })
            .or_insert(device);
    }
    by_name.into_values().collect()
}

fn tell_of_change(target: &TargetStatus, processes: u64) {
    if target.name != UNASSIGNED && (target.processes == 0) != (processes == 0) {
        let what = if processes == 0 { "gone" } else { "found" };
        tracing::info!(target = target.name, processes, "{what}");
    }
}

/// As the kernel calls the device now, or its numbers.
fn name(numbers: &str) -> String {
    let link = fs::read_link(format!("/sys/dev/block/{numbers}"));
    let name = link.ok().and_then(|link| Some(link.file_name()?.to_str()?.to_owned()));
    name.unwrap_or_else(|| numbers.to_owned())
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
