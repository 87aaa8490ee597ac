//! `profiler man`: for packages.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::{Args, CommandFactory as _, ValueHint};

use super::Cli;

/// Write the manual's pages, one for each subcommand
#[derive(Args)]
pub struct Arguments {
    /// A folder, which is made
    #[arg(value_hint = ValueHint::DirPath)]
    pub folder: PathBuf,
}

pub fn run(args: &Arguments) -> Result<ExitCode> {
    let folder = &args.folder;
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .with_context(|| format!("write the manual's pages to {}", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}
