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

pub mod arguments;
mod dataset;
mod drivers;
mod follow;
pub mod hosts;
mod node;
mod observer;
pub mod plan;
pub mod results;
pub mod run;
pub mod swarm;
mod wait;
