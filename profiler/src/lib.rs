//! The transfer profiler, in the order of the data.
//!
//! [`commands`] is what is typed. [`gateway`] is the service's doors without privileges, [`daemon`] what has privileges and
//! one door. [`bench`] makes transfers and keeps what they come to, [`verify`] puts packets beside
//! a capture, [`export`] shows what was found, [`collect`] is all that touches the kernel. What a capture is, and what is
//! found in it, are crates of their own: `capture` and `analysis`, which need no privileges. Imports go downward in this
//! list only.

pub mod bench;
pub mod collect;
pub mod commands;
pub mod daemon;
pub mod display;
pub mod export;
pub mod gateway;
pub mod verify;

pub mod clock;
pub mod memory;
mod values;
