//! One run: made, recorded, verified and removed.
//!
//! The order matters: the nodes are targets before they transfer anything, and the probes are detached before
//! the files are read again for their checksums.

use std::{path::Path, sync::atomic::AtomicBool};

use anyhow::{Result, bail};

use crate::{
    bench::{
        self, dataset::cache::Cached, drivers::System, observer::NodeProcess, plan::Configuration,
        results::NodeRecord, swarm::tap::Packets,
    },
    collect::recording,
    display::Display,
};
use capture::{Checksum, FileCache, Record};

use super::{
    observers::{Recorder, Rehearsal},
    recorder::{Watched, record_polling, register, settings, subject},
    upload,
};

/// What is known of a run, also if it fails.
#[derive(Default)]
pub struct Known {
    pub nodes: Vec<NodeRecord>,
    /// The packet capture, if one was asked for and ended in order.
    pub packets: Option<Packets>,
}

/// Runs a configuration once and records it into `capture`. What is known of it is put into `known` as soon as it is.
pub fn run(
    configuration: &Configuration,
    options: &bench::swarm::Options,
    watched: Watched,
    capture: &Path,
    display: &Display,
    stop: &AtomicBool,
    known: &mut Known,
) -> Result<()> {
    let mut swarm = bench::swarm::prepare(configuration, options, &mut Rehearsal(display), stop)?;
    known.nodes.extend(swarm.nodes().map(|node| record_of(configuration.system, node)));
    upload::offer(&mut swarm, configuration, watched, capture, display, stop)?;
    display.step("attaching the probes");
    let recording =
        recording::start(capture, &settings(configuration, &swarm, watched), &subject(configuration))?;
    for node in swarm.nodes() {
        register(&recording, configuration.system, node)?;
    }
    let transfers = swarm.transfer(&mut Recorder { recording: &recording, display }, stop);
    // While the probes see it: connections that are still open have no end to be compared by.
    let ended = match &transfers {
        Ok(_) => {
            if options.pcap.is_some() {
                display.step("closing the nodes' connections");
            }
            swarm.end_packets(stop)
        }
        Err(_) => Ok(None),
    };
    display.step("detaching the probes");
    let mut detached = recording.detach()?;
    let transfers = match transfers {
        Ok(transfers) => transfers,
        Err(error) => {
            detached.complete(&format!("the benchmark failed: {error:#}"))?;
            return Err(error);
        }
    };
    known.packets = match ended {
        Ok(packets) => packets,
        Err(error) => {
            let error = error.context("end the packet capture");
            detached.complete(&format!("the benchmark failed: {error:#}"))?;
            return Err(error);
        }
    };
    for cache in swarm.cached() {
        let Cached { file_bytes, cached_bytes } = cache.cached;
        let (at_ns, label) = (cache.at_ns, cache.label.clone());
        detached.out.push(&Record::FileCache(FileCache { at_ns, label, file_bytes, cached_bytes }))?;
    }
    for transfer in &transfers {
        record_polling(&mut detached.out, transfer)?;
    }

    display.step("comparing checksums");
    let checks = swarm.verify(stop)?;
    for check in &checks {
        detached.out.push(&Record::Checksum(Checksum {
            label: check.label.clone(),
            sent: swarm.checksum().to_owned(),
            received: check.checksum.clone(),
        }))?;
    }
    detached.complete("the transfers were complete")?;
    if let Some(check) = checks.iter().find(|check| !check.is_equal) {
        bail!("{} received another file than was sent: its checksum differs", check.label);
    }
    display.step("removing nodes and networks");
    swarm.finish()
}

fn record_of(system: System, node: &NodeProcess) -> NodeRecord {
    NodeRecord {
        label: node.label.clone(),
        role: node.role,
        address: node.address,
        program: format!("{system} {}", node.version),
    }
}
