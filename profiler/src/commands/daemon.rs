//! `profiler daemon`: the collector, until it is stopped.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, ValueHint};

use super::signals;
use crate::daemon::{self, config, log};

/// Watch the targets of a configuration, always, with counters alone; `profiler ctl` and `profiler gateway` ask it
///
/// Takes what `profiler record` takes, and gives up all but reading other users' processes once the probes are loaded.
/// SIGHUP has it read the targets of the configuration again; what else is in there takes a restart. Ends with SIGTERM or SIGINT.
#[derive(Args)]
#[command(after_help = "Example:
  profiler daemon --config /etc/profiler/collector.toml
with this in the file:
  state = \"/var/lib/profiler\"
  clients = [\"profiler-gateway\"]    # users that may ask, besides root

  [[target]]
  name = \"seeder\"
  system = \"codex\"
  unit = \"codex\"                    # or command, executable, cgroup, pid
  control_ports = [8080]")]
pub struct Arguments {
    /// The configuration, in TOML
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: PathBuf,
}

pub fn run(args: &Arguments) -> Result<ExitCode> {
    let config = config::read(&args.config)?;
    let wishes = signals::of_a_service()?;
    log::begin(config.log);
    daemon::run(&config, &args.config, &wishes.stop, &wishes.reload)?;
    Ok(ExitCode::SUCCESS)
}
