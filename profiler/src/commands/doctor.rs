//! `profiler doctor`: what this kernel and these privileges allow, found out by attaching every probe family
//! and detaching it again.

use std::{fmt::Write as _, io, process::ExitCode};

use anyhow::Result;
use capture::Family;
use clap::Args;
use serde::Serialize;

use crate::{
    collect::{
        environment,
        privileges::{self, MORE, NEEDED},
        probes::{self, Settings, btf, families},
    },
    export::sections::cells::clean_lines,
};

/// What this kernel and these privileges allow, probe family by probe family
#[derive(Args)]
#[command(after_help = "Example:\n  profiler doctor --json | jq .families")]
pub struct Arguments {
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &Arguments) -> Result<ExitCode> {
    let diagnosis = examine();
    if args.json {
        serde_json::to_writer_pretty(io::stdout(), &diagnosis)?;
        println!();
    } else {
        print!("{}", clean_lines(&text(&diagnosis)));
    }
    Ok(if diagnosis.can_record { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Serialize)]
pub struct Diagnosis {
    /// Whether `profiler record` works; it may work without some families.
    pub can_record: bool,
    pub kernel: String,
    pub lockdown: Option<String>,
    pub btf: bool,
    pub root: bool,
    /// Capabilities that this process does not have.
    pub lacking: Vec<Lacking>,
    pub families: Vec<FamilyState>,
    /// Why nothing can be recorded, and the way out.
    pub problem: Option<String>,
}

#[derive(Serialize)]
pub struct Lacking {
    pub capability: &'static str,
    /// What follows from it.
    pub without: &'static str,
}

#[derive(Serialize)]
pub struct FamilyState {
    pub name: String,
    pub counts: String,
    pub available: bool,
    pub hooks: Vec<String>,
    /// Why it, or a part of it, is missing.
    pub missing: Option<String>,
}

fn examine() -> Diagnosis {
    let (tried, problem) = match probes::attach(&Settings::default()) {
        Ok(probes) => (probes.families.clone(), None),
        Err(error) => (Vec::new(), Some(format!("{error:#}"))),
    };
    let states = families::FAMILIES.iter().map(|&families::Family { name, counts, .. }| {
        let found = tried.iter().find(|found| found.name == name);
        FamilyState {
            name: name.to_owned(),
            counts: counts.to_owned(),
            available: found.is_some_and(Family::is_whole),
            hooks: found.into_iter().flat_map(|found| &found.hooks).map(ToString::to_string).collect(),
            missing: match found {
                Some(found) => found.missing().map(str::to_owned),
                None => Some("not tried: see the problem above".to_owned()),
            },
        }
    });
    let environment = environment::read().unwrap_or_default();
    Diagnosis {
        can_record: problem.is_none(),
        kernel: environment.kernel,
        lockdown: environment.lockdown,
        btf: btf::open().is_ok(),
        // SAFETY: no arguments, cannot fail.
        root: unsafe { libc::geteuid() } == 0,
        lacking: lacking(),
        families: states.collect(),
        problem,
    }
}

/// Of those that a recording takes, or that add to it.
fn lacking() -> Vec<Lacking> {
    let wanted = [&NEEDED[..], &MORE];
    let found = wanted.into_iter().flat_map(|wanted| privileges::lacking(wanted).unwrap_or_default());
    found.map(|found| Lacking { capability: found.name, without: found.without }).collect()
}

fn text(diagnosis: &Diagnosis) -> String {
    let mut out = String::new();
    let yes = |is: bool| if is { "yes" } else { "no" };
    let _ = writeln!(out, "kernel    {}", diagnosis.kernel);
    let _ = writeln!(out, "BTF       {} ({})", yes(diagnosis.btf), btf::VMLINUX);
    let _ = writeln!(out, "root      {}", yes(diagnosis.root));
    for lacking in &diagnosis.lacking {
        let _ = writeln!(out, "lacking   {}: {}", lacking.capability, lacking.without);
    }
    let lockdown = diagnosis.lockdown.as_deref().unwrap_or("unknown (/sys/kernel/security is not mounted)");
    let _ = writeln!(out, "lockdown  {lockdown}");
    if let Some(problem) = &diagnosis.problem {
        let _ = writeln!(out, "\nnothing can be recorded: {problem}");
    }
    for family in &diagnosis.families {
        let state = match (family.available, family.hooks.is_empty()) {
            (true, _) => "available",
            (false, false) => "in part",
            (false, true) => "missing",
        };
        let _ = writeln!(out, "\n{:<11} {state}: {}", family.name, family.counts);
        if !family.hooks.is_empty() {
            let _ = writeln!(out, "            by {}", family.hooks.join(", "));
        }
        if let Some(missing) = &family.missing {
            let _ = writeln!(out, "            {missing}");
        }
    }
    let verdict = if diagnosis.can_record { "recording is possible" } else { "recording is not possible" };
    let _ = writeln!(out, "\n{verdict}");
    out
}
