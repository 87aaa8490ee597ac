//! `profiler ctl`: asks the collector of this host.

mod recording;
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
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Ask the collector of this host: root may, its own user, and those that its configuration names
#[derive(Args)]
#[command(after_help = "Examples:
  profiler ctl status
  profiler ctl recording start slow --target leecher --duration 60s
  profiler ctl recording stop slow
  profiler ctl confinement
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
    /// Transfers that were marked (`profiler mark`) or detected: those that run, and those that ended last
    Transfers,
    /// Recordings as of `profiler record`, of the configured targets, by the running collector
    #[command(subcommand)]
    Recording(recording::Step),
    /// Have the running collector try what it must not be able to do; fails if any of it is possible
    Confinement,
}

pub fn run(args: &Arguments) -> Result<ExitCode> {
    match &args.job {
        Job::Status => show(args, &status(args)?, text::status)?,
        Job::Targets => show(args, &status(args)?.targets, |targets| text::targets(targets))?,
        Job::Transfers => {
            let Answer::Transfers(transfers) = ask(args, &Request::Transfers {})? else { bail!(OTHER) };
            show(args, &transfers, |transfers| text::transfers(transfers))?;
        }
        Job::Recording(step) => recording::run(args, step)?,
        Job::Confinement => {
            let Answer::Attempts(attempts) = ask(args, &Request::Attempts {})? else { bail!(OTHER) };
            show(args, &attempts, |attempts| text::attempts(attempts))?;
            if attempts.iter().any(|attempt| attempt.refused.is_none()) {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Of a collector that is of another version.
pub const OTHER: &str = "the collector answers something else than it was asked";

fn status(args: &Arguments) -> Result<Status> {
    match ask(args, &Request::Status {})? {
        Answer::Status(status) => Ok(*status),
        _ => bail!(OTHER),
    }
}

fn ask(args: &Arguments, request: &Request) -> Result<Answer> {
    client::ask(&args.socket, request, PATIENCE)
}

fn show<T: Serialize>(args: &Arguments, value: &T, text: impl Fn(&T) -> String) -> Result<()> {
    if args.json {
        return print_json(value);
    }
    print!("{}", text(value));
    Ok(())
}

fn print_json(value: &impl Serialize) -> Result<()> {
    serde_json::to_writer_pretty(io::stdout(), value)?;
    println!();
    Ok(())
}
