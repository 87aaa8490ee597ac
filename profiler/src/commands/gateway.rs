//! `profiler gateway`: what the collector knows, for monitoring, until it is stopped.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, ValueHint};

use super::signals;
use crate::{
    daemon::log,
    gateway::{self, config},
};

/// Serve what a collector counts to Prometheus, and as JSON, without any privilege
///
/// `/metrics` is Prometheus' text, or OpenMetrics for who asks for it; `/api/v1/status` and `/api/v1/targets` are JSON;
/// `/-/healthy` answers as long as this runs. Ends with SIGTERM or SIGINT.
#[derive(Args)]
#[command(after_help = "Example:
  profiler gateway --config /etc/profiler/gateway.toml
with this in the file:
  listen = \"127.0.0.1:9464\"        # or \"unix:/run/profiler-gateway/http.sock\"")]
pub struct Arguments {
    /// The configuration, in TOML
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: PathBuf,
}

pub fn run(args: &Arguments) -> Result<ExitCode> {
    let config = config::read(&args.config)?;
    let stop = signals::of_a_service()?.stop;
    log::begin(config.log);
    gateway::run(&config, &stop)?;
    Ok(ExitCode::SUCCESS)
}
