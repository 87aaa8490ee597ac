//! What the probes have of bursts, and in no count: see `profiler-ebpf/src/probes/burst.rs`.

use std::collections::HashSet;

use abi::{
    burst::{Burst, Bursts},
    payload::{Payload, RECEIVED, SENT},
    sockets::{IPPROTO_TCP, SocketKey},
};
use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{MapData, PerCpuArray},
};

use super::sweep::Sweep;
use crate::collect::{
    maps::{Plain, open},
    targets::Targets,
};
use capture::{ProcessSerial, Writer, events};

/// Those of each CPU.
pub struct Pending(PerCpuArray<MapData, Plain<Bursts>>);

impl Pending {
    pub fn new(ebpf: &Ebpf) -> Result<Self> {
        Ok(Self(open(ebpf, "BURSTS")?.try_into()?))
    }

    /// The sockets that they are of: to be asked after it was read which are closed, and before what they have moved.
    pub fn sockets(&self) -> Result<HashSet<u64>> {
        Ok(self.read()?.map(|(burst, _)| burst.identity).collect())
    }

    fn read(&self) -> Result<impl Iterator<Item = (Burst, u16)>> {
        let per_cpu: Vec<Bursts> = self.0.get(&0, 0).context("read BURSTS")?.iter().map(|of| of.0).collect();
        let each = per_cpu.into_iter().flat_map(|of| [(of.received, RECEIVED), (of.sent, SENT)]);
        Ok(each.filter(|(burst, _)| burst.calls != 0))
    }
}

/// Adds what was left, as the probes were detached, to the counts of processes and sockets, which nobody else changes any more,
/// and records its payload.
pub fn add(end_ns: u64, targets: &mut Targets, sweep: &mut Sweep, out: &mut Writer) -> Result<()> {
    let Some(pending) = sweep.take_bursts() else { return Ok(()) };
    for (burst, direction) in pending.read()? {
        add_one(&burst, direction, end_ns, targets, sweep);
        out.push_events(events::bytes(&payload(&burst, direction, end_ns)))?;
    }
    Ok(())
}

fn add_one(burst: &Burst, direction: u16, end_ns: u64, targets: &mut Targets, sweep: &mut Sweep) {
    let at_ns = burst.last_ns(end_ns);
    if let Some(process) = targets.counts(ProcessSerial(burst.process)) {
        let (total, peer) = match direction {
            SENT => (&mut process.tcp_tx_bytes, &mut process.peer_tx_bytes),
            _ => (&mut process.tcp_rx_bytes, &mut process.peer_rx_bytes),
        };
        *total += burst.bytes;
        *peer += burst.bytes;
    }
    if let Some(counts) = sweep.socket_counts(SocketKey { cookie: burst.identity, process: burst.process }) {
        let (bytes, calls) = match direction {
            SENT => (&mut counts.tx_bytes, &mut counts.tx_calls),
            _ => (&mut counts.rx_bytes, &mut counts.rx_calls),
        };
        *bytes += burst.bytes;
        *calls += u64::from(burst.calls);
        counts.last_ns = counts.last_ns.max(at_ns);
    }
}

fn payload(burst: &Burst, direction: u16, end_ns: u64) -> Payload {
    Payload {
        kind: <Payload as abi::event::Event>::KIND as u32,
        tid: burst.tid,
        process: burst.process,
        cookie: burst.identity,
        since_ns: burst.at_ns,
        at_ns: burst.last_ns(end_ns),
        bytes: burst.bytes,
        sequence: burst.sequence,
        arrived: burst.arrived,
        protocol: IPPROTO_TCP,
        direction,
        ..Payload::default()
    }
}
