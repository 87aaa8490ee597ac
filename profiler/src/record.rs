//! `profiler record`: follows what was asked for until it ends, and gives the capture.

use std::{
    path::PathBuf,
    process::ExitStatus,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use indicatif::HumanBytes;

use crate::{
    attach::Settings,
    child::Child,
    cli,
    clock::filename_time,
    display::Display,
    groups::{self, Group},
    recording::{self, Recording, Subject},
};

/// A capture that is complete, and how the command ended, if there was one.
pub struct Recorded {
    pub capture: PathBuf,
    pub command: Option<ExitStatus>,
}

/// Records until there is nothing left to follow, or until `stop`.
pub fn run(args: &cli::Record, stop: &AtomicBool) -> Result<Recorded> {
    let nothing = args.pid.is_empty() && args.comm.is_empty() && args.command.is_empty();
    if nothing && args.cgroup.is_empty() && args.unit.is_empty() {
        bail!(
            "nothing to profile: give --pid PID, --comm NAME, --cgroup PATH, --unit NAME, or a command after --"
        );
    }
    let groups = groups(args)?;
    let subject = Subject { targets: in_words(args), size_bytes: args.size, run: None };
    let path = args.output.clone().unwrap_or_else(default_path);
    let recording = recording::start(&path, &settings(args), &subject)?;
    let outcome = follow(&recording, args, &groups, stop);
    let (reason, command) = match outcome {
        Ok(done) => done,
        Err(error) => {
            // Nothing was recorded that anybody asked for.
            drop(recording);
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
    };
    recording.detach()?.complete(&reason)?;
    Ok(Recorded { capture: path, command })
}

/// A transfer has about a thousand progress records; the smallest stride is one large call.
pub fn stride_bytes(size_bytes: Option<u64>) -> u64 {
    const SMALLEST: u64 = 64 << 10;
    size_bytes.map_or(Settings::default().stride_bytes, |size| (size / 1000).max(SMALLEST))
}

fn settings(args: &cli::Record) -> Settings {
    Settings {
        stride_bytes: stride_bytes(args.size),
        control_ports: args.control_port.clone(),
        ring_buffer_bytes: args.ring_buffer,
        probes: args.probes,
    }
}

/// The control groups that were asked for.
fn groups(args: &cli::Record) -> Result<Vec<Group>> {
    let hierarchies = groups::mounted()?;
    let named = args.cgroup.iter().map(|path| groups::named(path, &hierarchies));
    let units = args.unit.iter().map(|name| groups::of_unit(name, "systemctl".as_ref(), &hierarchies));
    let found: Vec<Vec<Group>> = named.chain(units).collect::<Result<_>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// How soon an end is noticed. A look goes through the whole table of processes.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Registers the targets and waits; gives why it ended.
fn follow(
    recording: &Recording,
    args: &cli::Record,
    groups: &[Group],
    stop: &AtomicBool,
) -> Result<(String, Option<ExitStatus>)> {
    for &pid in &args.pid {
        recording.register(pid)?;
    }
    for name in &args.comm {
        recording.register_command(name)?;
    }
    for group in groups {
        recording.register_group(group)?;
    }
    let mut child = match args.command.as_slice() {
        [] => None,
        command => Some(Child::start(command, |pid| recording.register(pid).map(drop))?),
    };
    let waits_for_more = !args.comm.is_empty() || !groups.is_empty();
    let started = Instant::now();
    let display = Display::new();
    loop {
        thread::sleep(LOOK_INTERVAL);
        for group in groups {
            // A unit that is restarted gets a new group of the same name.
            recording.register_group(group)?;
        }
        let status = recording.status();
        display.status(|| {
            format!(
                "recording: {} processes, {} received, {} sent, capture {}; Ctrl-C ends it",
                status.processes_alive,
                HumanBytes(status.rx_bytes),
                HumanBytes(status.tx_bytes),
                HumanBytes(status.capture_bytes),
            )
        });
        if let Some(pid) = child.as_ref().and_then(Child::ended) {
            recording.note_end(pid)?;
        }
        let ended = child.as_mut().map_or(Ok(None), Child::poll)?;
        let reason = if stop.load(Ordering::Acquire) {
            "interrupted"
        } else if ended.is_some() {
            "the command ended"
        } else if child.is_none() && !waits_for_more && status.processes_alive == 0 {
            "every process ended"
        } else if args.duration.is_some_and(|limit| started.elapsed() >= limit) {
            "the time was over"
        } else if !recording.is_running() {
            // Its error is told when the recording is taken apart. The command is the user's, and runs on.
            if let Some(child) = &mut child {
                child.wait(stop)?;
            }
            "the capture could not be written"
        } else {
            continue;
        };
        display.clear();
        return Ok((reason.to_owned(), ended));
    }
}

fn in_words(args: &cli::Record) -> String {
    let pids = args.pid.iter().map(|pid| format!("pid {pid}"));
    let names = args.comm.iter().map(|name| format!("command {name}"));
    let groups = args.cgroup.iter().map(|path| format!("control group {}", path.display()));
    let units = args.unit.iter().map(|name| format!("unit {name}"));
    let command = (!args.command.is_empty()).then(|| args.command.join(" "));
    pids.chain(names).chain(groups).chain(units).chain(command).collect::<Vec<_>>().join(", ")
}

fn default_path() -> PathBuf {
    PathBuf::from(format!("profiler-{}.capture", filename_time()))
}
