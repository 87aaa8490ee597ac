//! `profiler results`: what folders of results come to.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Result;
use capture::whole;
use clap::Args;

use crate::bench::results::{self, Folder};

/// Make one page of folders of results, finished or not; needs no root
#[derive(Args)]
#[command(after_help = "Example:
  profiler results results/2026-11-24-bittorrent-100MiB results/2026-11-24-codex-100MiB -o both.html")]
pub struct Arguments {
    #[arg(required = true, value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    /// Instead of the standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

pub fn run(args: &Arguments) -> Result<ExitCode> {
    let folders: Vec<Folder> = args.folders.iter().map(|path| Folder::open(path)).collect::<Result<_>>()?;
    let page = results::page(&folders)?;
    match &args.output {
        None => io::stdout().write_all(page.as_bytes())?,
        Some(path) => whole::write(path, |file| Ok(file.write_all(page.as_bytes())?))?,
    }
    Ok(ExitCode::SUCCESS)
}
