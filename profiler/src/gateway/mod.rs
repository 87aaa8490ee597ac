//! The gateway: what the collector counts, for monitoring and for scripts. It has no privilege, and all the doors that the
//! collector has not: HTTP on loopback or on a Unix socket.

pub mod config;
mod metrics;
mod own;
mod serve;

use std::sync::atomic::AtomicBool;

use anyhow::Result;

use self::config::Config;

/// Serves until `stop`.
///
/// # Errors
/// It cannot listen.
pub fn run(config: &Config, stop: &AtomicBool) -> Result<()> {
    serve::until(config, stop)
}
