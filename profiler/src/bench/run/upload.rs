//! How the file gets into the swarm: by an upload into the first seeder, if the system has uploads, with a capture and a report of its own.
//!
//! Its payload arrives at the port that only controls the node later: ports are control or payload for a whole
//! capture, so there are two.

use std::{path::Path, sync::atomic::AtomicBool};

use anyhow::{Context as _, Result};

use super::{
    observers::{Recorder, Rehearsal},
    recorder::{Watched, record_polling, register, settings, subject},
};
use crate::{
    bench::{observer::NodeProcess, plan::Configuration, results::folder, swarm::Swarm},
    collect::{probes::Settings, recording},
    display::Display,
    export::Source,
};
use analysis::figures;

/// Beside the run's capture.
pub const CAPTURE: &str = "upload.capture";

/// Has all seeders serve the file. An upload leaves its capture and reports beside the run's capture.
pub fn offer(
    swarm: &mut Swarm,
    configuration: &Configuration,
    watched: Watched,
    capture: &Path,
    display: &Display,
    stop: &AtomicBool,
) -> Result<()> {
    let Some(node) = swarm.nodes().find(|node| node.upload_port.is_some()).cloned() else {
        return swarm.offer(&mut Rehearsal(display), stop);
    };
    let capture = capture.with_file_name(CAPTURE);
    display.step("attaching the probes for the upload");
    let settings =
        Settings { control_ports: control_ports(&node), ..settings(configuration, swarm, watched) };
    let recording = recording::start(&capture, &settings, &subject(configuration))?;
    register(&recording, configuration.system, &node)?;
    let transfer = swarm.upload(&mut Recorder { recording: &recording, display }, stop);
    let mut detached = recording.detach()?;
    match &transfer {
        Ok(transfer) => {
            record_polling(&mut detached.out, transfer)?;
            detached.complete("the upload was complete")?;
        }
        Err(error) => detached.complete(&format!("the upload failed: {error:#}"))?,
    }
    transfer.with_context(|| format!("what was recorded of the upload is in {}", capture.display()))?;
    let (report, figures) = figures::of_capture(&capture)?;
    folder::write_reports(&capture, Source { capture: &capture, report: &report, figures: &figures })?;
    swarm.offer(&mut Rehearsal(display), stop)
}

/// What is no payload of an upload: nodes that look for each other, and talk to each other.
fn control_ports(node: &NodeProcess) -> Vec<u16> {
    let discovery = node.control_ports.iter().filter(|port| Some(**port) != node.upload_port);
    discovery.copied().chain([node.peer_port]).collect()
}
