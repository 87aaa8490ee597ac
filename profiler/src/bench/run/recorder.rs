//! What a recording of the benchmark is told: settings, subject, nodes, and what it took to ask them.

use anyhow::{Context as _, Result};
use capture::{Label, Polling, Record, Run, Writer};

use crate::{
    bench::{
        drivers::System, follow::watch::Transfer, observer::NodeProcess, plan::Configuration, swarm::Swarm,
    },
    collect::{
        limit::Limit,
        probes::{Settings, families::ProbeSet},
        recording::{Recording, Subject, stride_bytes},
    },
};

/// How much is watched, and what that may cost.
pub type Watched = (ProbeSet, Option<Limit>);

pub fn settings(configuration: &Configuration, swarm: &Swarm, (probes, max_overhead): Watched) -> Settings {
    let mut control_ports: Vec<u16> =
        swarm.nodes().flat_map(|node| node.control_ports.iter().copied()).collect();
    control_ports.extend(swarm.tracker_address().map(|address| address.port()));
    control_ports.sort_unstable();
    control_ports.dedup();
    Settings {
        stride_bytes: stride_bytes(Some(configuration.file_size_bytes)),
        control_ports,
        probes,
        max_overhead,
        ..Settings::default()
    }
}

pub fn subject(configuration: &Configuration) -> Subject {
    Subject {
        targets: "the nodes of the benchmark".to_owned(),
        size_bytes: Some(configuration.file_size_bytes),
        run: Some(Run {
            system: configuration.system.to_string(),
            nodes: configuration.nodes,
            seeders: configuration.seeders,
            file_size_bytes: configuration.file_size_bytes,
            repetition: configuration.repetition,
        }),
    }
}

pub fn register(recording: &Recording, system: System, node: &NodeProcess) -> Result<()> {
    let process = recording.register(node.pid).with_context(|| format!("profile {}", node.label))?;
    recording.push(Record::Label(Label {
        process,
        label: node.label.clone(),
        role: node.role,
        program: Some(format!("{system} {}", node.version)),
    }))
}

pub fn record_polling(out: &mut Writer, transfer: &Transfer) -> Result<()> {
    out.push(&Record::Polling(Polling {
        label: transfer.label.clone(),
        polls: transfer.polling.polls,
        cpu_ns: transfer.polling.cpu_ns,
    }))
}
