//! What was typed, one file for each subcommand.

mod bench;
mod completions;
mod ctl;
mod daemon;
mod doctor;
mod dump;
mod export;
mod gateway;
mod man;
mod mark;
mod record;
mod report;
mod results;
mod signals;
mod toggle;
mod transfer;
mod verify;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::bench::{arguments, run::unprofiled};

/// Says where the time of a storage transfer goes: network, disk or CPU, from the kernel's own counts.
#[derive(Parser)]
#[command(version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Doctor(doctor::Arguments),
    Record(record::Arguments),
    Report(report::Arguments),
    Results(results::Arguments),
    Dump(dump::Arguments),
    Export(export::Arguments),
    Verify(verify::Arguments),
    Bench(arguments::Arguments),
    Daemon(daemon::Arguments),
    Gateway(gateway::Arguments),
    Ctl(ctl::Arguments),
    Mark(mark::Arguments),
    #[command(hide = true)]
    Transfer(unprofiled::Arguments),
    #[command(hide = true)]
    Toggle(toggle::Arguments),
    #[command(hide = true)]
    Man(man::Arguments),
    Completions(completions::Arguments),
}

impl Cli {
    pub fn run(&self) -> Result<ExitCode> {
        match &self.command {
            Command::Doctor(args) => doctor::run(args),
            Command::Record(args) => record::run(args),
            Command::Report(args) => report::run(args),
            Command::Results(args) => results::run(args),
            Command::Dump(args) => dump::run(args),
            Command::Export(args) => export::run(args),
            Command::Verify(args) => verify::run(args),
            Command::Bench(args) => bench::run(args),
            Command::Daemon(args) => daemon::run(args),
            Command::Gateway(args) => gateway::run(args),
            Command::Ctl(args) => ctl::run(args),
            Command::Mark(args) => mark::run(args),
            Command::Transfer(args) => transfer::run(args),
            Command::Toggle(args) => toggle::run(args),
            Command::Man(args) => man::run(args),
            Command::Completions(args) => completions::run(args),
        }
    }
}
