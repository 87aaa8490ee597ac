//! What a CPU lost to the host's other guests.

use serde::{Deserialize, Serialize};

/// `/proc/stat` of one CPU, in whole ticks of 1/100 s since the kernel began. Told when a CPU is first read, and before and
/// after each time in which it lost some.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct CpuSteal {
    pub at_ns: u64,
    pub cpu: u32,
    /// In which it was not idle, with what it lost.
    pub busy_ns: u64,
    pub steal_ns: u64,
}
