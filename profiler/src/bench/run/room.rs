//! What this host has to offer to a matrix.

use std::thread;

use anyhow::{Context as _, Result};
use procfs::Current as _;

use crate::bench::{self, arguments::Arguments, drivers::System, plan::Room};

/// The scratch directory decides which disk counts.
pub fn room(systems: &[System], args: &Arguments) -> Result<Room> {
    let memory = procfs::Meminfo::current().context("read /proc/meminfo")?;
    let missing = systems.iter().filter_map(|&system| {
        let reason = bench::swarm::programs::programs(system, args.codex_bin.as_deref()).err()?;
        Some((system, format!("{reason:#}")))
    });
    Ok(Room {
        disk_bytes: bench::dataset::payload::free_bytes(&args.scratch)?,
        memory_bytes: memory.mem_available.unwrap_or(memory.mem_free),
        cpus: thread::available_parallelism().context("count the CPUs")?.get() as u32,
        missing: missing.collect(),
    })
}
