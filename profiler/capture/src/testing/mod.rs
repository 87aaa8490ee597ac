//! For tests: a small recording, and hostile input.

pub mod fuzz;
pub mod sample;
