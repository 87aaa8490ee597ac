//! What a run is expected to need. Estimates, for a plan; what was needed stands in the results.
//!
//! Each system is calibrated by runs of its own. Those of Transmission 3.00, on 2 CPUs with one seeder and one
//! leecher: 100 MiB took 35 s and 400 MiB 83 s, with 2.2 s and 8.3 s of CPU in both nodes together. From these two
//! points come the time that a swarm takes to find itself, and the pace of one leecher. Leechers run at the same
//! time, and serve each other: their transfers take as long as one, until the CPUs are full.

use std::time::Duration;

use crate::bench::{dataset::payload::needed_space_bytes, hosts::Link};

use super::Cell;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// On the scratch disk, while it runs.
    pub disk_bytes: u64,
    /// Anonymous memory of nodes and profiler. The page cache takes what is left.
    pub memory_bytes: u64,
    /// Of one run, from its preparation to its checksums.
    pub run: Duration,
}

/// Ring buffer, maps and the daemon's own memory.
const PROFILER_MEMORY_BYTES: u64 = 128 << 20;
/// Random bytes are made and hashed twice, for the torrent too, on one CPU.
const MAKE_BYTES_PER_S: f64 = 200e6;
/// Each seeder's copy is written and synced, and read again by the seeder.
const COPY_BYTES_PER_S: f64 = 150e6;
/// Each leecher's file is read and hashed.
const VERIFY_BYTES_PER_S: f64 = 300e6;
/// Attaching and detaching the probes, and the report.
const PROFILER_S: f64 = 4.0;

/// What one run of a cell is estimated to need on a host with that many CPUs.
pub fn needs(cell: &Cell, link: Option<&Link>, cpus: u32) -> Needs {
    let pace = cell.system.pace();
    let size_bytes = cell.file_size_bytes as f64;
    let received_bytes = size_bytes * f64::from(cell.leechers());
    // Each byte of a leecher comes in over its own link.
    let link_bytes_per_s =
        link.and_then(|link| link.rate_bits_per_s).map_or(f64::INFINITY, |bits| bits as f64 / 8.0);
    let peers = f64::from(cell.nodes - 1);
    let cpu_s_per_byte = pace.cpu_s_per_byte + peers * pace.cpu_s_per_byte_and_peer;
    let transfer_s = (size_bytes / pace.leecher_bytes_per_s.min(link_bytes_per_s))
        .max(received_bytes * cpu_s_per_byte / f64::from(cpus.max(1)));
    let around_s = PROFILER_S
        + f64::from(cell.nodes) * pace.node_start_s
        + size_bytes / MAKE_BYTES_PER_S
        + size_bytes * f64::from(cell.seeders) / COPY_BYTES_PER_S
        + received_bytes / VERIFY_BYTES_PER_S;
    Needs {
        disk_bytes: needed_space_bytes(cell.nodes, cell.file_size_bytes),
        memory_bytes: u64::from(cell.nodes) * pace.node_memory_bytes + PROFILER_MEMORY_BYTES,
        // Whoever asks for more is told that it does not fit.
        run: Duration::try_from_secs_f64(pace.until_first_byte_s + transfer_s + around_s)
            .unwrap_or(Duration::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::drivers;

    const MIB: u64 = 1 << 20;

    /// Nodes, seeders and MiB on 2 CPUs, against seconds of one run, and MiB of disk and of memory.
    #[track_caller]
    fn check(cell: (u32, u32, u64), run_s: u64, disk_mib: u64, memory_mib: u64) {
        let (nodes, seeders, size_mib) = cell;
        let cell =
            Cell { system: drivers::transmission::SYSTEM, nodes, seeders, file_size_bytes: size_mib * MIB };
        let found = needs(&cell, None, 2);
        assert_eq!(
            (found.run.as_secs(), found.disk_bytes / MIB, found.memory_bytes / MIB),
            (run_s, disk_mib, memory_mib)
        );
    }

    #[test]
    fn estimates_grow_with_nodes_and_size() {
        check((2, 1, 100), 41, 264, 176);
        check((2, 1, 400), 94, 864, 176);
        check((8, 4, 100), 47, 864, 320);
        check((32, 16, 100), 73, 3264, 896);
        check((32, 1, 100), 85, 3264, 896);
    }

    #[test]
    fn a_byte_of_codex_costs_more_with_each_node() {
        let run_s = |nodes, seeders| {
            let cell = Cell { system: drivers::codex::SYSTEM, nodes, seeders, file_size_bytes: 100 * MIB };
            needs(&cell, None, 2).run.as_secs()
        };
        assert_eq!([run_s(2, 1), run_s(8, 1), run_s(16, 4), run_s(32, 16)], [23, 44, 116, 279]);
    }

    #[test]
    fn a_slow_link_takes_its_time() {
        let cell = Cell {
            system: drivers::transmission::SYSTEM,
            nodes: 2,
            seeders: 1,
            file_size_bytes: 1_000_000_000,
        };
        let link = Link { rate_bits_per_s: Some(8_000_000), ..Link::default() };
        assert!(needs(&cell, Some(&link), 2).run > Duration::from_secs(1000));
    }
}
