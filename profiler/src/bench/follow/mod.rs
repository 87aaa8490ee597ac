//! How far transfers are: by asking the nodes, or as their streams arrive.

mod milestones;
mod poll;
pub mod task;
pub mod transfer;
pub mod watch;
