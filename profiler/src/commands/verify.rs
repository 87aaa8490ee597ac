//! `profiler verify`: a capture beside packets.

use std::{io, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Args;

use crate::{display::while_waiting, values, verify};

/// Compare socket byte counts of a capture with a packet capture of the same run; needs no root
///
/// Fails if the two differ by more than the tolerance on a connection of which both have all, or if nothing can be
/// compared. Reads pcap and pcapng; a short snap length is enough.
#[derive(Args)]
#[command(after_help = "Example:
  tcpdump -i any -s 128 -w run.pcap & profiler record -o run.capture -- curl -so /dev/null http://10.0.0.2/file
  kill %1; wait; profiler verify run.capture --pcap run.pcap")]
pub struct Arguments {
    #[arg(value_name = "CAPTURE")]
    pub capture: PathBuf,
    /// Packet capture of the same run; several are taken together: rotated files as one, those of several hosts beside each other
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pub pcap: Vec<PathBuf>,
    /// Difference that is no failure, in either direction of a socket
    #[arg(long, value_name = "BYTES", value_parser = values::bytes, default_value_t = 0)]
    pub tolerance: u64,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &Arguments) -> Result<ExitCode> {
    let comparison =
        while_waiting("comparing the packets", || verify::run(&args.capture, &args.pcap, args.tolerance))?;
    if args.json {
        serde_json::to_writer_pretty(io::stdout(), &comparison)?;
        println!();
    } else {
        print!("{}", verify::text::render(&comparison));
    }
    Ok(if comparison.agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
