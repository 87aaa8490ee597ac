//! One transfer without probes, told when to begin: the same work for any tool that watches it from outside.
//!
//! It speaks in lines: `ready PID…` with the nodes once they are up and know each other; it then waits for a line, and
//! transfers; `done BYTES NANOSECONDS`; and it ends, and removes everything, when its input ends.

use std::{
    io::{self, BufRead as _, Write as _},
    path::PathBuf,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::{
    bench::{
        self,
        drivers::{self, System},
        observer::{AppMilestone, Observer, TransferRequest},
        plan::Configuration,
        swarm::Options,
        wait::Interrupted,
    },
    clock::now_ns,
    values,
};

/// Make one transfer of the benchmark without probes, told by lines on the standard input
///
/// For `cargo xtask bench-overhead`, which watches it with several tools.
#[derive(Args)]
pub struct Arguments {
    #[arg(long, value_name = "NAME|FILE.toml", value_parser = drivers::Parser)]
    pub system: System,
    #[arg(long, value_name = "BYTES", value_parser = values::payload)]
    pub size: u64,
    #[arg(long, value_name = "DIR", default_value_os_t = Options::default().scratch)]
    pub scratch: PathBuf,
}

/// How soon a signal is noticed while nothing is said.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Makes the transfer of one seeder to one leecher.
pub fn run(args: &Arguments, stop: &AtomicBool) -> Result<()> {
    let configuration = Configuration {
        system: args.system,
        nodes: 2,
        seeders: 1,
        file_size_bytes: args.size,
        repetition: 1,
        link: None,
        disk: None,
        cold: false,
    };
    let options = Options { scratch: args.scratch.clone(), ..Options::default() };
    let observer = &mut Quiet;
    let said = listen();
    let mut swarm = bench::swarm::prepare(&configuration, &options, observer, stop)?;
    ensure!(!swarm.takes_uploads(), "{} starts with an upload: it has no such transfer", args.system);
    swarm.offer(observer, stop)?;
    let pids: Vec<String> = swarm.nodes().map(|node| node.pid.to_string()).collect();
    say(&format!("ready {}", pids.join(" ")))?;
    if !is_told(&said, stop)? {
        bail!("the input ended before the transfer began");
    }
    let begun_ns = now_ns();
    let transfers = swarm.transfer(observer, stop)?;
    // When it was complete, not when that was heard.
    let took_ns = transfers.iter().map(|transfer| transfer.completed_ns.saturating_sub(begun_ns)).max();
    say(&format!("done {} {}", args.size, took_ns.context("no node downloads")?))?;
    is_told(&said, stop)?;
    if let Some(check) = swarm.verify(stop)?.into_iter().find(|check| !check.is_equal) {
        bail!("{} received another file than was sent: its checksum differs", check.label);
    }
    swarm.finish()
}

fn say(line: &str) -> Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("write to the standard output")
}

/// Whether a line came; not so where the input ended.
fn is_told(said: &Receiver<String>, stop: &AtomicBool) -> Result<bool> {
    loop {
        match said.recv_timeout(LOOK_INTERVAL) {
            Ok(_) => return Ok(true),
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
            Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => {
                return Err(Interrupted.into());
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// The lines of the input, read by a thread: a read cannot be ended by a signal that was handled.
fn listen() -> Receiver<String> {
    let (lines, said) = mpsc::channel();
    thread::spawn(move || {
        io::stdin().lock().lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
    });
    said
}

/// Says nothing: whoever started this has a display of its own.
struct Quiet;

impl Observer for Quiet {
    fn transfer_requested(&mut self, _transfer: &TransferRequest) -> Result<()> {
        Ok(())
    }

    fn milestone(&mut self, _milestone: &AppMilestone) -> Result<()> {
        Ok(())
    }

    fn progress(&mut self, _label: &str, _bytes: u64, _of: u64) {}

    fn step(&mut self, _step: &str) {}
}
