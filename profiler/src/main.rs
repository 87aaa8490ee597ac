//! Parses, dispatches, and turns the outcome into an exit status.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{ExitCode, ExitStatus},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::{CommandFactory as _, Parser as _};
use profiler::{
    capture::{self, Ending},
    cli::{Cli, Command, Format},
    display::tell,
    doctor, dump,
    measure::{self, Finished},
    memory, record, report, verify,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

fn main() -> ExitCode {
    memory::keep_small();
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("profiler: {error:#}"));
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
            let stop = stop_on_signals()?;
            let recorded = record::run(&args, &stop)?;
            print_report(&recorded.capture, args.format)?;
            tell(&format!("the capture is {}", recorded.capture.display()));
            Ok(exit_code(recorded.command))
        }
        Command::Report(args) => {
            args.captures.iter().try_for_each(|capture| print_report(capture, args.format))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Dump(args) => {
            let mut capture = capture::read(&args.capture)?;
            let ending = dump::run(&mut capture, &args.kind, &mut io::stdout().lock())?;
            if let Some(Ending::CutAt { offset }) = ending {
                tell(&format!("{} was cut short after byte {offset}", args.capture.display()));
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify(args) => {
            let comparison = verify::run(&args.capture, &args.pcap, args.tolerance)?;
            if args.json {
                serde_json::to_writer_pretty(io::stdout(), &comparison)?;
                println!();
            } else {
                print!("{}", verify::text::render(&comparison));
            }
            Ok(if comparison.agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Bench(args) if args.plan => {
            io::stdout().write_all(measure::plan(&args)?.as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Bench(args) => {
            let stop = stop_on_signals()?;
            let finished = measure::run(&args, &stop)?;
            print_results(&finished, args.format)?;
            tell(&format!("the results are in {}", finished.results.path.display()));
            Ok(failures(&finished))
        }
        Command::Transfer(args) => {
            let stop = stop_on_signals()?;
            measure::unprofiled::run(&args, &stop)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "profiler", &mut script);
            io::stdout().write_all(&script)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn print_report(capture: &Path, format: Format) -> Result<()> {
    let report = report::of_capture(capture)?;
    let text = match format {
        Format::Text => report::text::render(&report),
        Format::Json => report::json::render(&report),
    };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

/// The report of the only run, or the summary of all.
fn print_results(finished: &Finished, format: Format) -> Result<()> {
    let mut out = io::stdout();
    match (&finished.only_run, format) {
        (Some(folder), Format::Text) => out.write_all(&fs::read(folder.join("report.txt"))?)?,
        (Some(folder), Format::Json) => out.write_all(&fs::read(folder.join("report.json"))?)?,
        (None, Format::Text) => out.write_all(finished.report.as_bytes())?,
        (None, Format::Json) => {
            serde_json::to_writer_pretty(&mut out, &finished.summaries)?;
            writeln!(out)?;
        }
    }
    Ok(())
}

/// Lists the runs that failed.
fn failures(finished: &Finished) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for summary in &finished.summaries {
        for failure in &summary.failures {
            let folder = finished.results.run(&summary.cell, failure.repetition);
            tell(&format!("failed: {}: {}", folder.display(), failure.reason));
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// As a shell tells it: a command that a signal ended counts as 128 and the signal.
fn exit_code(command: Option<ExitStatus>) -> ExitCode {
    let Some(status) = command else { return ExitCode::SUCCESS };
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// How long after a signal the next one still means the same: terminals and `timeout` send several at once.
const SAME_WISH: Duration = Duration::from_secs(1);

/// A flag that SIGINT, SIGTERM and SIGHUP set. Another signal, later, ends the program at once.
fn stop_on_signals() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let at_once = Arc::new(AtomicBool::new(false));
    let (asked, armed) = (Arc::clone(&stop), Arc::clone(&at_once));
    thread::spawn(move || {
        while !asked.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(100));
        }
        thread::sleep(SAME_WISH);
        armed.store(true, Ordering::Release);
    });
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&at_once))
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
