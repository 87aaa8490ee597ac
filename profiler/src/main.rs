//! Parses, runs, and turns the outcome into an exit status.

use std::{io, process::ExitCode};

use clap::Parser as _;
use profiler::{commands::Cli, display::tell, memory};

fn main() -> ExitCode {
    memory::keep_small();
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("profiler: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// A reader that has seen enough, as in `profiler dump | head`, is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
