//! `profiler mark`: what a script knows of a transfer, for the collector of this host.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueHint};

use super::ctl::{OTHER, PATIENCE};
use crate::{
    daemon::{
        client,
        config::DEFAULT_SOCKET,
        messages::{Answer, Request},
        transfers::{Direction, Mark},
    },
    values,
};

/// Tell the collector of this host of a transfer, which it then measures by the kernel's counts
///
/// The counts are those of the whole target, without control traffic: `profiler ctl transfers` has them, with milestones.
#[derive(Args)]
#[command(after_help = "Example:
  profiler mark begin nightly --target leecher --size 1GiB
  fetch-it && profiler mark end nightly || profiler mark end nightly --failed
  profiler ctl transfers")]
pub struct Arguments {
    #[command(subcommand)]
    step: Step,
    /// Where the collector listens
    #[arg(long, global = true, value_name = "SOCKET", default_value = DEFAULT_SOCKET, value_hint = ValueHint::FilePath)]
    socket: PathBuf,
}

#[derive(Subcommand)]
enum Step {
    /// The transfer begins now
    Begin {
        label: String,
        /// The target of the collector's configuration that it is of
        #[arg(long, value_name = "NAME")]
        target: String,
        /// Payload of the transfer: bytes, or with a suffix, as in 100MiB or 1GB
        #[arg(long, value_name = "BYTES", value_parser = values::payload)]
        size: u64,
        /// The target sends it; without this, it receives it
        #[arg(long)]
        sends: bool,
    },
    /// So much is there now, by the application's word
    Progress {
        label: String,
        /// Bytes, or with a suffix, as in 100MiB or 1GB
        #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
        bytes: u64,
    },
    /// The transfer ends now
    End {
        label: String,
        /// It did not come to its end
        #[arg(long)]
        failed: bool,
    },
}

pub fn run(args: &Arguments) -> Result<ExitCode> {
    match client::ask(&args.socket, &Request::Mark { mark: mark(&args.step) }, PATIENCE)? {
        Answer::Marked {} => Ok(ExitCode::SUCCESS),
        _ => bail!(OTHER),
    }
}

fn mark(step: &Step) -> Mark {
    match step {
        Step::Begin { label, target, size, sends } => Mark::Begin {
            label: label.clone(),
            target: target.clone(),
            size_bytes: *size,
            direction: if *sends { Direction::Transmit } else { Direction::Receive },
        },
        Step::Progress { label, bytes } => Mark::Progress { label: label.clone(), bytes: *bytes },
        Step::End { label, failed } => Mark::End { label: label.clone(), failed: *failed },
    }
}
