//! What `profiler bench` is asked for.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::{
    bench::{
        drivers::{self, System},
        plan::Preset,
        swarm::Options,
    },
    collect::{
        limit::{self, Limit},
        probes::families::ProbeSet,
    },
};

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
  systems = [\"transmission\", \"deluge\"] # or a file that describes one, \"rsync.toml\"
  swarms = [{ nodes = 2, seeders = [1] }, { nodes = 8, seeders = [1, 2, 4] }]
  file_sizes = [\"100MiB\", \"1GiB\"]
  repetitions = 3                # of each configuration [default: 1]
  timeout = \"30m\"              # for one run [default: 30m]
  stall_timeout = \"3m\"         # for a transfer to which nothing comes [default: 3m]
  cold = true                    # the seeders' files leave the page cache before each run [default: false]
  [link]                         # of every node; without it, veth pairs as they are
  rate_bits_per_s = 100_000_000  # each way
  delay = \"5ms\"                # one way; delay and loss need a kernel with netem
  loss_percent = 0.1
  [disk]                         # of every node, on the scratch disk; without it, they share what it has
  read_bytes_per_s = 20_000_000
  write_bytes_per_s = 20_000_000 # what is written back later is held with control groups of version 2 only")]
pub struct Arguments {
    /// What to run
    #[arg(long, value_enum, default_value_t = Preset::Quick)]
    pub preset: Preset,
    /// A matrix file instead of a preset
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    pub matrix: Option<PathBuf>,
    /// Only this system of the matrix, or another one than it names, or one that a file describes; may be repeated
    #[arg(long, value_name = "NAME|FILE.toml", value_parser = drivers::Parser)]
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
    /// What recording may cost: 2% of the host's CPU time, or 2%cpu of one CPU's; see `profiler record --help`
    #[arg(long, value_name = "PERCENT", value_parser = limit::parse)]
    pub max_overhead: Option<Limit>,
    /// Which captures stay in the results; those of failed runs always do
    #[arg(long, value_enum, default_value_t = Keep::Captures)]
    pub keep: Keep,
    /// Folder for the results [default: results/TIME-NAME]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Directory on the disk that the nodes use; needs a copy of the file for each node
    #[arg(long, value_name = "DIR", default_value_os_t = Options::default().scratch)]
    pub scratch: PathBuf,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub format: Output,
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

/// How the results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Text,
    Json,
}
