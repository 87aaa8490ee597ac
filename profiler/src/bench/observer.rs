//! What the benchmark tells the profiler, and nothing of how either of them works.
//!
//! All times are CLOCK_MONOTONIC nanoseconds, the clock of `bpf_ktime_get_ns`.

use std::net::IpAddr;

use capture::{Direction, MilestoneName, Role};

/// Whoever follows a run: the recorder, a progress line on a terminal, or both.
///
/// An error ends the run; what the run made is then removed as after any other failure.
pub trait Observer {
    /// A transfer was asked for. `requested_ns` was read right before the request was sent; this call comes
    /// some milliseconds later, and before any milestone of the same transfer.
    fn transfer_requested(&mut self, transfer: &TransferRequest) -> anyhow::Result<()>;

    /// The application says that a milestone is passed. Milestones of one transfer come in their order.
    fn milestone(&mut self, milestone: &AppMilestone) -> anyhow::Result<()>;

    /// Bytes of a transfer that are there so far, a few times a second, for display.
    fn progress(&mut self, label: &str, bytes: u64, of: u64);

    /// The step that the run is in, for display: "seeder-1 checks its file".
    fn step(&mut self, step: &str);
}

/// A running process of the benchmark that is to be profiled.
#[derive(Clone, Debug)]
pub struct NodeProcess {
    pub pid: u32,
    /// The node's name in reports: `leecher-1`.
    pub label: String,
    pub role: Role,
    /// Ports on which the benchmark itself talks to the node, and nodes look for each other: no payload.
    pub control_ports: Vec<u16>,
    /// The one of them that takes uploads, whose traffic is then the payload.
    pub upload_port: Option<u16>,
    pub address: IpAddr,
    pub peer_port: u16,
    /// What the running program says of itself: `3.00 (bb6b5a062e)`.
    pub version: String,
}

/// One file on its way to or from one node.
#[derive(Clone, Debug)]
pub struct TransferRequest {
    /// The label of the node that asked.
    pub label: String,
    pub pid: u32,
    pub direction: Direction,
    pub file_size_bytes: u64,
    pub requested_ns: u64,
}

/// A milestone by the application's own word.
///
/// The application was asked at intervals: it passed the milestone after `at_ns - resolution_ns` and not
/// later than `at_ns`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppMilestone {
    /// The label of the transfer.
    pub label: String,
    pub name: MilestoneName,
    pub at_ns: u64,
    pub resolution_ns: u64,
    /// Payload bytes that were there in the answer that told of it: at least the milestone's share.
    pub bytes: u64,
}
