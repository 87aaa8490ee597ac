//! What a capture says, put in order: threads with their off-CPU intervals, and the payload that they moved.
//! Attribution reads nothing else.

pub mod datagrams;
pub mod gather;
pub mod payload;
pub mod sequences;
pub mod threads;
pub mod traffic;

use capture::HostId;

use crate::timeline::Lossy;
use threads::Threads;
use traffic::Traffic;

/// Everything that attribution may look at.
#[derive(Debug)]
pub struct Observed {
    pub host: HostId,
    pub threads: Threads,
    pub traffic: Traffic,
    /// In order of time, disjoint.
    pub lossy: Vec<Lossy>,
}
