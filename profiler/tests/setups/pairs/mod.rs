//! Pairs: a program whose log says what its transfer waited for, and the same program with noise that delays nothing.
//! The report must say of both what the log says.
//!
//! `cargo xtask test --pairs` runs them: this binary with `pairs` as its first argument.

mod awake;
mod host;
mod judge;
mod known;
mod list;
mod logs;
mod made_up;
mod modules;
mod noise;
pub mod programs;
pub mod recorded;
mod run;
mod table;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;

pub use self::made_up::trials;
use self::{
    awake::Awake,
    judge::{MOST_THROWN_AWAY, Runs, TOLERANCE},
    list::{Base, Pair},
    logs::Logs,
    run::Run,
};

pub const ARGUMENT: &str = "pairs";

#[derive(Parser)]
#[command(name = "pairs")]
struct Options {
    /// `all`, `third`, a base as in `disk`, the same with a noise as in `disk+beat-3`, or with each as in `disk+`
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// How often each is run [default: 3; of `third` once, and up to 3 times where that is not clearly right]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    repetitions: Option<u32>,
    /// Throw no run away because other processes ran
    #[arg(long)]
    busy_host: bool,
    /// Record only, whatever times come out: they are compared elsewhere
    #[arg(long, requires = "keep")]
    only_record: bool,
    /// Move only so small a part of the blocks: 4 for a quarter
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    part: u32,
    /// In a machine whose clock counts instructions: a disk is throttled to half, and the machine kept awake meanwhile
    #[arg(long)]
    emulated: bool,
    /// Keep captures and logs in this folder
    #[arg(long, value_name = "FOLDER", conflicts_with = "replay")]
    keep: Option<PathBuf>,
    /// Run nothing: compare the captures and the logs that were kept in this folder
    #[arg(long, value_name = "FOLDER")]
    replay: Option<PathBuf>,
    /// Where the results are written too, as report.md, pairs.csv and pairs.json
    #[arg(long, value_name = "FOLDER")]
    results: Option<PathBuf>,
    /// Of the profiler, for the results
    #[arg(long, value_name = "COMMIT", default_value = "of an unknown commit")]
    commit: String,
}

impl Options {
    /// What is run of a base.
    fn run_of(&self, base: &Base) -> Base {
        let is_slow = self.emulated && base.syncs();
        let (fewer, slower) = if is_slow { (2 * self.part, 2) } else { (self.part, 1) };
        Base { blocks: base.blocks / fewer, disk_bytes_per_s: base.disk_bytes_per_s / slower, ..*base }
    }
}

const REPETITIONS: u32 = 3;
/// For a run that is not thrown away.
const ATTEMPTS: usize = 3;

pub fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    let options = Options::parse_from(["pairs".to_owned()].into_iter().chain(arguments));
    let part = |pair: Pair| Pair { base: options.run_of(&pair.base), ..pair };
    let mut all: Vec<Runs> = chosen(&options.names).into_iter().map(part).map(Runs::of).collect();
    match &options.replay {
        Some(folder) => all.iter_mut().for_each(|runs| replay(runs, folder, options.busy_host)),
        None => run_all(&mut all, &options),
    }
    if options.only_record {
        let is_whole = all.iter().all(|runs| runs.broken.is_empty());
        return if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    // Of a folder that has some only.
    all.retain(|runs| options.replay.is_none() || !runs.is_empty());
    let about = match options.replay {
        Some(_) => table::About::of_recorded(&options.commit, &all),
        None => table::About::here(&options.commit),
    };
    println!("{}", table::markdown(&about, &all));
    if all.is_empty() {
        eprintln!("error: there is no run to compare");
        return ExitCode::FAILURE;
    }
    if let Some(folder) = &options.results {
        table::write(folder, &about, &all);
    }
    if verdict(&all) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// In the order of the list.
fn chosen(names: &[String]) -> Vec<Pair> {
    let mut all = list::all();
    let is_named = |pair: &Pair, name: &str| match name {
        "all" => true,
        "third" => pair.in_third,
        _ => pair.name() == name || name.strip_suffix('+') == Some(pair.base.name),
    };
    for name in names {
        if !all.iter().any(|pair| is_named(pair, name)) {
            let known: Vec<_> = all.iter().map(Pair::name).collect();
            eprintln!("error: there is no {name}; there are all, third, {}", known.join(", "));
            std::process::exit(2);
        }
    }
    all.retain(|pair| names.iter().any(|name| is_named(pair, name)));
    all
}

/// Each once, then each once more: what changes on the host with time is the same for all of them.
fn run_all(all: &mut [Runs], options: &Options) {
    let once_may_do = options.repetitions.is_none() && options.names == ["third"];
    for repetition in 1..=options.repetitions.unwrap_or(REPETITIONS) {
        for runs in all.iter_mut() {
            if !(once_may_do && runs.is_clearly_within()) {
                run_once(runs, repetition, options);
            }
        }
    }
}

fn run_once(runs: &mut Runs, repetition: u32, options: &Options) {
    let folder = tempfile::Builder::new().prefix("pairs-").tempdir_in("/var/tmp").expect("make a folder");
    let folder = options.keep.as_deref().unwrap_or(folder.path());
    fs::create_dir_all(folder).expect("make the folder");
    let (capture, log) = files(folder, &runs.pair, repetition);
    for _ in 0..ATTEMPTS {
        // A capture must be new.
        let _ = fs::remove_file(&capture);
        let _awake = (options.emulated && runs.pair.base.syncs()).then(Awake::keep);
        let recorded = catch_unwind(AssertUnwindSafe(|| run::record(&runs.pair, &capture)));
        let Ok(logs) = recorded else {
            runs.broken.push("the programs failed: see above".to_owned());
            return;
        };
        if options.only_record {
            logs.write(&log);
            println!("{:32} recorded", runs.pair.name());
            return;
        }
        if throw_away(runs, &logs, options.busy_host) {
            continue;
        }
        logs.write(&log);
        compare(runs, &capture, &logs);
        return;
    }
    // It is not to be replayed.
    let _ = fs::remove_file(&capture);
    runs.broken.push("thrown away each time".to_owned());
}

/// Whether a run proves nothing.
fn throw_away(runs: &mut Runs, logs: &Logs, busy_host: bool) -> bool {
    let reason = run::thrown_away(&logs.base(&runs.pair.base), logs, busy_host);
    if let Some(reason) = &reason {
        eprintln!("{:32} thrown away: {reason}", runs.pair.name());
    }
    let is_thrown = reason.is_some();
    runs.thrown_away.extend(reason);
    is_thrown
}

/// Runs that were only recorded are thrown away here, by their logs.
fn replay(runs: &mut Runs, folder: &Path, busy_host: bool) {
    for repetition in 1.. {
        let (capture, log) = files(folder, &runs.pair, repetition);
        let Some(logs) = Logs::find(&log) else { return };
        if !throw_away(runs, &logs, busy_host) {
            compare(runs, &capture, &logs);
        }
    }
}

fn compare(runs: &mut Runs, capture: &Path, logs: &Logs) {
    let base = logs.base(&runs.pair.base);
    match catch_unwind(AssertUnwindSafe(|| run::compare(&base, capture, logs))) {
        Ok(run) => {
            eprintln!("{:32} {}", runs.pair.name(), told(&run));
            runs.runs.push(run);
        }
        Err(_) => runs.broken.push("it cannot be compared: see above".to_owned()),
    }
}

fn told(run: &Run) -> String {
    format!("logs: {}; report: {}", table::words(&run.known), table::words(&run.reported))
}

/// The first run of a pair has the pair's name.
fn files(folder: &Path, pair: &Pair, repetition: u32) -> (PathBuf, PathBuf) {
    let name = if repetition == 1 { pair.name() } else { format!("{}-{repetition}", pair.name()) };
    (folder.join(format!("{name}.capture")), folder.join(format!("{name}.log")))
}

/// Says what is wrong; whether nothing is.
fn verdict(all: &[Runs]) -> bool {
    for runs in all.iter().filter(|runs| !runs.is_within()) {
        let name = runs.pair.name();
        runs.broken.iter().for_each(|broken| println!("{name}: {broken}"));
        let ways = [(runs.differences(), ""), (runs.merged_differences(), ", movements merged")];
        for (differences, how) in ways {
            let wrong = differences.iter().filter(|difference| difference.apart().abs() > TOLERANCE);
            wrong.for_each(|difference| println!("{}", difference.told(&runs.pair, how)));
        }
    }
    let kept: usize = all.iter().map(|runs| runs.runs.len()).sum();
    let thrown: usize = all.iter().map(|runs| runs.thrown_away.len()).sum();
    println!("{thrown} of {} runs were thrown away", kept + thrown);
    let too_many = thrown as f64 > MOST_THROWN_AWAY * (kept + thrown) as f64;
    if too_many {
        println!("more than {:.0} % of the runs: the host is too busy", MOST_THROWN_AWAY * 100.0);
    }
    // Of what was recorded before, nothing is left to compare of some.
    !too_many && all.iter().all(|runs| runs.is_within() || runs.broken.is_empty() && runs.runs.is_empty())
}
