//! Parses, dispatches, and turns the outcome into an exit status.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use anyhow::{Context as _, Result};
use clap::{CommandFactory as _, Parser as _};
use profiler::{
    cli::{Cli, Command},
    doctor, record,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("profiler: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Doctor(args) => {
            let diagnosis = doctor::examine();
            if args.json {
                serde_json::to_writer_pretty(io::stdout(), &diagnosis)?;
                println!();
            } else {
                print!("{}", doctor::text(&diagnosis));
            }
            Ok(if diagnosis.can_record { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Record(args) => {
            let recorded = record::run(&args, &stop_on_signals()?)?;
            println!("{}", recorded.capture.display());
            Ok(ExitCode::SUCCESS)
        }
        Command::Report(_) | Command::Dump(_) => Ok(ExitCode::SUCCESS),
        Command::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "profiler", &mut script);
            io::stdout().write_all(&script)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A flag that SIGINT, SIGTERM and SIGHUP set. A second signal of the kind ends the program at once.
fn stop_on_signals() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .with_context(|| format!("handle signal {signal}"))?;
    }
    Ok(stop)
}

/// A reader that has seen enough, as in `profiler dump | head`, is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
