//! A node of the benchmark: a host, and the client that runs on it.

use std::fs;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::bench::dataset::Dataset;
use crate::bench::dataset::stream;
use crate::bench::drivers::{Control, Driver, Place};
use crate::bench::hosts::Host;
use crate::bench::hosts::child::ChildProcess;
use crate::bench::hosts::throttle::Throttle;
use crate::bench::observer::NodeProcess;
use crate::bench::plan::NodePlan;
use crate::bench::wait::Interrupted;

const UP_LIMIT: Duration = Duration::from_secs(30);
/// Checking or handing over a file takes the time to read and hash it, an upload the time to write it: 5 GiB on
/// a slow disk.
const OFFER_LIMIT: Duration = Duration::from_secs(600);
const CONNECTED_LIMIT: Duration = Duration::from_secs(60);

pub struct Node {
    pub process: NodeProcess,
    pub daemon: ChildProcess,
    pub host: Host,
    pub driver: Arc<dyn Driver>,
    pub place: Place,
    /// Removed after the daemon, which is in it.
    _throttle: Option<Throttle>,
}

/// Starts a client on a host, with its disk limited or not, and waits until it answers.
pub fn start(
    driver: &Arc<dyn Driver>,
    plan: NodePlan,
    (host, throttle): (Host, Option<Throttle>),
    place: Place,
    stop: &AtomicBool,
) -> Result<Node> {
    let NodePlan { role, label } = plan;
    fs::create_dir_all(&place.data).with_context(|| format!("make the folder {}", place.data.display()))?;
    let arguments = driver.configure(&place)?;
    let mut daemon = ChildProcess::start(
        &driver.program(role),
        arguments,
        &label,
        &host.namespace,
        throttle.as_ref(),
        &place.home,
    )?;
    daemon.may_end = driver.ends_by_itself(role);
    let process = NodeProcess {
        pid: daemon.pid(),
        label,
        role,
        control_ports: driver.control_ports(),
        address: IpAddr::V4(host.address),
        upload_port: driver.upload_port(),
        peer_port: driver.peer_port(),
        version: String::new(),
    };
    let mut node = Node { process, daemon, host, driver: Arc::clone(driver), place, _throttle: throttle };
    node.process.version = node.ask("answers", UP_LIMIT, stop, |control| Ok(control.version().ok()))?;
    Ok(node)
}

impl Node {
    /// Has the node serve the file, and returns by what others ask for it.
    pub fn offer(&mut self, dataset: &Dataset, stop: &AtomicBool) -> Result<String> {
        let dataset = dataset.clone();
        self.ask("serves the file", OFFER_LIMIT, stop, move |control| {
            control.offer(&dataset, &mut |_| Ok(()))
        })
    }

    /// Whether the node answers at all.
    pub fn answers(&mut self, limit: Duration, stop: &AtomicBool) -> Result<bool> {
        match self.ask("answers", limit, stop, |control| Ok(control.version().ok())) {
            // Whoever is not asked is not silent.
            Err(error) if error.is::<Interrupted>() => Err(error),
            answer => Ok(answer.is_ok()),
        }
    }

    /// By what others find this node.
    pub fn contact(&mut self, stop: &AtomicBool) -> Result<String> {
        self.ask("tells its contact", UP_LIMIT, stop, |control| control.contact().map(Some))
    }

    /// Waits until the node has heard from another, a newcomer. The newcomer's word would prove nothing: it
    /// may list the node whose contact it was given, dead or not.
    pub fn meet(&mut self, newcomer: &mut Self, stop: &AtomicBool) -> Result<()> {
        let identity =
            newcomer.ask("tells its identity", UP_LIMIT, stop, |control| control.identity().map(Some))?;
        let what = format!("has heard from {}", newcomer.process.label);
        let met = self
            .ask(&what, CONNECTED_LIMIT, stop, move |control| Ok(control.knows(&identity)?.then_some(())));
        met.map_err(|error| newcomer.daemon.explain(error))
    }

    /// The checksum of a file of this size that the node has in its own store. To be called when nothing is measured
    /// any more.
    pub fn read_back(&mut self, reference: &str, file_size_bytes: u64, stop: &AtomicBool) -> Result<String> {
        let reference = reference.to_owned();
        self.ask("hands its file over", OFFER_LIMIT, stop, move |control| {
            let received = stream::receive(control.read_back(&reference)?, file_size_bytes, |_| Ok(()))?;
            Ok(Some(received.checksum))
        })
    }

    /// Asks the node again and again until there is a value.
    ///
    /// The questions come from a thread inside the node's namespace, which is left alone when the user stops
    /// the run: a node that hangs must not delay that.
    fn ask<T: Send + 'static>(
        &mut self,
        what: &str,
        limit: Duration,
        stop: &AtomicBool,
        mut question: impl FnMut(&mut dyn Control) -> Result<Option<T>> + Send + 'static,
    ) -> Result<T> {
        let namespace = self.host.namespace.try_clone()?;
        let mut control = self.driver.control(&self.place);
        // Without a buffer: the next question waits until the last answer was looked at.
        let (tell, answers) = mpsc::sync_channel(0);
        thread::spawn(move || {
            loop {
                let answer = namespace.enter().and_then(|()| question(&mut *control));
                let is_last = !matches!(answer, Ok(None));
                if tell.send(answer).is_err() || is_last {
                    return;
                }
            }
        });
        let what = format!("{what} (control port {:?})", self.process.control_ports);
        self.daemon.wait_until(&what, limit, stop, || answers.try_recv().unwrap_or(Ok(None)))
    }
}
