//! How the ring buffers are laid out.

use std::num::NonZeroU32;

use abi::rings::BLOCK_BYTES;
use anyhow::{Context as _, Error, Result};
use aya::util::online_cpus;

/// Where nobody asked for a size: for all CPUs together. On a CPU that does nothing but switch, 350,000 records of 104 bytes a
/// second, 1 MiB fills in 29 ms, and is emptied every 20 ms.
const DEFAULT_BYTES: u32 = 16 << 20;
const BYTES_PER_CPU: u32 = 1 << 20;

/// More CPUs than this is for share it, and each has at least what lasts for 20 ms of 120,000 records a second: of hundreds few
/// do nothing but switch, and one daemon could not write what all of them record.
const FOR_MANY_BYTES: u32 = 64 << 20;
const LEAST_BYTES_PER_CPU: u32 = 256 << 10;

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
        None => {
            let share = |bytes: u32| bytes.div_ceil(cpus);
            share(FOR_MANY_BYTES).clamp(LEAST_BYTES_PER_CPU, BYTES_PER_CPU).max(share(DEFAULT_BYTES))
        }
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
        check(0, 64, 1 << 20);
        check(0, 128, 512 << 10);
    }

    #[test]
    fn of_hundreds_of_cpus_each_has_what_it_needs() {
        check(0, 192, 512 << 10);
        check(0, 256, 256 << 10);
        // 96 MiB, where 1 MiB for each were 384.
        check(0, 384, 256 << 10);
    }
}
