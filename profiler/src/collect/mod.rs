//! All that touches the kernel, and needs privileges.
//!
//! [`targets`] are the processes that are profiled, [`probes`] are attached as far as this kernel allows,
//! [`recording`] owns both and the thread that [`drain`]s them into a capture, [`counters`] are on without one; [`cost`] measures all that,
//! [`cross_check`] reads what the kernel says of the same, [`environment`] what the host is, [`mounts`] what is mounted, [`privileges`] what this process may do.

pub mod cost;
pub mod counters;
pub mod cross_check;
pub mod drain;
pub mod environment;
mod kallsyms;
pub mod limit;
pub mod maps;
pub mod mounts;
pub mod privileges;
pub mod probes;
pub mod recording;
pub mod targets;
