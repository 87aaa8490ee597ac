//! The recording itself: what it was asked for, the host as it was, the clocks, the probes, what it used.

use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Start {
    /// Random, for telling captures apart.
    pub id: String,
    pub at_ns: u64,
    /// Version of the profiler that recorded.
    pub profiler: String,
    /// `/proc/sys/kernel/random/boot_id`: monotonic times of different boots do not compare.
    pub boot_id: String,
    /// What the recording was asked to follow, in words.
    pub targets: String,
    /// Payload of the transfer, where it was given.
    pub size_bytes: Option<u64>,
    /// Peer payload between two progress records.
    pub stride_bytes: u64,
    pub run: Option<Run>,
    /// `/etc/machine-id`: two captures with the same one, and the same `boot_id`, share a clock. Empty where the host has none,
    /// and in captures of format 4.
    pub machine_id: String,
    /// The host's own name, as `uname -n` has it.
    pub host_name: String,
    pub layout: Layout,
}

/// Every kind that the writer knew, so that a reader can skip what it does not know.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    pub records: Vec<Kind>,
    /// Of events, as the probes write them.
    pub events: Vec<Kind>,
}

/// A kind of record or event.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    pub number: u32,
    pub name: String,
    /// Bytes of each; 0 where they differ, and a length stands before each.
    pub size_bytes: u32,
}

/// The cell of the benchmark matrix that the capture belongs to.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Run {
    pub system: String,
    pub nodes: u32,
    pub seeders: u32,
    pub file_size_bytes: u64,
    pub repetition: u32,
}

/// The host as it was when the recording began.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Environment {
    pub kernel: String,
    pub cpus: u32,
    pub memory_bytes: u64,
    /// `/sys/kernel/security/lockdown`, where it can be read.
    pub lockdown: Option<String>,
    pub congestion_control: Option<String>,
    /// Default queueing discipline.
    pub default_qdisc: Option<String>,
    /// CPU time stolen by the hypervisor since boot, all CPUs together.
    pub steal_ns: u64,
    pub disks: Vec<Disk>,
    pub filesystems: Vec<Filesystem>,
    /// Memory limit of the profiler's own cgroup, where there is one.
    pub memory_limit_bytes: Option<u64>,
    /// Inode of the profiler's own network namespace.
    pub netns: u32,
    /// Disks and partitions on which another device sits; nothing in captures up to November 2026. Appended.
    pub held: Vec<Held>,
}

/// A disk, or a partition of one, on which another device sits.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Held {
    pub disk_major: u32,
    pub disk_minor: u32,
    /// Of the partition, or of the disk again.
    pub major: u32,
    pub minor: u32,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Disk {
    pub major: u32,
    pub minor: u32,
    pub name: String,
    pub scheduler: Option<String>,
    /// Another device (dm, md, …) sits on top of it or of one of its partitions: those bytes show on both, and are added up only
    /// once.
    pub below_another: bool,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Filesystem {
    pub mounted_on: String,
    pub kind: String,
    pub device: String,
}

/// A file system that hands calls on to a program (FUSE), in the profiler's own mount namespace: there as the recording began, or
/// later.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Mount {
    pub at_ns: u64,
    /// Of its files, as `stat` has it.
    pub major: u32,
    pub minor: u32,
    /// `fuse.bindfs`, …
    pub kind: String,
}

/// The same moment on two clocks.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    pub monotonic_ns: u64,
    /// Since the Unix epoch.
    pub wall_ns: u64,
}

/// What the recording itself used so far.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Daemon {
    pub at_ns: u64,
    pub cpu_ns: u64,
    pub anon_rss_bytes: u64,
    pub map_bytes: u64,
    pub capture_bytes: u64,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct End {
    pub at_ns: u64,
    /// Why it ended, in words: "the command exited", "interrupted", …
    pub reason: String,
}
