//! `profiler report`: what a capture says.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use analysis::figures::Figures;
use anyhow::Result;
use clap::Args;

use crate::{
    display::while_waiting,
    export::{self, Format, Source},
};

/// Print the report of captures; needs no root
#[derive(Args)]
#[command(
    after_help = "Example:\n  profiler report run.capture --format json | jq '.transfers[].milestones'"
)]
pub struct Arguments {
    #[arg(required = true, value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
    #[arg(long, value_parser = export::parser(export::FORMATS), default_value = export::default())]
    pub format: &'static dyn Format,
}

pub fn run(args: &Arguments) -> Result<ExitCode> {
    args.captures.iter().try_for_each(|capture| print(capture, args.format))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the report of a capture.
pub fn print(capture: &Path, format: &dyn Format) -> Result<()> {
    let mut out = Vec::new();
    write(capture, format, &mut out)?;
    Ok(io::stdout().write_all(&out)?)
}

/// Shows a capture in a format.
pub fn write(capture: &Path, format: &dyn Format, out: &mut dyn io::Write) -> Result<()> {
    while_waiting(&format!("reading {}", capture.display()), || {
        let (report, figures) = if format.draws() {
            analysis::figures::of_capture(capture)?
        } else {
            (analysis::report::of_capture(capture)?, Figures::default())
        };
        format.write(Source { capture, report: &report, figures: &figures }, out)
    })
}
