//! `cargo xtask SUBCOMMAND`: one file for each subcommand.

mod command;
mod setup;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

/// Sets up, builds, runs and tests the profiler.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Find or install what the build and the benchmark need
    Setup,
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Setup => setup::setup(setup::Tell::Everything),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not returned from `main`: with RUST_BACKTRACE set, anyhow would print xtask's own call stack.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
