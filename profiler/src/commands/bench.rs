//! `profiler bench`: a matrix of transfers, profiled.

use std::{
    fs,
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Result;

use super::signals;
use crate::{
    bench::{
        arguments::{Arguments, Output},
        run::{self, Finished},
    },
    display::tell,
    export::sections::cells::clean_lines,
};

pub fn run(args: &Arguments) -> Result<ExitCode> {
    if args.plan {
        io::stdout().write_all(clean_lines(&run::plan(args)?).as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let stop = signals::stop()?;
    let finished = run::run(args, &stop)?;
    print_results(&finished, args.format)?;
    tell(&format!("the results are in {}", finished.results.path.display()));
    Ok(failures(&finished))
}

/// The report of the only run, or the summary of all.
fn print_results(finished: &Finished, format: Output) -> Result<()> {
    let mut out = io::stdout();
    match (&finished.only_run, format) {
        (Some(folder), Output::Text) => out.write_all(&fs::read(folder.join("report.txt"))?)?,
        (Some(folder), Output::Json) => out.write_all(&fs::read(folder.join("report.json"))?)?,
        (None, Output::Text) => out.write_all(finished.report.as_bytes())?,
        (None, Output::Json) => {
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
