//! Who else had a CPU: the runs of tasks that are no targets while a target's thread waited to run there.

use crate::event::{Event, Kind};

/// One run of one such task. Times are monotonic ns.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct OutsideRun {
    pub kind: u32,
    /// The process; of a thread of the kernel its own id.
    pub tgid: u32,
    pub cpu: u32,
    pub _pad: u32,
    pub from_ns: u64,
    pub to_ns: u64,
    /// The command name of the process.
    pub comm: [u8; 16],
}

const _: () = assert!(size_of::<OutsideRun>() == 48);

// SAFETY: plain integers without padding, `kind` first.
unsafe impl Event for OutsideRun {
    const KIND: Kind = Kind::OutsideRun;
}

/// Runs that each CPU remembers; a power of two.
pub const KEPT_RUNS: usize = 64;

/// What one CPU remembers of its last runs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Occupancy {
    /// When the last of them ended.
    pub noted_ns: u64,
    /// How many runs of tasks that are no targets there were.
    pub runs: u64,
    /// The last of them, each at its number modulo [`KEPT_RUNS`]; without a kind those that were recorded.
    pub last: [OutsideRun; KEPT_RUNS],
}
