//! Real transfers to profile: clients of a storage system on hosts of their own, a random file, and the
//! milestones by the clients' own word.
//!
//! ```text
//! prepare ─► [upload] ─► offer ─► nodes ─► transfer ─► verify ─► finish
//! ```
//!
//! The caller starts its recorder between `offer` and `transfer` (and another one around `upload`), and stops it before `verify`, which reads
//! the files. Whatever a run makes is removed by [`Swarm::finish`], or when the [`Swarm`] is dropped by an
//! error or a panic, or, if the run is killed, by the next one.
//!
//! All nodes share this machine: its CPUs, its disk, and a network without delay or loss, unless the matrix limits them.

mod ceilings;
mod checksum;
mod daemon;
mod dataset;
mod disk;
mod drivers;
pub mod hosts;
mod leftovers;
mod link;
mod logs;
mod milestones;
mod node;
mod observer;
mod payload;
mod plan;
mod poll;
mod processes;
mod program;
mod programs;
pub mod run;
mod stream;
mod swarm;
mod tap;
mod task;
mod throttle;
mod torrent;
mod tracker;
mod transfer;
mod wait;
mod watch;

pub use ceilings::{Ceilings, measure as measure_ceilings};
pub use checksum::sha256_of_file;
pub use disk::DiskLimit;
pub use link::Link;
pub use observer::{AppMilestone, NodeProcess, Observer, Role, TransferRequest};
pub use payload::{free_bytes, needed_space_bytes};
pub use plan::{Configuration, System};
pub use programs::programs;
pub use swarm::{FileCheck, Options, Swarm, prepare, require_root};
pub use tap::Packets;
pub use task::Polling;
pub use wait::Interrupted;
pub use watch::Transfer;
