//! How full the tables are that counters can fill.

use abi::{sockets::SOCKET_USE_SLOTS, target::PROCESS_SLOTS};
use anyhow::Result;

use super::Sweep;
use crate::collect::targets::Targets;

/// A table of the probes. What finds no place in it is counted as lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    pub table: &'static str,
    /// As of the last sweep.
    pub entries: u64,
    pub capacity: u64,
}

impl Sweep {
    /// Of each table of counters.
    pub fn fill(&self, targets: &Targets) -> Result<[Fill; 7]> {
        let fill = |table, entries: usize, capacity| Fill { table, entries: entries as u64, capacity };
        let processes = targets.processes().count();
        Ok([
            // Element 0 of these two is nobody's.
            fill("processes", processes, u64::from(PROCESS_SLOTS) - 1),
            fill("socket_uses", self.sockets.swept_uses, u64::from(SOCKET_USE_SLOTS) - 1),
            fill("sockets", self.sockets.swept_sockets, self.sockets.capacity()),
            fill("devices", self.devices.read()?.len(), self.devices.capacity()),
            fill("device_users", self.credits.read()?.len(), self.credits.capacity()),
            fill("file_users", self.inodes.entries().0, self.inodes.capacities().0),
            fill("file_devices", self.inodes.entries().1, self.inodes.capacities().1),
        ])
    }
}
