//! The contract between the probes and the daemon: everything that both sides must agree on.
//!
//! The records live here once, and both sides compile them. The feature `user` adds aya's `Pod`.
#![no_std]

pub mod abi;

#[cfg(feature = "user")]
mod pod;
