//! `profiler export`: a capture for other tools.

use std::{
    io::{self, BufWriter, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;

use crate::export::{self, Format};

/// Write a capture as other tools read it; needs no root
#[derive(Args)]
#[command(after_help = "Examples:
  profiler export run.capture --format perfetto -o run.pftrace   (open it in ui.perfetto.dev)
  profiler export run.capture --format pprof -o run.pb && go tool pprof -tagfocus=phase=p50_to_p90 -top run.pb
  profiler export run.capture --format folded | flamegraph.pl > run.svg")]
pub struct Arguments {
    #[arg(value_name = "CAPTURE")]
    pub capture: PathBuf,
    #[arg(long, value_parser = export::parser(export::FOR_TOOLS))]
    pub format: &'static dyn Format,
    /// Instead of the standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

pub fn run(args: &Arguments) -> Result<ExitCode> {
    match &args.output {
        None => super::report::write(&args.capture, args.format, &mut BufWriter::new(io::stdout().lock()))?,
        Some(path) => capture::whole::write(path, |file| {
            let mut out = BufWriter::new(file);
            super::report::write(&args.capture, args.format, &mut out)?;
            Ok(out.flush()?)
        })?,
    }
    Ok(ExitCode::SUCCESS)
}
