//! What a capture says, put in order: threads with their off-CPU intervals, and the payload that they moved.
//! Attribution reads nothing else.

mod by_cookie;
pub mod cpus;
pub mod datagrams;
pub mod disks;
pub mod filing;
pub mod gather;
#[cfg(feature = "testing")]
pub mod merged;
pub mod payload;
pub mod sequences;
pub mod threads;
pub mod timers;
pub mod traffic;

use capture::HostId;

use crate::timeline::{Drops, Lossy, Steal};
use disks::Disks;
use threads::Threads;
use timers::Timers;
use traffic::Traffic;

/// Everything that attribution may look at.
#[derive(Debug)]
pub struct Observed {
    pub host: HostId,
    pub threads: Threads,
    pub traffic: Traffic,
    pub timers: Timers,
    pub drops: Drops,
    pub disks: Disks,
    pub steal: Steal,
    /// In order of time, disjoint.
    pub lossy: Vec<Lossy>,
}
