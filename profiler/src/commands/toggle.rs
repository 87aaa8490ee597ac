//! `profiler toggle`: a recording whose probes, or those of one family, are attached and detached on request, to measure what they cost.
//!
//! It speaks in lines, for `cargo xtask bench-overhead`. It says `ready` once everything is loaded, with the probes detached. It then
//! answers each line: `follow PID…`, `on`, `off` and `drain` with the line itself once that is done, `runs` with the counted runs
//! as JSON. It ends with its input.

use std::{
    io::{self, BufRead as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::collect::{
    drain::toggle::Ask,
    probes::{
        Settings,
        families::{FAMILIES, ProbeSet},
    },
    recording::{self, Recording, Subject},
};

/// Attach and detach the probes as lines on the standard input tell
#[derive(Args)]
pub struct Arguments {
    /// Without it nothing is loaded and attached: the control of a measurement
    #[arg(long, value_enum)]
    pub probes: Option<ProbeSet>,
    /// Attach and detach the probes of this family; all others stay attached
    #[arg(long, value_name = "NAME", requires = "probes")]
    pub family: Option<String>,
    /// The capture, of no further use
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

pub fn run(args: &Arguments) -> Result<ExitCode> {
    let recording = args.probes.map(|probes| start(args, probes)).transpose()?;
    say("ready")?;
    for line in io::stdin().lock().lines() {
        let line = line.context("read the standard input")?;
        say(&answer(&line, recording.as_ref(), args.family.as_deref())?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn start(args: &Arguments, probes: ProbeSet) -> Result<Recording> {
    let settings = Settings { probes, ..Settings::default() };
    let subject = Subject { targets: "processes of a load".to_owned(), size_bytes: None, run: None };
    if let Some(family) = &args.family {
        ensure!(
            FAMILIES.iter().any(|known| known.name == family),
            "no family is called `{family}`; there are {}",
            FAMILIES.iter().map(|known| known.name).collect::<Vec<_>>().join(", ")
        );
    }
    let recording = recording::start(&args.output, &settings, &subject)?;
    off(&recording, args.family.as_deref())?;
    Ok(recording)
}

fn off(recording: &Recording, family: Option<&str>) -> Result<()> {
    match family {
        Some(family) => recording.ask(|done| Ask::OffFamily(family.to_owned(), done)),
        None => recording.ask(Ask::Off),
    }
}

fn on(recording: &Recording, family: Option<&str>) -> Result<()> {
    match family {
        Some(family) => recording.ask(|done| Ask::OnFamily(family.to_owned(), done)),
        None => recording.ask(Ask::On),
    }
}

fn answer(line: &str, recording: Option<&Recording>, family: Option<&str>) -> Result<String> {
    let Some(recording) = recording else {
        return Ok(if line == "runs" { "[]".to_owned() } else { line.to_owned() });
    };
    match line.split_once(' ').unwrap_or((line, "")) {
        ("follow", pids) => {
            for pid in pids.split(' ') {
                recording.register(pid.parse().with_context(|| format!("{pid} is no process id"))?)?;
            }
        }
        ("on", "") => on(recording, family)?,
        ("off", "") => off(recording, family)?,
        ("drain", "") => recording.ask(Ask::Drain)?,
        ("runs", "") => return Ok(serde_json::to_string(&recording.ask(Ask::Runs)?.programs)?),
        _ => bail!("`{line}` is none of follow, on, off, drain, runs"),
    }
    Ok(line.to_owned())
}

fn say(line: &str) -> Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("write to the standard output")
}
