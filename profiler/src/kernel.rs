//! What the running kernel is, and what it has for the probes.

pub mod btf;
pub mod environment;
pub mod families;
