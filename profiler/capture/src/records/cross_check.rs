//! What the kernel keeps whether anybody measures or not, read beside the recording: witnesses that are not ours.
//!
//! Counting begins and ends at a moment that no reader of /proc can hit. So each value is read before and after it, and
//! what lies between the two readings is known to be the error.

use serde::{Deserialize, Serialize};

use crate::ProcessSerial;

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct CrossCheck {
    pub at_ns: u64,
    pub moment: Moment,
    pub reading: Reading,
}

/// When a value was read, as seen from what the recording counts of the same thing.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Counting had not begun.
    BeforeStart,
    AfterStart,
    /// Counting went on; for what may be gone at the end.
    During,
    BeforeEnd,
    /// Counting was over. The process had ended, or the probes were detached.
    AfterEnd,
}

/// Cumulative, since whenever the kernel began.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    Process(ProcessReading),
    Thread(ThreadReading),
    Disk(DiskReading),
    Interface(InterfaceReading),
    /// CPU time that the hypervisor gave to others, all CPUs together.
    Steal {
        ns: u64,
    },
}

/// `/proc/PID/stat` and `/proc/PID/io`: threads that ended, and children that were waited for, are in the latter.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessReading {
    pub process: ProcessSerial,
    /// User and system time, in the kernel's ticks of 1/100 s.
    pub cpu_ns: u64,
    pub read_chars: u64,
    pub write_chars: u64,
    pub read_bytes: u64,
    pub write_bytes: u64,
}

/// `/proc/PID/task/TID/schedstat`
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadReading {
    pub process: ProcessSerial,
    pub tid: u32,
    pub run_ns: u64,
}

/// `/proc/diskstats` of a whole disk. One without requests (device mapper, md, zram) has 0 `reads` and `writes`: the kernel
/// counts pieces of bios there.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskReading {
    pub major: u32,
    pub minor: u32,
    pub reads: u64,
    pub read_bytes: u64,
    pub writes: u64,
    pub written_bytes: u64,
}

/// `/proc/PID/net/dev`: everything that an interface carried, headers and other programs' packets too.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct InterfaceReading {
    /// Inode of the network namespace.
    pub netns: u32,
    pub name: String,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
}
