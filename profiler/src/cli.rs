//! What was typed. What it resolves to is decided by the command that it is for.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use clap::{
    Args, Parser, Subcommand, ValueEnum, ValueHint,
    builder::{NonEmptyStringValueParser, PossibleValuesParser},
};

use crate::{bench::System, kernel::families::ProbeSet, matrix::Preset};

/// Says where the time of a storage transfer goes: network, disk or CPU, from the kernel's own counts.
#[derive(Parser)]
#[command(version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    Doctor(Doctor),
    Record(Record),
    Report(Report),
    Dump(Dump),
    Verify(Verify),
    Bench(Bench),
    #[command(hide = true)]
    Transfer(Transfer),
    Completions(Completions),
}

/// What this kernel and these privileges allow, probe family by probe family
#[derive(Args)]
#[command(after_help = "Example:\n  profiler doctor --json | jq .families")]
pub struct Doctor {
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// Profile running processes, or a command and its children, into a capture, and print the report
///
/// Ends when the command ends, when every process given with --pid has ended, after --duration, or with Ctrl-C; with
/// --comm, --cgroup or --unit it waits for more processes. A
/// command that still runs then gets SIGTERM, and SIGKILL after 5 s.
#[derive(Args)]
#[command(after_help = "Examples:
  profiler record --size 100MiB -- curl -so /dev/null http://10.0.0.2/file
  profiler record --comm transmission-daemon --duration 60s -o run.capture
  profiler record --unit transmission-daemon --duration 60s
  profiler record --cgroup /sys/fs/cgroup/system.slice/docker-4f1e.scope")]
pub struct Record {
    /// Process to profile, with its children and threads; may be repeated
    #[arg(long, value_name = "PID")]
    pub pid: Vec<u32>,
    /// Command name to profile, running or started later; may be repeated. The kernel keeps 15 characters
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
    #[arg(long, value_name = "BYTES", value_parser = payload)]
    pub size: Option<u64>,
    /// Stop after this time, as in 30s or 5m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
    /// Port of control traffic (RPC, tracker), local or remote, that is no part of the transfer; may be repeated
    #[arg(long, value_name = "PORT")]
    pub control_port: Vec<u16>,
    /// Size of the ring buffers for events, of all CPUs together: a power of two, at least a page [default: 16 MiB, or
    /// 1 MiB for each CPU if that is more]
    #[arg(long, value_name = "BYTES", value_parser = ring_buffer)]
    pub ring_buffer: Option<NonZeroU32>,
    /// How much is watched. What each probe costs stands in the report
    #[arg(long, value_enum, default_value_t = ProbeSet::All)]
    pub probes: ProbeSet,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Command to run and profile
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Print the report of captures; needs no root
#[derive(Args)]
#[command(
    after_help = "Example:\n  profiler report run.capture --format json | jq '.transfers[].milestones'"
)]
pub struct Report {
    #[arg(required = true, value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Print every record of a capture as a JSON line; needs no root
#[derive(Args)]
#[command(after_help = "Example:\n  profiler dump run.capture --kind progress | jq -s length")]
pub struct Dump {
    #[arg(value_name = "CAPTURE")]
    pub capture: PathBuf,
    /// Only records of this kind; may be repeated
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(crate::dump::kinds()))]
    pub kind: Vec<String>,
}

/// Compare socket byte counts of a capture with a packet capture of the same run; needs no root
///
/// Fails if the two differ by more than the tolerance on a connection of which both have all, or if nothing can be
/// compared. Reads pcap and pcapng; a short snap length is enough.
#[derive(Args)]
#[command(after_help = "Example:
  tcpdump -i any -s 128 -w run.pcap & profiler record -o run.capture -- curl -so /dev/null http://10.0.0.2/file
  kill %1; wait; profiler verify run.capture --pcap run.pcap")]
pub struct Verify {
    #[arg(value_name = "CAPTURE")]
    pub capture: PathBuf,
    /// Packet capture of the same run; several are taken together
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pub pcap: Vec<PathBuf>,
    /// Difference that is no failure, in either direction of a socket
    #[arg(long, value_name = "BYTES", value_parser = bytes, default_value_t = 0)]
    pub tolerance: u64,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// Run a matrix of real transfers between real clients on this host, profile them, and print the report
///
/// Each node gets a network namespace of its own. Everything that is made is removed again, except the results.
#[derive(Args)]
#[command(after_help = "Examples:
  profiler bench --preset quick -o results/before-the-change
  profiler bench --preset this-host --plan
  profiler bench --system codex --codex-bin ~/nim-codex/build/codex
  profiler bench --matrix night.toml -o results/night --keep none
  profiler bench --matrix night.toml -o results/night --resume

A matrix file:
  systems = [\"transmission\", \"deluge\"]
  swarms = [{ nodes = 2, seeders = [1] }, { nodes = 8, seeders = [1, 2, 4] }]
  file_sizes = [\"100MiB\", \"1GiB\"]
  repetitions = 3                # of each configuration [default: 1]
  timeout = \"30m\"              # for one run [default: 30m]
  stall_timeout = \"3m\"         # for a transfer to which nothing comes [default: 3m]
  [link]                         # of every node; without it, veth pairs as they are
  rate_bits_per_s = 100_000_000  # each way
  delay = \"5ms\"                # one way; delay and loss need a kernel with netem
  loss_percent = 0.1
  [disk]                         # of every node, on the scratch disk; without it, they share what it has
  read_bytes_per_s = 20_000_000
  write_bytes_per_s = 20_000_000 # what is written back later is held with control groups of version 2 only")]
pub struct Bench {
    /// What to run
    #[arg(long, value_enum, default_value_t = Preset::Quick)]
    pub preset: Preset,
    /// A matrix file instead of a preset
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    pub matrix: Option<PathBuf>,
    /// Only this system of the matrix, or another one than it names; may be repeated
    #[arg(long, value_name = "NAME")]
    pub system: Vec<System>,
    /// The node program of Codex [default: codex or storage in PATH]
    #[arg(long, value_name = "PATH")]
    pub codex_bin: Option<PathBuf>,
    /// Print each configuration with the disk, memory and time it is estimated to need, and run nothing
    #[arg(long)]
    pub plan: bool,
    /// Continue the results in the folder that -o names: finished runs stay, interrupted ones are repeated
    ///
    /// Refused if profiler, programs, kernel, host or matrix are others than those that the results were begun with.
    /// A run that failed is finished; to repeat it, remove its folder first.
    #[arg(long, requires = "output")]
    pub resume: bool,
    /// Take a packet capture beside each run, for `profiler verify`: run.pcap, of all traffic between nodes
    ///
    /// Nodes are ended in order before the probes are detached, so that every connection has an end. It costs the run
    /// a CPU's time for each packet: its speeds are not those of a run without.
    #[arg(long)]
    pub pcap: bool,
    /// How much is watched. With counters, speeds are those of transfers that are hardly slowed, and there are no shares
    #[arg(long, value_enum, default_value_t = ProbeSet::All)]
    pub probes: ProbeSet,
    /// Which captures stay in the results; those of failed runs always do
    #[arg(long, value_enum, default_value_t = Keep::Captures)]
    pub keep: Keep,
    /// Folder for the results [default: results/TIME-NAME]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Directory on the disk that the nodes use; needs a copy of the file for each node
    #[arg(long, value_name = "DIR", default_value_os_t = crate::bench::Options::default().scratch)]
    pub scratch: PathBuf,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Make one transfer of the benchmark without probes, told by lines on the standard input
///
/// For `cargo xtask bench-overhead`, which watches it with several tools.
#[derive(Args)]
pub struct Transfer {
    #[arg(long, value_name = "NAME")]
    pub system: System,
    #[arg(long, value_name = "BYTES", value_parser = payload)]
    pub size: u64,
    #[arg(long, value_name = "DIR", default_value_os_t = crate::bench::Options::default().scratch)]
    pub scratch: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Keep {
    /// All
    Captures,
    /// The first repetition's of each configuration
    First,
    /// None
    None,
}

impl Keep {
    /// Whether the capture of a complete run is kept. `repetition` counts from 1.
    pub fn keeps(self, repetition: u32) -> bool {
        match self {
            Self::Captures => true,
            Self::First => repetition == 1,
            Self::None => false,
        }
    }
}

/// Print the completion script of a shell
#[derive(Args)]
#[command(after_help = "Example:\n  profiler completions bash > /etc/bash_completion.d/profiler")]
pub struct Completions {
    pub shell: clap_complete::Shell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

fn bytes(text: &str) -> Result<u64, String> {
    parse_size::parse_size(text)
        .map_err(|error| format!("{error}; a size is a number, or as in 100MiB or 1GB"))
}

fn payload(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        0 => Err("a transfer has at least one byte".to_owned()),
        size => Ok(size),
    }
}

fn ring_buffer(text: &str) -> Result<NonZeroU32, String> {
    let size = bytes(text)?;
    let page = procfs::page_size();
    match u32::try_from(size).ok().and_then(NonZeroU32::new) {
        Some(size) if size.is_power_of_two() && u64::from(size.get()) >= page => Ok(size),
        _ => Err(format!("{size} bytes is no power of two from {page} to 2 GiB")),
    }
}
