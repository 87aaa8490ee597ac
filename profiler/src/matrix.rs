//! The benchmark matrix: which configurations are run, how often, under which conditions, and what of it fits
//! this host.
//!
//! ```text
//! file or preset ─► Matrix ─► cells ─► plan: what each needs, and whether the host has it
//! ```
//!
//! Pure: what the host has is handed in as [`Room`]. Running it is [`crate::measure`]'s business.

mod cell;
mod estimate;
mod file;
mod plan;
mod preset;
mod size;

pub use cell::{Cell, cells};
pub use estimate::{Needs, needs};
pub use file::{Matrix, Swarm, parse, read};
pub use plan::{Obstacle, Planned, Room, Verdict, in_words, plan, table};
pub use preset::Preset;

#[cfg(test)]
mod tests;
