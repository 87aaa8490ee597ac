//! `profiler dump`: every record of a capture.

use std::{io, path::PathBuf, process::ExitCode};

use anyhow::Result;
use capture::Ending;
use clap::{Args, builder::PossibleValuesParser};

use crate::display::tell;

/// Print every record of a capture as a JSON line; needs no root
#[derive(Args)]
#[command(after_help = "Example:\n  profiler dump run.capture --kind progress | jq -s length")]
pub struct Arguments {
    #[arg(value_name = "CAPTURE")]
    pub capture: PathBuf,
    /// Only records of this kind; may be repeated
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(capture::dump::kinds()))]
    pub kind: Vec<String>,
}

pub fn run(args: &Arguments) -> Result<ExitCode> {
    let mut capture = capture::read(&args.capture)?;
    let ending = capture::dump::run(&mut capture, &args.kind, &mut io::stdout().lock())?;
    if let Some(Ending::CutAt { offset }) = ending {
        tell(&format!("{} was cut short after byte {offset}", args.capture.display()));
    }
    Ok(ExitCode::SUCCESS)
}
