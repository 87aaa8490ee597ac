//! `profiler bench`: the runs of a matrix, each recorded, put together into a folder of results.

mod attempt;
mod deadline;
mod observers;
mod one;
mod recorder;
mod room;
pub mod unprofiled;
mod upload;

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use anyhow::{Result, bail};

use crate::{
    bench::arguments::Arguments,
    bench::{
        self,
        plan::{self, Cell, Matrix, Planned, Verdict},
        results::{Folder, Manifest, Summary, csv, folder, manifest, markdown, page},
        swarm::ceilings,
    },
    clock::filename_time,
    display::{Display, Turn},
};

use observers::Rehearsal;

/// Name of the capture inside the folder of a run.
pub const CAPTURE: &str = "run.capture";

/// A matrix that was run.
pub struct Finished {
    pub results: Folder,
    /// In the order of the matrix.
    pub summaries: Vec<Summary>,
    /// `report.md`
    pub report: String,
    /// Folder of the only run, where the matrix has one, and it is complete.
    pub only_run: Option<PathBuf>,
}

/// What would be run, for people.
pub fn plan(args: &Arguments) -> Result<String> {
    let (_, matrix) = matrix_of(args)?;
    let room = room::room(&matrix.systems, args)?;
    Ok(plan::table(&plan::plan(&matrix, &room), &matrix, &room))
}

/// Runs what of a matrix fits and is not finished yet. A run that fails is in the summaries, and the others go on.
pub fn run(args: &Arguments, stop: &AtomicBool) -> Result<Finished> {
    bench::swarm::require_root()?;
    let (name, matrix) = matrix_of(args)?;
    let room = room::room(&matrix.systems, args)?;
    let plan = plan::plan(&matrix, &room);
    let now = manifest::of(&name, &matrix, &plan, args, stop)?;
    let display = Display::new();
    let results =
        if args.resume { resume(args, &now)? } else { begin(args, now, &matrix, &plan, &display, stop)? };

    let runs = runs(&matrix, &plan, &results.manifest);
    let turns = runs.len();
    for (turn, (planned, repetition)) in runs.into_iter().enumerate() {
        if results.record(&planned.cell, repetition)?.is_some() {
            continue;
        }
        display.turn(Turn {
            number: turn + 1,
            of: turns,
            what: format!("{}, repetition {repetition} of {}", planned.cell, matrix.repetitions),
            left: time_left(&plan, &matrix, &results, planned, repetition),
        });
        let record = attempt::run(&results, &matrix, (planned.cell, repetition), args, &display, stop)?;
        if let Some(reason) = &record.reason {
            display.note(&format!("failed after {:.0} s: {reason}", record.duration_s));
        }
        // Whoever looks before the end finds what there is.
        sum_up(&results, &matrix)?;
    }
    let (summaries, report) = sum_up(&results, &matrix)?;
    let only_run = match &summaries[..] {
        [only] if only.runs_planned == 1 && only.runs_complete == 1 => Some(results.run(&only.cell, 1)),
        _ => None,
    };
    Ok(Finished { results, summaries, report, only_run })
}

fn begin(
    args: &Arguments,
    mut manifest: Manifest,
    matrix: &Matrix,
    plan: &[Planned],
    display: &Display,
    stop: &AtomicBool,
) -> Result<Folder> {
    let reasons: Vec<_> = plan
        .iter()
        .filter_map(|planned| match &planned.verdict {
            Verdict::Fits => None,
            Verdict::Skipped(obstacle) => Some(format!("{}: {}", planned.cell, obstacle.reason)),
        })
        .collect();
    if reasons.len() == plan.len() {
        bail!("nothing of the matrix can be run here:\n  {}", reasons.join("\n  "));
    }
    let path = args.output.clone().unwrap_or_else(|| default_folder(&manifest.name));
    // Refused before anything is measured for it.
    Folder::check_new(&path)?;
    for reason in reasons {
        display.note(&format!("skipped: {reason}"));
    }
    manifest.ceilings =
        Some(ceilings::measure(&args.scratch, matrix.link.as_ref(), &mut Rehearsal(display), stop)?);
    Folder::begin(&path, manifest)
}

fn resume(args: &Arguments, now: &Manifest) -> Result<Folder> {
    let Some(path) = &args.output else {
        bail!("--resume needs `-o DIR`: which results are to be continued?")
    };
    Folder::resume(path, now)
}

/// Every run of the matrix, all of a configuration one after the other. What fits was decided when the results
/// were begun.
fn runs<'a>(matrix: &Matrix, plan: &'a [Planned], manifest: &Manifest) -> Vec<(&'a Planned, u32)> {
    let is_skipped = |cell: &Cell| manifest.skipped.iter().any(|skipped| skipped.cell == *cell);
    let fitting = plan.iter().filter(|planned| !is_skipped(&planned.cell));
    fitting
        .flat_map(|planned| (1..=matrix.repetitions.get()).map(move |repetition| (planned, repetition)))
        .collect()
}

/// An estimate for this run and those after it.
fn time_left(
    plan: &[Planned],
    matrix: &Matrix,
    results: &Folder,
    now: &Planned,
    repetition: u32,
) -> std::time::Duration {
    let runs = runs(matrix, plan, &results.manifest);
    let first = runs.iter().position(|(planned, number)| planned.cell == now.cell && *number == repetition);
    runs[first.unwrap_or(0)..].iter().map(|(planned, _)| planned.needs.run).sum()
}

/// Writes the summary and the report of the runs that there are.
fn sum_up(results: &Folder, matrix: &Matrix) -> Result<(Vec<Summary>, String)> {
    let repetitions = matrix.repetitions.get();
    let summaries = results.summaries(&plan::cells(matrix), repetitions)?;
    let report = markdown::render(&results.manifest, &summaries);
    folder::write(&results.path.join("summary.csv"), &csv::render(&summaries)?)?;
    folder::write(&results.path.join("report.md"), report.as_bytes())?;
    let page = page::render(&[(&results.manifest, &summaries)]);
    folder::write(&results.path.join("report.html"), page.as_bytes())?;
    Ok((summaries, report))
}

/// The matrix that was asked for, and its name.
fn matrix_of(args: &Arguments) -> Result<(String, Matrix)> {
    let (name, mut matrix) = match &args.matrix {
        Some(path) => {
            let stem = path.file_stem().unwrap_or(path.as_os_str());
            (stem.to_string_lossy().into_owned(), plan::read(path)?)
        }
        None => (args.preset.name().to_owned(), args.preset.matrix()?),
    };
    if !args.system.is_empty() {
        matrix.systems.clone_from(&args.system);
    }
    Ok((name, matrix))
}

fn default_folder(name: &str) -> PathBuf {
    Path::new("results").join(format!("{}-{name}", filename_time()))
}
