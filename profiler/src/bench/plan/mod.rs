//! The benchmark matrix: which configurations are run, how often, under which conditions, and what of it fits
//! this host.
//!
//! ```text
//! file or preset ─► Matrix ─► cells ─► plan: what each needs, and whether the host has it
//! ```
//!
//! Pure: what the host has is handed in as [`Room`]. Running it is [`crate::bench::run`]'s business.

mod cell;
mod configuration;
mod estimate;
mod feasible;
mod file;
mod preset;
pub mod size;

pub use cell::{Cell, cells};
pub use configuration::{Configuration, NodePlan};
pub use estimate::{Needs, needs};
pub use feasible::{Obstacle, Planned, Room, Verdict, plan, table};
pub use file::{Matrix, Swarm, parse, read};
pub use preset::Preset;

/// How long nothing may come to a transfer before its run is given up.
pub const STALL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(180);

#[cfg(test)]
mod tests;
