//! A swarm that is ready for its transfer: made, used and removed in steps that the caller puts in order.

pub mod ceilings;
mod leftovers;
pub mod programs;
pub mod scratch;
pub mod tap;
mod tracker;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::geteuid;

use super::dataset::{self, Content, Dataset, received_file};
use super::drivers::{Meeting, Place};
use super::hosts::{self, Host};
use super::observer::{NodeProcess, Observer};
use super::wait;
use super::wait::Interrupted;
use crate::bench::follow::task::{Job, Outcome};
use crate::bench::follow::transfer::Actors;
use crate::bench::follow::watch::Transfer;
use crate::bench::hosts::child::ChildProcess;
use crate::bench::hosts::throttle::Throttle;
use crate::bench::node::{self, Node};
use crate::bench::plan::{Configuration, STALL_TIMEOUT};
use crate::bench::{
    dataset::{
        cache::{self, Cached},
        checksum, payload, places,
    },
    follow::transfer,
};
use crate::clock::now_ns;
use capture::Role;
use scratch::Run;
use tap::{Packets, Tap};

/// How long a node may take to say goodbye to its peers and its tracker.
const GOODBYE_LIMIT: Duration = Duration::from_secs(30);

/// What a user may choose about a run that does not change what is measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// The run's folder is made here. It decides which disk the transfer uses.
    pub scratch: PathBuf,
    /// Where the logs of nodes and tracker are copied to if the run fails.
    pub logs: Option<PathBuf>,
    /// The program of Codex, if it is not in PATH.
    pub codex_bin: Option<PathBuf>,
    /// A transfer to which nothing comes for this long has failed.
    pub stall_timeout: Duration,
    /// Where a packet capture of the hub goes, if one is taken.
    pub pcap: Option<PathBuf>,
}

impl Default for Options {
    /// /var/tmp: on a disk, where /tmp is often in memory. A client that finds no peer asks the tracker again after
    /// a minute or two: what takes longer hangs.
    fn default() -> Self {
        Self {
            scratch: PathBuf::from("/var/tmp"),
            logs: None,
            codex_bin: None,
            pcap: None,
            stall_timeout: STALL_TIMEOUT,
        }
    }
}

/// Everything a run needs, up and waiting. Dropping it removes all of it.
pub struct Swarm {
    // In the order in which they are dropped: programs first, then what they were using.
    nodes: Vec<Node>,
    tracker: Option<ChildProcess>,
    tap: Option<Tap>,
    hub: Host,
    dataset: Dataset,
    /// By what leechers ask for the file, once it is offered.
    reference: Option<String>,
    /// What the downloads left behind, by label.
    outcomes: BTreeMap<String, Outcome>,
    stall_timeout: Duration,
    cold: bool,
    /// What of the seeders' files was in the page cache as the downloads began.
    cached: Vec<SeederCache>,
    run: Run,
}

/// What of a seeder's files was in the page cache.
#[derive(Clone, Debug)]
pub struct SeederCache {
    pub label: String,
    /// When it was asked; monotonic ns.
    pub at_ns: u64,
    pub cached: Cached,
}

/// Whether a received file is the one that was sent.
#[derive(Clone, Debug)]
pub struct FileCheck {
    /// The label of the transfer.
    pub label: String,
    pub checksum: String,
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

/// Makes hosts, data, tracker and nodes. When it returns, the nodes are up, and none knows of the file yet.
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
    let driver = configuration.system.driver(options.codex_bin.as_deref())?;
    [Role::Seeder, Role::Leecher].into_iter().try_for_each(|role| driver.program(role).find().map(drop))?;
    if driver.meeting() == Meeting::Tracker {
        tracker::PROGRAM.find()?;
    }
    if options.pcap.is_some() {
        tap::PROGRAM.find()?;
    }
    // What is uploaded is there once more than the nodes have it.
    let copies = configuration.nodes + u32::from(driver.upload_port().is_some());
    payload::require_space(&options.scratch, copies, configuration.file_size_bytes)?;
    let mut run = Run::begin(&options.scratch)?;
    if let Some(logs) = &options.logs {
        run.keep_logs_of_failure(logs.clone());
    }

    observer.step(&format!("making {} MiB of random data", configuration.file_size_bytes >> 20));
    let content =
        Content { file_size_bytes: configuration.file_size_bytes, seed: u64::from(configuration.repetition) };
    let dataset = match driver.meeting() {
        Meeting::Tracker => {
            let announce_url = tracker::announce_url(hosts::HUB_ADDRESS);
            dataset::make_with_torrent(content, &configuration.seeders(), run.folder(), announce_url, stop)?
        }
        _ if driver.upload_port().is_some() => dataset::make(content, run.folder(), stop)?,
        _ => dataset::make_copies(content, &configuration.seeders(), run.folder(), stop)?,
    };

    observer.step("making the network");
    let hub = hosts::make_hub(&run.namespace_prefix())?;
    // Before there is a node: a connection is compared only if its beginning was seen.
    let tap = match &options.pcap {
        Some(file) => Some(tap::start(&hub, file, run.folder().join("packets"), stop)?),
        None => None,
    };
    let tracker = match &dataset.torrent {
        Some(torrent) => Some(tracker::start(&hub, &torrent.info_hash, &run.folder().join("tracker"), stop)?),
        None => None,
    };

    let mut nodes: Vec<Node> = Vec::new();
    let mut contact = None;
    for (number, plan) in (1..).zip(configuration.node_plans()) {
        wait::check_stop(stop)?;
        observer.step(&format!("starting {}", plan.label));
        let host = hosts::make_host(&run.namespace_prefix(), &plan.label, number, &hub)?;
        if let Some(link) = &configuration.link {
            hosts::limit(&host, &hub, &plan.label, link)?;
        }
        let name = format!("{}{}", run.namespace_prefix(), plan.label);
        let limit = configuration.disk.as_ref();
        let throttle = limit.map(|limit| Throttle::new(&name, run.folder(), limit)).transpose()?;
        let place = Place {
            role: plan.role,
            home: places::home(run.folder(), &plan.label),
            data: places::data(run.folder(), &plan.label),
            address: host.address,
            seeder: hosts::address(
                1 + number.saturating_sub(1 + configuration.seeders) % configuration.seeders,
            ),
            file_size_bytes: configuration.file_size_bytes,
            contact: contact.clone(),
        };
        let mut node = node::start(&driver, plan, (host, throttle), place, stop)?;
        if driver.meeting() == Meeting::FirstNode {
            match nodes.first_mut() {
                None => contact = Some(node.contact(stop)?),
                Some(first) => first.meet(&mut node, stop)?,
            }
        }
        nodes.push(node);
    }
    Ok(Swarm {
        nodes,
        tracker,
        tap,
        hub,
        dataset,
        reference: None,
        outcomes: BTreeMap::new(),
        stall_timeout: options.stall_timeout,
        cold: configuration.cold,
        cached: Vec::new(),
        run,
    })
}

impl Swarm {
    /// The processes to profile, seeders first.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeProcess> {
        self.nodes.iter().map(|node| &node.process)
    }

    /// Where nodes find each other, if at a tracker: traffic with this address is no payload.
    pub fn tracker_address(&self) -> Option<SocketAddr> {
        self.tracker.as_ref().map(|_| tracker::address(self.hub.address))
    }

    /// Whether the file gets into the swarm by an upload.
    pub fn takes_uploads(&self) -> bool {
        self.nodes().any(|node| node.upload_port.is_some())
    }

    /// The checksum of the file that is transferred.
    pub fn checksum(&self) -> &str {
        &self.dataset.checksum
    }

    /// Uploads the file to the first seeder. Only in systems that have uploads; [`offer`](Self::offer) then
    /// leaves that seeder alone.
    pub fn upload(&mut self, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<Transfer> {
        let job = Job::Upload(self.dataset.clone());
        let transfers = self.run(&[0], &job, observer, stop)?;
        let transfer = transfers.into_iter().next().context("the upload left no result")?;
        match &transfer.outcome {
            Outcome::Offered { reference } => self.reference = Some(reference.clone()),
            Outcome::Stored | Outcome::Held | Outcome::Received { .. } => {
                bail!("the upload was followed as a download")
            }
        }
        Ok(transfer)
    }

    /// Has every seeder serve the file. When it returns, the leechers know of no file yet.
    pub fn offer(&mut self, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<()> {
        let seeders = self.nodes.iter_mut().filter(|node| node.process.role == Role::Seeder);
        for node in seeders.skip(usize::from(self.reference.is_some())) {
            let label = &node.process.label;
            observer.step(&format!("{label} takes the file"));
            let reference = node.offer(&self.dataset, stop)?;
            let first = self.reference.get_or_insert_with(|| reference.clone());
            ensure!(
                *first == reference,
                "{} serves the file as {reference}, other seeders as {first}",
                node.process.label
            );
        }
        Ok(())
    }

    /// Has every leecher download the file, all at once, and returns when the last one has it.
    pub fn transfer(&mut self, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<Vec<Transfer>> {
        let reference = self.reference.clone().context("no seeder serves the file yet")?;
        let roles = self.nodes().map(|node| node.role).enumerate();
        let leechers: Vec<_> =
            roles.filter(|(_, role)| *role == Role::Leecher).map(|(index, _)| index).collect();
        let job = Job::Download { reference };
        self.look_at_caches()?;
        let transfers = self.run(&leechers, &job, observer, stop)?;
        let outcomes = transfers.iter().map(|transfer| (transfer.label.clone(), transfer.outcome.clone()));
        self.outcomes.extend(outcomes);
        Ok(transfers)
    }

    /// Empties the page cache of the seeders' files, if it is to be, and asks what is in it.
    fn look_at_caches(&mut self) -> Result<()> {
        let seeders = self.nodes.iter().map(|node| &node.process);
        let seeders = seeders.filter(|process| process.role == Role::Seeder).map(|process| {
            let folder = places::data(self.run.folder(), &process.label);
            if self.cold {
                cache::drop_pages(&folder)?;
            }
            let cached = cache::cached(&folder)?;
            Ok(SeederCache { label: process.label.clone(), at_ns: now_ns(), cached })
        });
        self.cached = seeders.collect::<Result<_>>()?;
        Ok(())
    }

    /// What of the seeders' files was in the page cache as the downloads began.
    pub fn cached(&self) -> &[SeederCache] {
        &self.cached
    }

    /// Ends the nodes in order, leechers first, so that their connections are closed and not cut off, and then the
    /// packet capture. Without one, nothing is done. Nodes that hold the file are still needed: their connections have
    /// no end in the packet capture.
    pub fn end_packets(&mut self, stop: &AtomicBool) -> Result<Option<Packets>> {
        let Some(tap) = self.tap.take() else { return Ok(None) };
        let is_held = self.outcomes.values().any(|outcome| matches!(outcome, Outcome::Held));
        for node in self.nodes.iter_mut().rev().filter(|_| !is_held) {
            node.daemon.end(node.driver.stop_signal(), GOODBYE_LIMIT, stop)?;
        }
        tap.finish(stop).map(Some)
    }

    /// Reads every received file, unless it was read when it was received. To be called when nothing is
    /// measured any more.
    pub fn verify(&mut self, stop: &AtomicBool) -> Result<Vec<FileCheck>> {
        let Self { nodes, run, dataset, reference, outcomes, .. } = self;
        let reference = reference.as_deref().context("no seeder serves the file yet")?;
        let leechers = nodes.iter_mut().filter(|node| node.process.role == Role::Leecher);
        let checks = leechers.map(|node| {
            let label = node.process.label.clone();
            let checksum = match outcomes.get(&label) {
                Some(Outcome::Received { checksum }) => Ok(checksum.clone()),
                Some(Outcome::Held) => node.read_back(reference, dataset.file_size_bytes, stop),
                _ => checksum::xxh128_of_file(&received_file(run.folder(), &label), stop),
            };
            let checksum = checksum.with_context(|| format!("verify the file of {label}"))?;
            let is_equal = checksum == dataset.checksum;
            Ok(FileCheck { label, checksum, is_equal })
        });
        checks.collect()
    }

    /// Ends every program and removes everything that was made.
    pub fn finish(self) -> Result<()> {
        let Self { nodes, tracker, tap, hub, run, .. } = self;
        drop((nodes, tracker, tap, hub));
        run.remove().map(drop)
    }

    /// The same job on several nodes; a tracker that ended is the cause of whatever fails.
    fn run(
        &mut self,
        node_indices: &[usize],
        job: &Job,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
    ) -> Result<Vec<Transfer>> {
        self.check_tracker()?;
        let file_size_bytes = self.dataset.file_size_bytes;
        let mut actors = Actors {
            nodes: &mut self.nodes,
            tracker: self.tracker.as_mut(),
            stall_timeout: self.stall_timeout,
        };
        transfer::run(&mut actors, node_indices, job, file_size_bytes, observer, stop).map_err(|error| {
            match self.check_tracker() {
                Err(ended) if !error.is::<Interrupted>() => error.context(ended),
                _ => error,
            }
        })
    }

    fn check_tracker(&mut self) -> Result<()> {
        self.tracker.as_mut().map_or(Ok(()), ChildProcess::check_running)
    }
}
