//! Counters that are always on: the probes of [`ProbeSet::Counters`] without a capture. They write no record into the
//! rings; what they count stays in the maps until somebody adds it up.

use std::{collections::BTreeMap, num::NonZeroU32};

use abi::progress::NO_PROGRESS;
use anyhow::Result;
use aya::Ebpf;
use capture::{
    Family,
    families::{DROPS, IO_URING, LIBAIO, SPLICE},
};

use crate::collect::{
    cost,
    drain::{
        Sink,
        sweep::{Sweep, fill::Fill},
    },
    probes::{self, Settings, Settling, Types, families::ProbeSet, links::Links},
    targets::Targets,
};

/// Attached probes, and the tables that they count in. Dropping it detaches them.
pub struct Counters {
    ebpf: Ebpf,
    /// The probes are attached as long as it is there.
    _links: Links,
    pub targets: Targets,
    sweep: Sweep,
    pub families: Vec<Family>,
    /// Memory of all maps, which is the kernel's and no part of this process's.
    pub map_bytes: u64,
}

/// Loads and attaches what this kernel allows; the only part that takes privileges.
///
/// # Errors
/// Nothing can be counted.
pub fn start(types: &Types, control_ports: Vec<u16>) -> Result<Counters> {
    let settings = Settings {
        stride_bytes: NO_PROGRESS,
        control_ports,
        // As small as rings can be: nothing is written into them.
        ring_buffer_bytes: Some(NonZeroU32::MIN),
        probes: ProbeSet::Counters,
        // Once it is confined, the service may not have a program run.
        settling: Settling::Timed,
        max_overhead: None,
        // They write records, and a table that is kept for a whole recording.
        left_out: &[DROPS, IO_URING, LIBAIO, SPLICE],
        held: false,
    };
    let probes = probes::attach_by(types, &settings)?;
    let map_bytes = cost::map_bytes(&probes.ebpf)?;
    let targets = Targets::new(&probes.ebpf)?;
    let sweep = Sweep::of_counters(&probes.ebpf)?;
    Ok(Counters {
        ebpf: probes.ebpf,
        _links: probes.links,
        targets,
        sweep,
        families: probes.families,
        map_bytes,
    })
}

impl Counters {
    /// Hands over what changed since the last time, and forgets what has ended.
    pub fn sweep<W: Sink>(&mut self, out: &mut W) -> Result<()> {
        // The rings stay empty.
        self.sweep.write(&mut self.targets, out, &mut |_| Ok(()))
    }

    /// The same of processes and sockets, where so many came that their tables could be full before the next look.
    pub fn make_room<W: Sink>(&mut self, out: &mut W) -> Result<()> {
        self.sweep.make_room(&mut self.targets, out, &mut |_| Ok(()))
    }

    /// Forgets what processes have submitted to devices that are none of `keep`, which tells by the serial.
    pub fn forget_credits(&mut self, keep: impl Fn(u64) -> bool) -> Result<()> {
        self.sweep.forget_credits(keep)
    }

    /// What was lost so far, by class.
    pub fn losses(&self) -> Result<BTreeMap<String, u64>> {
        Ok(self.sweep.losses(cost::reentries(&self.ebpf)?)?.counts)
    }

    /// How full the tables are.
    pub fn fill(&self) -> Result<[Fill; 7]> {
        self.sweep.fill(&self.targets)
    }
}
