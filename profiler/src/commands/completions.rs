//! `profiler completions`: for shells.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Result;
use clap::{Args, CommandFactory as _};

use super::Cli;

/// Print the completion script of a shell
#[derive(Args)]
#[command(after_help = "Example:\n  profiler completions bash > /etc/bash_completion.d/profiler")]
pub struct Arguments {
    pub shell: clap_complete::Shell,
}

pub fn run(args: &Arguments) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "profiler", &mut script);
    io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
