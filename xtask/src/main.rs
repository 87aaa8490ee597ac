//! `cargo xtask SUBCOMMAND`: one file for each subcommand.

mod again;
mod command;
mod guest;
mod overhead;
mod package;
mod pairs;
mod pure;
mod results;
mod run;
mod setup;
mod steps;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

/// Sets up, builds, runs and tests the profiler.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Find or install what the build and the benchmark need
    Setup,
    Run(run::Args),
    Test(test::Args),
    BenchOverhead(overhead::Args),
    Package(package::Args),
    #[command(hide = true)]
    OverheadStream(overhead::stream::Args),
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Setup => setup::setup(setup::Tell::Everything)
            .and_then(|()| setup::browser(setup::Tell::Everything))
            .and_then(|()| setup::virtual_machines(setup::Tell::Everything))
            .map(drop),
        Task::Run(args) => run::run(&args),
        Task::Test(args) => test::test(&args),
        Task::Package(args) => package::package(&args),
        Task::BenchOverhead(args) => overhead::run(&args),
        Task::OverheadStream(args) => overhead::stream::run(&args),
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn arguments_do_not_contradict_each_other() {
        Task::command().debug_assert();
    }
}
