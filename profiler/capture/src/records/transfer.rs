//! What the benchmark knows: nodes, transfers, milestones as the application claims them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ProcessSerial;

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Label {
    pub process: ProcessSerial,
    pub label: String,
    pub role: Role,
    /// Name and version of the program, as it says itself.
    pub program: Option<String>,
}

/// What a node does in the benchmark.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Seeder,
    Leecher,
    /// Neither.
    Other,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The process receives the payload from its peers.
    Download,
    /// The process sends the payload to its peers.
    Upload,
    /// The process receives the payload from a client that uploads it.
    Intake,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Transfer {
    pub label: String,
    pub process: ProcessSerial,
    pub direction: Direction,
    pub file_size_bytes: u64,
    pub requested_ns: u64,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum MilestoneName {
    FirstByte,
    P50,
    P90,
    P100,
}

/// A milestone as the application claims it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Milestone {
    /// The transfer's label.
    pub label: String,
    pub name: MilestoneName,
    /// When the application was seen to claim it.
    pub at_ns: u64,
    /// It may have been so much earlier: the time since the application was asked before.
    pub resolution_ns: u64,
    /// What the application said it had.
    pub bytes: u64,
}

/// What it took to ask the application for its milestones.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Polling {
    /// The transfer's label.
    pub label: String,
    pub polls: u64,
    /// CPU time of the asking thread. The answering is part of the process's own time.
    pub cpu_ns: u64,
}

/// The file as it was sent and as it was received, compared after the recording: `xxh128:` and hexadecimal digits. Older
/// captures have those of the SHA-256, without a name in front.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Checksum {
    /// The transfer's label.
    pub label: String,
    pub sent: String,
    pub received: String,
}

impl fmt::Display for MilestoneName {
    /// As in JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::FirstByte => "first_byte",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P100 => "p100",
        })
    }
}

impl fmt::Display for Role {
    /// As in JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Seeder => "seeder",
            Self::Leecher => "leecher",
            Self::Other => "other",
        })
    }
}

/// What of a node's files was in the page cache, as the benchmark asked before the transfers were requested.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct FileCache {
    pub at_ns: u64,
    /// The node's.
    pub label: String,
    pub file_bytes: u64,
    pub cached_bytes: u64,
}
