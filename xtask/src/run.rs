//! `cargo xtask run`: from a clone to a running profiler in one command.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use crate::{
    command,
    setup::{self, Tell},
    workspace,
};

/// The quick benchmark, which prints its own report.
const DEFAULT: [&str; 3] = ["bench", "--preset", "quick"];

/// Set up what is missing, build, and run the profiler with the privileges that it needs
#[derive(clap::Args)]
#[command(
    after_help = "Example: cargo xtask run -- record --comm transmission-da --duration 30s -o out.capture"
)]
pub struct Args {
    /// What `profiler` is called with; without it, the quick benchmark runs
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    profiler: Vec<OsString>,
}

/// Returns only if the profiler could not be started: it replaces this process, so that its exit status and the
/// terminal's signals are its own.
pub fn run(args: &Args) -> Result<()> {
    setup::setup(Tell::Changes)?;
    let program = release_build()?;
    let mut profiler = privileged(&program)?;
    match args.profiler.as_slice() {
        [] => profiler.args(DEFAULT),
        typed => profiler.args(typed),
    };
    let line = command::line(&profiler);
    eprintln!("+ {line}");
    let error = profiler.exec();
    bail!("start `{line}`: {error}")
}

/// Builds the profiler as it is meant to be used, and gives its program.
pub fn release_build() -> Result<PathBuf> {
    command::run(
        command::cargo().args(["build", "--release", "--package", "profiler"]).current_dir(workspace::root()),
    )?;
    Ok(workspace::target_dir(&workspace::metadata()?)?.join("release/profiler"))
}

/// Loading eBPF programs takes root.
fn privileged(program: &Path) -> Result<Command> {
    if command::is_root() {
        return Ok(Command::new(program));
    }
    if command::find("sudo").is_none() {
        bail!(
            "the profiler loads eBPF programs, which takes root, and there is no `sudo` here: run {} as root",
            program.display()
        );
    }
    let mut sudo = Command::new("sudo");
    sudo.arg("--").arg(program);
    Ok(sudo)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        args: Args,
    }

    fn check(typed: &str, expected: &str) {
        let words = ["run"].into_iter().chain(typed.split_whitespace());
        let parsed = Typed::try_parse_from(words).expect("valid").args.profiler;
        assert_eq!(parsed.join(" ".as_ref()), expected);
    }

    #[test]
    fn the_profilers_arguments_are_not_xtasks() {
        check("", "");
        check("-- record --pid 1 -o x", "record --pid 1 -o x");
        check("record --pid 1 -o x", "record --pid 1 -o x");
        check("-- --help", "--help");
    }

    #[test]
    fn a_command_to_be_profiled_keeps_its_dashes() {
        check("-- record -- cp -r a b", "record -- cp -r a b");
        check("record -- cp -r a b", "record -- cp -r a b");
    }
}
