//! What is watched: a transfer that waits for a word, does its work, and tells how much and how long.

use std::{
    env,
    fmt::{self, Display},
    io::{self, BufRead as _, BufReader, Read, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use serde::Serialize;

use super::child;

/// How long a load may take to be up, to do its work, and to end after its input has.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same for a swarm to be up and to do its work: longer than the 3 min after which it gives up itself, and says why.
const SWARM_PATIENCE: Duration = Duration::from_secs(240);
const PACE_BYTES_PER_S: f64 = 1e9;
const DATAGRAM: usize = 1400;
/// Rounds of work before each datagram, some 2.6 ns each.
const WORK: u32 = 2800;
const BITTORRENT: &str = "deluge-tcp";

/// How much a load does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So that 20 rounds of everything take some 30 minutes.
    Round,
    /// So that several of the profiler's windows of statistics, one every 2 s, are within it.
    Windows,
}

impl Length {
    fn stream_s(self) -> f64 {
        match self {
            Self::Round => 1.5,
            Self::Windows => 6.0,
        }
    }

    fn file_size(self) -> &'static str {
        match self {
            Self::Round => "256MiB",
            Self::Windows => "2GiB",
        }
    }
}

#[derive(Serialize, ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Load {
    /// TCP on loopback in calls of 16 KiB, as fast as it goes
    #[value(name = "stream-16k")]
    #[serde(rename = "stream-16k")]
    Stream16k,
    /// TCP on loopback in calls of 64 KiB, paced to 1 GB/s
    #[value(name = "stream-64k")]
    #[serde(rename = "stream-64k")]
    Stream64k,
    /// UDP on loopback in datagrams of 1400 bytes, as fast as it goes
    Datagrams,
    /// The same, each after some 7 µs of the sender's own work: the receiver sleeps for nearly each
    #[value(name = "datagrams-90k")]
    #[serde(rename = "datagrams-90k")]
    Datagrams90k,
    /// One seeder and one leecher in network namespaces
    Bittorrent,
}

/// A load that is up, and does nothing yet. Dropping it ends it.
pub struct Waiting {
    pub pids: Vec<u32>,
    child: Child,
    lines: Receiver<io::Result<String>>,
    limit: Duration,
}

/// What a load did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Done {
    pub bytes: u64,
    pub seconds: f64,
}

impl Load {
    /// What it does, for people.
    pub fn description(self) -> String {
        let stream_s = Length::Round.stream_s();
        match self {
            Self::Stream16k => {
                format!("one TCP stream on loopback in calls of 16 KiB, unpaced, {stream_s} s")
            }
            Self::Stream64k => {
                format!("one TCP stream on loopback in calls of 64 KiB, paced to 1 GB/s, {stream_s} s")
            }
            Self::Datagrams => {
                format!("datagrams of {DATAGRAM} bytes, one way on loopback, unpaced, {stream_s} s")
            }
            Self::Datagrams90k => format!(
                "datagrams of {DATAGRAM} bytes, one way on loopback, each after {WORK} multiplications, {stream_s} s"
            ),
            Self::Bittorrent => {
                let size = Length::Round.file_size();
                format!("one seeder, one leecher of {BITTORRENT}, {size}, in network namespaces")
            }
        }
    }

    /// How long a run takes with a tool, from its start to its end.
    pub fn estimate_s(self) -> f64 {
        match self {
            Self::Stream16k | Self::Stream64k | Self::Datagrams | Self::Datagrams90k => {
                Length::Round.stream_s() + 3.3
            }
            Self::Bittorrent => 8.0,
        }
    }

    fn patience(self) -> Duration {
        match self {
            Self::Stream16k | Self::Stream64k | Self::Datagrams | Self::Datagrams90k => PATIENCE,
            Self::Bittorrent => SWARM_PATIENCE,
        }
    }

    /// Starts it, up to where it waits for its word.
    pub fn start(self, length: Length, profiler: &Path, scratch: &Path) -> Result<Waiting> {
        let mut command = match self {
            Self::Bittorrent => {
                let mut command = Command::new(profiler);
                command.args(["transfer", "--system", BITTORRENT, "--size", length.file_size()]);
                command.arg("--scratch").arg(scratch);
                command
            }
            stream => stream.stream(length.stream_s())?,
        };
        self.spawn(&mut command)
    }

    /// Whether it can go on for as long as it is measured, and count meanwhile.
    pub fn is_endless(self) -> bool {
        self != Self::Bittorrent
    }

    /// Starts it so that it goes on until it is dropped, and counts what is received.
    pub fn start_endless(self, counter: &Path) -> Result<Waiting> {
        const ENDLESS_S: f64 = 1e6;
        let mut command = self.stream(ENDLESS_S)?;
        command.arg("--counter").arg(counter);
        self.spawn(&mut command)
    }

    fn spawn(self, command: &mut Command) -> Result<Waiting> {
        // SIGTERM, after which the swarm removes its nodes and networks.
        child::ends_with_parent(command, libc::SIGTERM);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {self}"))?;
        let lines = lines(child.stdout.take().context("the load has no output")?);
        let mut waiting = Waiting { pids: Vec::new(), child, lines, limit: self.patience() };
        waiting.pids = pids(&waiting.line("ready")?).with_context(|| format!("{self} names no processes"))?;
        Ok(waiting)
    }

    fn stream(self, seconds: f64) -> Result<Command> {
        let mut command = Command::new(env::current_exe().context("find this program")?);
        let call = match self {
            Self::Stream64k => 64 << 10,
            Self::Datagrams | Self::Datagrams90k => DATAGRAM,
            Self::Stream16k | Self::Bittorrent => 16 << 10,
        };
        command.args(["overhead-stream", "--call", &call.to_string(), "--seconds", &seconds.to_string()]);
        match self {
            Self::Stream64k => drop(command.args(["--bytes-per-s", &PACE_BYTES_PER_S.to_string()])),
            Self::Datagrams => drop(command.arg("--datagrams")),
            Self::Datagrams90k => drop(command.args(["--datagrams", "--work", &WORK.to_string()])),
            Self::Stream16k | Self::Bittorrent => {}
        }
        Ok(command)
    }
}

impl Waiting {
    /// Has it begin.
    pub fn begin(&mut self) -> Result<()> {
        let input = self.child.stdin.as_mut().context("the load has no input")?;
        input.write_all(b"go\n").context("tell the load")
    }

    /// Has it do its work. Its processes stay until [`end`](Self::end).
    pub fn go(&mut self) -> Result<Done> {
        self.begin()?;
        done(&self.line("done")?).context("the load does not say what it did")
    }

    pub fn end(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        let ended = child::wait(&self.child, PATIENCE, "the load")?;
        ensure!(!ended.was_killed, "the load did not end within {} s", PATIENCE.as_secs());
        ensure!(ended.status.success(), "the load failed: {}", ended.status);
        Ok(())
    }

    fn line(&self, word: &str) -> Result<String> {
        rest(&self.lines, word, self.limit)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            child::signal(&self.child, libc::SIGTERM);
            let _ = child::wait(&self.child, PATIENCE, "the load");
        }
    }
}

impl Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream16k => "stream-16k",
            Self::Stream64k => "stream-64k",
            Self::Datagrams => "datagrams",
            Self::Datagrams90k => "datagrams-90k",
            Self::Bittorrent => "bittorrent",
        })
    }
}

/// The lines of a load, which a thread reads, because reading itself has no limit.
pub fn lines(output: impl Read + Send + 'static) -> Receiver<io::Result<String>> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || BufReader::new(output).lines().try_for_each(|line| sender.send(line)));
    lines
}

/// What follows `word` in the next line, for which it waits as long as `limit`.
pub fn rest(lines: &Receiver<io::Result<String>>, word: &str, limit: Duration) -> Result<String> {
    let line = match lines.recv_timeout(limit) {
        Ok(line) => line.context("read what the load says")?,
        Err(RecvTimeoutError::Timeout) => bail!("the load was not {word} within {} s", limit.as_secs_f64()),
        Err(RecvTimeoutError::Disconnected) => {
            bail!("the load ended before it was {word}: its error is above")
        }
    };
    let rest = line.strip_prefix(word).with_context(|| format!("the load says `{line}`, not `{word} …`"))?;
    Ok(rest.trim().to_owned())
}

fn pids(line: &str) -> Option<Vec<u32>> {
    let pids: Option<Vec<u32>> = line.split_whitespace().map(|pid| pid.parse().ok()).collect();
    pids.filter(|pids| !pids.is_empty())
}

fn done(line: &str) -> Option<Done> {
    let (bytes, nanos) = line.split_once(' ')?;
    Some(Done { bytes: bytes.parse().ok()?, seconds: nanos.parse::<u64>().ok()? as f64 / 1e9 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_speaks_in_lines() {
        assert_eq!(pids("17 18"), Some(vec![17, 18]));
        assert_eq!(pids(""), None);
        assert_eq!(pids("17 x"), None);
        assert_eq!(done("4000 2500000000"), Some(Done { bytes: 4000, seconds: 2.5 }));
        assert_eq!(done("4000"), None);
    }

    #[track_caller]
    fn check(output: impl Read + Send + 'static, expected: &str) {
        let found = rest(&lines(output), "ready", Duration::from_millis(300));
        assert_eq!(found.unwrap_or_else(|error| error.to_string()), expected);
    }

    #[test]
    fn a_load_that_says_nothing_is_not_waited_for_for_ever() {
        check(&b"ready 17 18\ndone 1 2\n"[..], "17 18");
        check(&b""[..], "the load ended before it was ready: its error is above");
        check(&b"done 1 2\n"[..], "the load says `done 1 2`, not `ready …`");
        // Open, and nobody writes to it.
        let (output, _input) = io::pipe().expect("a pipe");
        check(output, "the load was not ready within 0.3 s");
    }
}
