//! `profiler ctl`: asks the collector of this host.

mod text;

use std::{io, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueHint};
use serde::Serialize;

use crate::daemon::{
    client,
    config::DEFAULT_SOCKET,
    messages::{Answer, Request},
    status::Status,
};

/// How long a collector may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ask the collector of this host: root may, its own user, and those that its configuration names
#[derive(Args)]
#[command(after_help = "Examples:
  profiler ctl status
  profiler ctl targets --json | jq '.[] | {name, processes}'")]
pub struct Arguments {
    #[command(subcommand)]
    job: Job,
    /// Where the collector listens
    #[arg(long, global = true, value_name = "SOCKET", default_value = DEFAULT_SOCKET, value_hint = ValueHint::FilePath)]
    socket: PathBuf,
    /// JSON instead of text
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Job {
    /// How the collector is, what it costs, and what it lacks
    Status,
    /// What is watched, and what it moved since the collector's start
    Targets,
}

pub fn run(args: &Arguments) -> Result<ExitCode> {
    let status = status(args)?;
    match args.job {
        Job::Status if args.json => print_json(&status)?,
        Job::Status => print!("{}", text::status(&status)),
        Job::Targets if args.json => print_json(&status.targets)?,
        Job::Targets => print!("{}", text::targets(&status.targets)),
    }
    Ok(ExitCode::SUCCESS)
}

fn status(args: &Arguments) -> Result<Status> {
    match client::ask(&args.socket, &Request::Status {}, PATIENCE)? {
        Answer::Status(status) => Ok(*status),
        Answer::Error(why) => bail!(why),
    }
}

fn print_json(value: &impl Serialize) -> Result<()> {
    serde_json::to_writer_pretty(io::stdout(), value)?;
    println!();
    Ok(())
}
