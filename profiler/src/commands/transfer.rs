//! `profiler transfer`: one transfer of the benchmark without probes.

use std::process::ExitCode;

use anyhow::Result;

use super::signals;
use crate::bench::run::unprofiled::{self, Arguments};

pub fn run(args: &Arguments) -> Result<ExitCode> {
    let stop = signals::stop()?;
    unprofiled::run(args, &stop)?;
    Ok(ExitCode::SUCCESS)
}
