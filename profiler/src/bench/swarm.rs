//! A swarm that is ready for its transfer: made, used and removed in steps that the caller puts in order.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, ensure};
use rustix::process::geteuid;

use super::daemon::Daemon;
use super::dataset::{self, Dataset};
use super::hosts::{self, Host};
use super::node::{self, Node};
use super::observer::{NodeProcess, Observer, Role};
use super::plan::Configuration;
use super::run::Run;
use super::wait::Interrupted;
use super::watch::Transfer;
use super::{checksum, drivers, leftovers, payload, tracker, transfer, wait};

/// What a user may choose about a run that does not change what is measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// The run's folder is made here. It decides which disk the transfer uses.
    pub scratch: PathBuf,
    /// Where the logs of nodes and tracker are copied to if the run fails.
    pub logs: Option<PathBuf>,
}

impl Default for Options {
    /// /var/tmp: on a disk, where /tmp is often in memory.
    fn default() -> Self {
        Self { scratch: PathBuf::from("/var/tmp"), logs: None }
    }
}

/// Everything a run needs, up and waiting. Dropping it removes all of it.
pub struct Swarm {
    // In the order in which they are dropped: programs first, then what they were using.
    nodes: Vec<Node>,
    tracker: Daemon,
    hub: Host,
    dataset: Dataset,
    run: Run,
}

/// Whether a received file is the one that was sent.
#[derive(Clone, Debug)]
pub struct FileCheck {
    /// The label of the transfer.
    pub label: String,
    pub sha256: String,
    pub is_equal: bool,
}

/// An error for users who may not make what the benchmark needs.
pub fn require_root() -> Result<()> {
    ensure!(
        geteuid().is_root(),
        "the benchmark makes network namespaces, which needs root: start it with sudo"
    );
    Ok(())
}

/// Makes hosts, data, tracker and nodes. When it returns, the seeders have checked their file and are known
/// to the tracker, and the leechers are up and know of no file yet.
///
/// The calling thread has to live as long as the swarm: the kernel kills the swarm's programs when it ends.
pub fn prepare(
    configuration: &Configuration,
    options: &Options,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<Swarm> {
    require_root()?;
    leftovers::remove(observer)?;
    let driver = drivers::driver(configuration.system);
    driver.program().find()?;
    tracker::PROGRAM.find()?;
    payload::require_space(&options.scratch, configuration.nodes, configuration.file_size_bytes)?;
    let mut run = Run::begin(&options.scratch)?;
    if let Some(logs) = &options.logs {
        run.keep_logs_of_failure(logs.clone());
    }

    observer.step(&format!("making {} MiB of random data", configuration.file_size_bytes >> 20));
    let announce_url = tracker::announce_url(hosts::HUB_ADDRESS);
    let dataset = dataset::make(configuration, run.folder(), announce_url, stop)?;

    observer.step("making the network and starting the tracker");
    let hub = hosts::make_hub(&run.namespace_prefix())?;
    let tracker = tracker::start(&hub, &dataset.info_hash, &run.folder().join("tracker"), stop)?;

    let mut nodes = Vec::new();
    for (number, plan) in (1..).zip(configuration.node_plans()) {
        wait::check_stop(stop)?;
        observer.step(&format!("starting {}", plan.label));
        let host = hosts::make_host(&run.namespace_prefix(), &plan.label, number, &hub)?;
        if let Some(link) = &configuration.link {
            hosts::limit(&host, &hub, &plan.label, link)?;
        }
        nodes.push(node::start(driver, plan, host, run.folder(), stop)?);
    }
    for node in nodes.iter_mut().filter(|node| node.process.role == Role::Seeder) {
        observer.step(&format!("{} checks its file", node.process.label));
        node.seed(&dataset.torrent, stop)?;
    }
    Ok(Swarm { nodes, tracker, hub, dataset, run })
}

impl Swarm {
    /// The processes to profile, seeders first.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeProcess> {
        self.nodes.iter().map(|node| &node.process)
    }

    /// Where nodes find each other: traffic with this address is no payload.
    pub fn tracker_address(&self) -> SocketAddr {
        tracker::address(self.hub.address)
    }

    /// SHA-256 of the file that is transferred.
    pub fn sha256(&self) -> &str {
        &self.dataset.sha256
    }

    /// Has every leecher download the file, all at once, and returns when the last one has it.
    pub fn transfer(&mut self, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<Vec<Transfer>> {
        self.tracker.check_running()?;
        transfer::run(&mut self.nodes, &self.dataset, observer, stop).map_err(|error| {
            match self.tracker.check_running() {
                Err(ended) if !error.is::<Interrupted>() => error.context(ended),
                _ => error,
            }
        })
    }

    /// Reads every received file. To be called when nothing is measured any more.
    pub fn verify(&self, stop: &AtomicBool) -> Result<Vec<FileCheck>> {
        let leechers = self.nodes().filter(|node| node.role == Role::Leecher);
        let checks = leechers.map(|node| {
            let label = node.label.clone();
            let file = dataset::received_file(self.run.folder(), &label);
            let sha256 = checksum::sha256_of_file(&file, stop)
                .with_context(|| format!("verify the file of {label}"))?;
            let is_equal = sha256 == self.dataset.sha256;
            Ok(FileCheck { label, sha256, is_equal })
        });
        checks.collect()
    }

    /// Ends every program and removes everything that was made.
    pub fn finish(self) -> Result<()> {
        let Self { nodes, tracker, hub, dataset: _, run } = self;
        drop((nodes, tracker, hub));
        run.remove().map(drop)
    }
}
