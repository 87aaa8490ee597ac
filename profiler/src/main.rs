//! Parses, runs, and turns the outcome into an exit status.

use std::{io, process::ExitCode};

use clap::Parser as _;
use profiler::{commands::Cli, display::tell, memory};

/// The status of a wrong command line, as with most programs.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    memory::keep_small();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            // It repeats what was typed, which may be the name of any file.
            tell(error.render().to_string().trim_end());
            return ExitCode::from(USAGE);
        }
        Err(help) => help.exit(),
    };
    match cli.run() {
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
