//! `cargo xtask bench-overhead`: what watching a transfer costs, with this profiler and with other tools.
//!
//! Each tool follows the same processes from outside, once they are up and before they transfer anything. All that
//! this starts ends with it, however it ends: the tools by the kernel's parent-death signal, their files by a shell
//! that waits for this process to be gone.

mod child;
mod counter;
mod load;
mod losses;
mod markdown;
mod order;
mod probes;
mod proc;
mod ratio;
mod results;
mod run;
mod scratch;
mod state;
pub mod stream;
mod summary;
mod toggled;
mod toggler;
mod tool;
mod trimmed;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;

use self::{
    load::Load,
    results::{About, AboutTool, Results},
    run::Row,
    scratch::Scratch,
    toggled::Plan,
    tool::Tool,
};
use crate::{
    command,
    setup::{self, Tell},
};

/// Measure what this profiler and other tools cost the same transfers; needs root
///
/// Our own probes are attached and detached in segments of one run, each between two without, until it is known what they cost;
/// beside them the control `nothing`, which attaches nothing. Then come rounds of whole runs, for tools that cannot be switched like
/// that: in each round every tool watches every load once, in another order each time.
#[derive(clap::Args)]
#[command(after_help = "Example: cargo xtask bench-overhead --rounds 0 --load stream-16k --tool profiler")]
pub struct Args {
    /// How many whole runs of each tool with each load
    #[arg(long, value_name = "N", default_value_t = 20)]
    rounds: u16,
    /// Length of a segment
    #[arg(long, value_name = "MS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(5..))]
    segment_ms: u16,
    /// Half the width of the intervals, in points of a hundred, at which it is enough
    #[arg(long, value_name = "POINTS", default_value_t = 1.5)]
    half_width: f64,
    /// How long segments of one tool with one load are measured at most
    #[arg(long, value_name = "SECONDS", default_value_t = 90)]
    limit_s: u16,
    /// Only this load; may be repeated
    #[arg(long, value_enum, value_name = "NAME")]
    load: Vec<Load>,
    /// Only this tool, beside the run with none; may be repeated
    #[arg(long, value_enum, value_name = "NAME")]
    tool: Vec<Tool>,
    /// In segments, switch the probes of this family alone (`drops`); all others stay attached
    #[arg(long, value_name = "NAME")]
    family: Option<String>,
    /// Folder for the results [default: results/DATE-overhead]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Print JSON instead of the report
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<()> {
    ensure!(command::is_root(), "the tools watch the kernel, which takes root: start it with sudo");
    let folder = results::folder(args.output.as_deref())?;
    setup::setup(Tell::Changes)?;
    setup::watchers(Tell::Changes);
    let profiler = crate::run::release_build()?;
    let scratch = Scratch::make()?;
    let (tools, about) = tools(&args.tool);
    let loads = if args.load.is_empty() { Load::value_variants() } else { &args.load };

    let mut results = Results {
        about: About::now(typed(args), scratch.filesystem(), about)?,
        rounds: 0,
        rounds_asked: args.rounds.into(),
        loads: loads.to_vec(),
        toggled: Vec::new(),
        summaries: Vec::new(),
        probes: Vec::new(),
    };
    let plan = Plan {
        segment: Duration::from_millis(args.segment_ms.into()),
        half_width_points: args.half_width,
        limit: Duration::from_secs(args.limit_s.into()),
        family: args.family.clone(),
    };
    for &load in loads.iter().filter(|load| load.is_endless()) {
        let mut paces = Vec::new();
        for &tool in tools.iter().filter(|tool| tool.is_ours() || **tool == Tool::Nothing) {
            eprintln!("{load}, {tool}: segments, {} s at most", args.limit_s);
            let measured = toggled::measure(load, tool, &plan, &mut paces, (&profiler, &scratch.path));
            results.toggled.push(measured.with_context(|| format!("segments: {load}, {tool}"))?);
            results::write(&folder, &results, &[], &markdown::render(&results))?;
        }
    }
    let rows = rounds(&mut results, &folder, &tools, |load, tool, place| {
        run::run(load, tool, place, &profiler, &scratch.path)
    })?;
    if args.rounds > 0 && tools.contains(&Tool::Profiler) && Tool::Bpftrace.obstacle().is_none() {
        for &load in loads {
            eprintln!("{load}: one more run, for the cost of each probe");
            results.probes.push(probes::measure(load, &profiler, &scratch.path)?);
        }
    }
    let report = markdown::render(&results);
    results::write(&folder, &results, &rows, &report)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
    } else {
        print!("{report}");
    }
    eprintln!("the results are in {}", folder.display());
    Ok(())
}

/// Every run of every round, with a line for each. All that was measured is written after each run, and stays if a
/// later one fails or this is killed.
fn rounds(
    results: &mut Results,
    folder: &Path,
    tools: &[Tool],
    run: impl Fn(Load, Tool, (usize, usize)) -> Result<Row>,
) -> Result<Vec<Row>> {
    let (rounds, loads) = (results.rounds_asked, results.loads.clone());
    let mut rows = Vec::new();
    let runs = rounds * loads.len() * tools.len();
    let estimate = loads.iter().map(|load| load.estimate_s()).sum::<f64>() * (rounds * tools.len()) as f64;
    eprintln!("{runs} runs, about {}", minutes(estimate));
    let started = Instant::now();
    for round in 0..rounds {
        for &load in &loads {
            for (place, tool) in order::order(tools.len(), round).into_iter().enumerate() {
                let tool = tools[tool];
                // As fast as so far, once a whole round has shown how fast that is.
                let left = match rows.len() {
                    done if done >= tools.len() * loads.len() => {
                        started.elapsed().as_secs_f64() / done as f64 * (runs - done) as f64
                    }
                    done => estimate * (runs - done) as f64 / runs as f64,
                };
                eprintln!("round {} of {rounds}: {load}, {tool}; {} left", round + 1, minutes(left));
                let row = run(load, tool, (round + 1, place + 1));
                rows.push(row.with_context(|| format!("round {}: {load}, {tool}", round + 1))?);
                results.rounds = rows.len() / (tools.len() * loads.len());
                results.summaries = summary::summaries(&rows);
                results::write(folder, results, &rows, &markdown::render(results))?;
            }
        }
    }
    Ok(rows)
}

/// Those that can be used, the unprofiled run first, and what is said of all that were asked for.
fn tools(typed: &[Tool]) -> (Vec<Tool>, Vec<AboutTool>) {
    let is_wanted = |tool: &Tool| *tool == Tool::Nothing || typed.is_empty() || typed.contains(tool);
    let about: Vec<AboutTool> = Tool::value_variants()
        .iter()
        .copied()
        .filter(is_wanted)
        .map(|tool| AboutTool {
            tool,
            version: tool.version(),
            description: tool.description(),
            left_out: tool.obstacle(),
        })
        .collect();
    for tool in &about {
        if let Some(reason) = &tool.left_out {
            eprintln!("{} is left out: {reason}", tool.tool);
        }
    }
    let usable = about.iter().filter(|tool| tool.left_out.is_none()).map(|tool| tool.tool).collect();
    (usable, about)
}

/// The command as typed, but for where its results go.
fn typed(args: &Args) -> String {
    let loads = args.load.iter().map(|load| format!(" --load {load}"));
    let tools = args.tool.iter().map(|tool| format!(" --tool {tool}"));
    let family = args.family.iter().map(|family| format!(" --family '{family}'"));
    let chosen: String = loads.chain(tools).chain(family).collect();
    let segments = format!(
        "--segment-ms {} --half-width {} --limit-s {}",
        args.segment_ms, args.half_width, args.limit_s
    );
    format!("cargo xtask bench-overhead --rounds {} {segments}{chosen}", args.rounds)
}

fn minutes(seconds: f64) -> String {
    let whole = Duration::from_secs_f64(seconds.max(0.0)).as_secs();
    format!("{} min {} s", whole / 60, whole % 60)
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, env, fs, process};

    use super::*;

    #[test]
    fn the_unprofiled_run_is_always_there() {
        let (tools, about) = tools(&[Tool::Profiler]);
        assert_eq!(tools, [Tool::Nothing, Tool::Profiler]);
        assert_eq!(about.len(), 2);
    }

    #[test]
    fn what_was_measured_before_a_failure_is_written() {
        let folder = env::temp_dir().join(format!("xtask-overhead-test-{}", process::id()));
        let about = About::now(String::new(), None, Vec::new()).expect("this host");
        let loads = vec![Load::Stream16k];
        let mut results = Results {
            about,
            rounds: 0,
            rounds_asked: 3,
            loads,
            toggled: Vec::new(),
            summaries: Vec::new(),
            probes: Vec::new(),
        };
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let runs = Cell::new(0);
        let outcome =
            rounds(&mut results, &folder, &[Tool::Nothing, Tool::Profiler], |_, tool, (round, _)| {
                // The runs before this one, under the heading.
                let lines = if runs.get() == 0 { 0 } else { 1 + runs.get() };
                assert_eq!(read("rounds.csv").lines().count(), lines);
                runs.set(runs.get() + 1);
                ensure!(runs.get() < 4, "on purpose");
                Ok(summary::tests::row(round, tool, 1000.0, 1.0))
            });
        let error = outcome.expect_err("the fourth run fails").to_string();
        let (report, names) = (read("report.md"), fs::read_dir(&folder).map_or(0, Iterator::count));
        let _ = fs::remove_dir_all(&folder);
        assert_eq!((error.as_str(), runs.get(), names), ("round 2: stream-16k, nothing", 4, 3));
        assert!(report.contains("Then 1 of 3 rounds,"), "{report}");
    }

    #[test]
    fn time_left() {
        assert_eq!(minutes(125.9), "2 min 5 s");
        assert_eq!(minutes(-1.0), "0 min 0 s");
    }
}
