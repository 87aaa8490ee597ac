//! Progress records: the cumulative peer payload of a process at a moment, from which milestones are found.

use super::event::{Event, Kind};

/// Written when a process's peer payload advanced by the stride, or moved at all after
/// [`PROGRESS_INTERVAL_NS`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub kind: u32,
    pub tid: u32,
    /// Monotonic ns, read in the probe before the bytes were added: the counts may hold what another CPU has added since.
    pub at_ns: u64,
    pub process: u64,
    pub cookie: u64,
    pub peer_rx_bytes: u64,
    pub peer_tx_bytes: u64,
}

const _: () = assert!(size_of::<Progress>() == 48);

// SAFETY: plain integers without padding, `kind` first.
unsafe impl Event for Progress {
    const KIND: Kind = Kind::Progress;
}

pub const PROGRESS_INTERVAL_NS: u64 = 500_000;

/// As a stride: nobody asks for progress.
pub const NO_PROGRESS: u64 = u64::MAX;
