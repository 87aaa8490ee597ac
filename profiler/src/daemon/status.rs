//! What the collector says of itself and of what it watches. Bounded: nothing here grows with processes or connections.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::transfers::TransferSum;

/// Everything, as of the last sweep. Totals are since the collector's start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The profiler's version.
    pub profiler: String,
    pub kernel: String,
    pub host_name: String,
    pub boot_id: String,
    /// Seconds since 1970.
    pub started_s: f64,
    /// Seconds since 1970: when the counters were read last.
    pub swept_s: f64,
    /// Seconds from the start to then, whatever became of the clock.
    pub up_s: f64,
    pub targets: Vec<TargetStatus>,
    pub devices: Vec<DeviceStatus>,
    /// Of the transfers that were marked and have ended.
    pub transfers: Vec<TransferSum>,
    /// How many run, by target.
    pub transfers_running: BTreeMap<String, u64>,
    /// What was not counted, by class.
    pub lost: BTreeMap<String, u64>,
    pub tables: Vec<TableStatus>,
    pub families: Vec<FamilyStatus>,
    pub cost: Cost,
    pub confinement: Confinement,
    /// Messages of the log that were left out, because there were too many of a kind.
    pub log_suppressed: u64,
}

/// A target of the configuration; the last one is what fits none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetStatus {
    pub name: String,
    pub system: String,
    pub role: String,
    /// How its processes are found, in words.
    pub found_by: String,
    /// That live.
    pub processes: u64,
    /// Since the collector's start, those that have ended included.
    pub processes_seen: u64,
    pub moved: Moved,
}

/// Bytes are payload: what the processes' own calls moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    pub tcp_rx_bytes: u64,
    pub tcp_tx_bytes: u64,
    pub udp_rx_bytes: u64,
    pub udp_tx_bytes: u64,
    /// Without control traffic.
    pub peer_rx_bytes: u64,
    pub peer_tx_bytes: u64,
    /// Received by ways that no call's result tells of (splice, zero-copy receive), known as a connection ends.
    pub bypassed_rx_bytes: u64,
    pub retransmits: u64,
    /// Of files: pages that the processes made dirty.
    pub dirtied_bytes: u64,
    /// Of devices: what the processes submitted themselves (reads, direct writes), not what is written back later.
    pub submitted_read_bytes: u64,
    pub submitted_written_bytes: u64,
}

/// One direction of one device of the host, whoever used it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceStatus {
    pub device: String,
    /// `read` or `write`
    pub operation: String,
    pub bytes: u64,
    pub requests: u64,
    pub errors: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableStatus {
    pub table: String,
    pub entries: u64,
    pub capacity: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FamilyStatus {
    pub family: String,
    pub attached: bool,
    /// Why it, or a part of it, is missing.
    pub missing: Option<String>,
}

/// What the collector itself takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    pub cpu_s: f64,
    /// Of that, before it was ready.
    pub start_cpu_s: f64,
    pub resident_bytes: u64,
    /// The most that was ever resident: while the kernel's types were read.
    pub peak_resident_bytes: u64,
    /// Of the kernel, for the probes' maps.
    pub map_bytes: u64,
}

/// What the process may still do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// That the collecting thread has; the others have none.
    pub capabilities: Vec<String>,
    /// The system calls are filtered, of each thread by what it does.
    pub seccomp: bool,
    /// How far Landlock keeps what answers to the state folder: `fully`, `partly` or `not`.
    pub landlock: String,
}

/// Something that must not be possible, as it was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// `collecting` or `door`
    pub thread: String,
    pub what: String,
    /// Why it was refused; nothing if it was possible all the same.
    pub refused: Option<String>,
}
