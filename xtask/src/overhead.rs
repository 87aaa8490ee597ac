//! `cargo xtask bench-overhead`: what watching a transfer costs, with this profiler and with other tools.
//!
//! Each tool follows the same processes from outside, once they are up and before they transfer anything. All that
//! this starts ends with it, however it ends: the tools by the kernel's parent-death signal, their files by a shell
//! that waits for this process to be gone.

mod child;
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
pub mod stream;
mod summary;
mod tool;

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
    tool::Tool,
};
use crate::{
    command,
    setup::{self, Tell},
};

/// Measure what this profiler and other tools cost the same transfers; needs root
///
/// In each round every tool watches every load once, in another order each time.
#[derive(clap::Args)]
#[command(after_help = "Example: cargo xtask bench-overhead --rounds 5 --load stream-16k --tool profiler")]
pub struct Args {
    /// How many runs of each tool with each load
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Only this load; may be repeated
    #[arg(long, value_enum, value_name = "NAME")]
    load: Vec<Load>,
    /// Only this tool, beside the run with none; may be repeated
    #[arg(long, value_enum, value_name = "NAME")]
    tool: Vec<Tool>,
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

    let mut rows = Vec::new();
    let outcome = rounds(&mut rows, usize::from(args.rounds), loads, &tools, &profiler, &scratch.path);
    let mut results = Results {
        about: About::now(typed(args), about)?,
        rounds: args.rounds.into(),
        loads: loads.to_vec(),
        summaries: summary::summaries(&rows),
        probes: Vec::new(),
    };
    if !rows.is_empty() {
        // What was measured stays, also if something fails from here on.
        results::write(&folder, &results, &rows)?;
    }
    outcome?;
    if tools.contains(&Tool::Profiler) && Tool::Bpftrace.obstacle().is_none() {
        for &load in loads {
            eprintln!("{load}: one more run, for the cost of each probe");
            results.probes.push(probes::measure(load, &profiler, &scratch.path)?);
        }
    }
    let report = results::write(&folder, &results, &rows)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
    } else {
        print!("{report}");
    }
    eprintln!("the results are in {}", folder.display());
    Ok(())
}

/// Every run of every round, with a line for each. What was measured is in `rows`, also if a run fails.
fn rounds(
    rows: &mut Vec<Row>,
    rounds: usize,
    loads: &[Load],
    tools: &[Tool],
    profiler: &Path,
    scratch: &Path,
) -> Result<()> {
    let runs = rounds * loads.len() * tools.len();
    let estimate = loads.iter().map(|load| load.estimate_s()).sum::<f64>() * (rounds * tools.len()) as f64;
    eprintln!("{runs} runs, about {}", minutes(estimate));
    let started = Instant::now();
    for round in 0..rounds {
        for &load in loads {
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
                let row = run::run(load, tool, (round + 1, place + 1), profiler, scratch);
                rows.push(row.with_context(|| format!("round {}: {load}, {tool}", round + 1))?);
            }
        }
    }
    Ok(())
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
    let chosen: String = loads.chain(tools).collect();
    format!("cargo xtask bench-overhead --rounds {}{chosen}", args.rounds)
}

fn minutes(seconds: f64) -> String {
    let whole = Duration::from_secs_f64(seconds.max(0.0)).as_secs();
    format!("{} min {} s", whole / 60, whole % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unprofiled_run_is_always_there() {
        let (tools, about) = tools(&[Tool::Profiler]);
        assert_eq!(tools, [Tool::Nothing, Tool::Profiler]);
        assert_eq!(about.len(), 2);
    }

    #[test]
    fn time_left() {
        assert_eq!(minutes(125.9), "2 min 5 s");
        assert_eq!(minutes(-1.0), "0 min 0 s");
    }
}
