//! How the ring buffers are laid out.

use std::num::NonZeroU32;

use abi::rings::BLOCK_BYTES;
use anyhow::{Context as _, Error, Result};
use aya::util::online_cpus;

/// Where nobody asked for a size: for all CPUs together, and for each at least. On a CPU that does nothing but switch,
/// 350,000 records of 88 bytes a second, 1 MiB fills in 34 ms, and is emptied every 20 ms.
const DEFAULT_BYTES: u32 = 16 << 20;
const DEFAULT_BYTES_PER_CPU: u32 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rings {
    pub cpus: u32,
    /// A power of two.
    pub blocks_per_ring: u32,
}

/// With rings of so many bytes for all CPUs together. What a CPU records that comes online later is lost, and counted:
/// virtual machines may have hundreds that never do.
pub fn layout(bytes: Option<NonZeroU32>) -> Result<Rings> {
    let online = online_cpus().map_err(|(path, error)| Error::new(error).context(format!("read {path}")))?;
    Ok(of(bytes, online.last().context("no CPU is online")? + 1))
}

fn of(bytes: Option<NonZeroU32>, cpus: u32) -> Rings {
    let per_cpu = match bytes {
        Some(bytes) => bytes.get().div_ceil(cpus),
        None => DEFAULT_BYTES.div_ceil(cpus).max(DEFAULT_BYTES_PER_CPU),
    };
    Rings { cpus, blocks_per_ring: per_cpu.div_ceil(BLOCK_BYTES as u32).next_power_of_two() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: u32, cpus: u32, ring_bytes: u64) {
        let Rings { cpus: rings, blocks_per_ring } = of(NonZeroU32::new(bytes), cpus);
        assert_eq!((rings, u64::from(blocks_per_ring) * BLOCK_BYTES), (cpus, ring_bytes));
    }

    #[test]
    fn the_size_is_shared_by_all_cpus() {
        check(16 << 20, 2, 8 << 20);
        check(16 << 20, 3, 8 << 20);
        check(4096, 64, 4096);
        check(1 << 31, 1, 1 << 31);
    }

    #[test]
    fn without_a_size_each_cpu_has_enough() {
        check(0, 2, 8 << 20);
        check(0, 16, 1 << 20);
        check(0, 128, 1 << 20);
    }
}
