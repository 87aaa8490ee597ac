//! `profiler record`: follows what was asked for until it ends, and gives the capture.

use std::{
    io,
    num::NonZeroU32,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{ExitCode, ExitStatus, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use clap::{Args, ValueHint, builder::NonEmptyStringValueParser};
use indicatif::HumanBytes;

use super::{report, signals};
use crate::{
    clock::filename_time,
    collect::{
        limit::{self, Limit},
        probes::{Settings, families::ProbeSet},
        recording::{self, Recording, Subject},
        targets::{
            child::Child,
            groups::{self, Group},
        },
    },
    display::{Display, tell},
    export::{self, Format},
    values,
};

/// Profile running processes, or a command and its children, into a capture, and print the report
///
/// Ends when the command ends, when every process given with --pid has ended, after --duration, or with Ctrl-C; with
/// --comm, --cgroup or --unit it waits for more processes. A command that still runs then gets SIGTERM, and SIGKILL
/// after 5 s. The exit status is the command's; without one it is 0, or 1 if no process was followed.
#[derive(Args)]
#[command(after_help = "Examples:
  profiler record --size 100MiB -- curl -so /dev/null http://10.0.0.2/file
  profiler record --comm transmission-daemon --duration 60s -o run.capture
  profiler record --unit transmission-daemon --duration 60s
  profiler record --cgroup /sys/fs/cgroup/system.slice/docker-4f1e.scope")]
pub struct Arguments {
    /// Process to profile, with its children and threads; may be repeated
    #[arg(long, value_name = "PID")]
    pub pid: Vec<u32>,
    /// Command name to profile, running or started later; may be repeated. The kernel keeps 15 bytes
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub comm: Vec<String>,
    /// Control group to profile, with the groups below it: its folder, or its path as in /proc/PID/cgroup; may be
    /// repeated. Processes that are moved in later count from then on, and those that are moved out go on counting
    #[arg(long, value_name = "PATH", value_hint = ValueHint::DirPath)]
    pub cgroup: Vec<PathBuf>,
    /// Unit of systemd to profile, by its control group; may be repeated
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub unit: Vec<String>,
    /// The capture to write; must not exist yet [default: profiler-TIME.capture]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Payload of the transfer, for its milestones: bytes, or with a suffix, as in 100MiB or 1GB
    #[arg(long, value_name = "BYTES", value_parser = values::payload)]
    pub size: Option<u64>,
    /// Stop after this time, as in 30s or 5m
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub duration: Option<Duration>,
    /// Port of control traffic (RPC, tracker), local or remote, that is no part of the transfer; may be repeated
    #[arg(long, value_name = "PORT")]
    pub control_port: Vec<u16>,
    /// Size of the ring buffers for events, of all CPUs together: a power of two, at least a page [default: 16 MiB, or
    /// 1 MiB for each CPU if that is more, and 64 MiB at most, or 256 KiB for each CPU]
    #[arg(long, value_name = "BYTES", value_parser = values::ring_buffer)]
    pub ring_buffer: Option<NonZeroU32>,
    /// How much is watched. What each probe costs stands in the report
    #[arg(long, value_enum, default_value_t = ProbeSet::All)]
    pub probes: ProbeSet,
    /// What recording may cost: 2% of the host's CPU time, or 2%cpu of one CPU's. Above it, probes are detached family by family, down to
    /// counters, and attached again when there is room; the report says when
    #[arg(long, value_name = "PERCENT", value_parser = limit::parse)]
    pub max_overhead: Option<Limit>,
    /// How the report is printed; with json nothing else is on the standard output: what the command writes there goes
    /// to the standard error
    #[arg(long, value_parser = export::parser(export::FORMATS), default_value = export::default())]
    pub format: &'static dyn Format,
    /// Command to run and profile
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// A capture that is complete, and how the command ended, if there was one.
struct Recorded {
    capture: PathBuf,
    /// How many processes were followed.
    followed: u64,
    command: Option<ExitStatus>,
}

pub fn run(args: &Arguments) -> Result<ExitCode> {
    let stop = signals::stop()?;
    let recorded = record(args, &stop)?;
    report::print(&recorded.capture, args.format)?;
    tell(&format!("the capture is {}", recorded.capture.display()));
    if recorded.followed == 0 {
        tell(&format!(
            "profiler: nothing was followed: no process of {} ran meanwhile; the capture has the host's numbers only",
            in_words(args)
        ));
        return Ok(ExitCode::FAILURE);
    }
    Ok(exit_code(recorded.command))
}

/// Records until there is nothing left to follow, or until `stop`.
fn record(args: &Arguments, stop: &AtomicBool) -> Result<Recorded> {
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
    let followed = recording.followed();
    recording.detach()?.complete(&reason)?;
    Ok(Recorded { capture: path, followed, command })
}

fn settings(args: &Arguments) -> Settings {
    Settings {
        stride_bytes: recording::stride_bytes(args.size),
        control_ports: args.control_port.clone(),
        ring_buffer_bytes: args.ring_buffer,
        probes: args.probes,
        max_overhead: args.max_overhead,
        ..Settings::default()
    }
}

/// The control groups that were asked for.
fn groups(args: &Arguments) -> Result<Vec<Group>> {
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
    args: &Arguments,
    groups: &[Group],
    stop: &AtomicBool,
) -> Result<(String, Option<ExitStatus>)> {
    for &pid in &args.pid {
        if pid == std::process::id() {
            bail!("{pid} is the profiler itself: profile another process, or another profiler from outside");
        }
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
        command => Some(Child::start(command, stdout(args.format), |pid| recording.register(pid).map(drop))?),
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

/// Where the command's standard output goes. JSON with other text in it is none.
fn stdout(format: &dyn Format) -> Stdio {
    if format.is_for_people() { Stdio::inherit() } else { io::stderr().into() }
}

fn in_words(args: &Arguments) -> String {
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

/// As a shell tells it: a command that a signal ended counts as 128 and the signal.
fn exit_code(command: Option<ExitStatus>) -> ExitCode {
    let Some(status) = command else { return ExitCode::SUCCESS };
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
