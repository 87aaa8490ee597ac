//! One run: a load starts, a tool watches it, the load does its work, both end.

use std::{
    fs,
    path::Path,
    process::Child,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use super::{
    child,
    load::{Length, Load},
    proc,
    tool::{self, Tool},
};

/// A tool watches once it holds links or perf events, and no more of them come for this long.
const SETTLED: Duration = Duration::from_millis(300);
/// From a load that is up to its word to go, whoever watches. A swarm that has just met does not do what one does that
/// has idled: by this time alone Deluge moved 251 to 551 MB/s, and a run without a tool, which need not wait for one,
/// was not comparable.
const GO_AFTER: Duration = Duration::from_secs(3);
const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(30);
const KILLED: &str = "unknown: killed, because it did not end after Ctrl-C";
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// A row of `rounds.csv`.
#[derive(Serialize, Clone, Debug)]
pub struct Row {
    pub load: Load,
    pub round: usize,
    /// Place in the round, counted from 1.
    pub place: usize,
    pub tool: Tool,
    pub bytes: u64,
    pub seconds: f64,
    pub bytes_per_s: f64,
    /// CPU time of the whole machine while the load worked.
    pub machine_cpu_s: f64,
    /// CPU time of the tool's own threads while the load worked.
    pub tool_cpu_s: f64,
    /// The same, from the tool's start to its end.
    pub tool_cpu_whole_s: f64,
    pub tool_anon_peak_bytes: u64,
    /// BPF maps, which are the kernel's memory.
    pub tool_map_bytes: u64,
    /// `None` if the tool was killed before it could say.
    pub events_lost: Option<u64>,
    pub events_lost_detail: String,
}

/// Makes a run, with its files in `folder`, which is emptied before.
pub fn run(
    load: Load,
    tool: Tool,
    (round, place): (usize, usize),
    profiler: &Path,
    folder: &Path,
) -> Result<Row> {
    empty(folder)?;
    let mut waiting = load.start(Length::Round, profiler, folder)?;
    let is_up = Instant::now();
    let watcher = Watcher::start(tool, profiler, &waiting.pids, folder)?;
    let rest = GO_AFTER.checked_sub(is_up.elapsed());
    thread::sleep(rest.with_context(|| {
        format!("{tool} needed more than {} s to watch: its run is not comparable", GO_AFTER.as_secs())
    })?);
    let (machine_before, tool_before) = (proc::machine_cpu_s()?, watcher.cpu_s());
    let done = waiting.go()?;
    let (machine_after, tool_after) = (proc::machine_cpu_s()?, watcher.cpu_s());
    let used = watcher.stop(tool, folder)?;
    waiting.end()?;
    let losses = if used.was_killed { None } else { Some(tool.losses(folder)?) };
    Ok(Row {
        load,
        round,
        place,
        tool,
        bytes: done.bytes,
        seconds: done.seconds,
        bytes_per_s: done.bytes as f64 / done.seconds,
        machine_cpu_s: machine_after - machine_before,
        tool_cpu_s: tool_after - tool_before,
        tool_cpu_whole_s: used.cpu_s,
        tool_anon_peak_bytes: used.anon_peak_bytes,
        tool_map_bytes: used.map_bytes,
        events_lost: losses.as_ref().map(|losses| losses.events),
        events_lost_detail: losses.map_or_else(|| KILLED.to_owned(), |losses| losses.detail),
    })
}

/// A tool that watches, and a thread that looks at its memory. Dropping it kills the tool.
pub struct Watcher {
    child: Option<Child>,
    peak: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

/// What a tool used from its start to its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    pub cpu_s: f64,
    pub anon_peak_bytes: u64,
    pub map_bytes: u64,
    pub was_killed: bool,
}

impl Watcher {
    /// Starts a tool, and returns once it watches.
    pub fn start(tool: Tool, profiler: &Path, pids: &[u32], folder: &Path) -> Result<Self> {
        let command = tool.command(profiler, pids, folder)?;
        Self::of(command, folder).with_context(|| format!("start {tool}"))
    }

    /// The same with a command of its own, or none.
    pub fn of(command: Option<std::process::Command>, folder: &Path) -> Result<Self> {
        let mut watcher = Self { child: None, peak: Arc::default(), is_over: Arc::default() };
        let Some(mut command) = command else {
            // At this process instead: looking costs the load something, too.
            watcher.look_at(std::process::id());
            return Ok(watcher);
        };
        child::ends_with_parent(&mut command, libc::SIGKILL);
        let child = command.spawn().context("run it")?;
        let pid = child.id();
        watcher.child = Some(child);
        watcher.look_at(pid);
        let child = watcher.child.as_mut().context("it was just started")?;
        let started = Instant::now();
        let (mut watching, mut since) = (0, Instant::now());
        while watching == 0 || since.elapsed() < SETTLED {
            if let Some(status) = child.try_wait()? {
                bail!("it ended early ({status}): {}", tool::written(folder, "err")?.trim());
            }
            if started.elapsed() > START_LIMIT {
                bail!("it watches nothing after {} s", START_LIMIT.as_secs());
            }
            thread::sleep(LOOK_INTERVAL);
            let now = proc::watching(pid);
            if now != watching {
                (watching, since) = (now, Instant::now());
            }
        }
        Ok(watcher)
    }

    /// Keeps the peak of a process's memory.
    fn look_at(&self, pid: u32) {
        let (peak, is_over) = (Arc::clone(&self.peak), Arc::clone(&self.is_over));
        thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                peak.fetch_max(proc::anon_bytes(pid), Ordering::Relaxed);
                thread::sleep(LOOK_INTERVAL);
            }
        });
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub fn cpu_s(&self) -> f64 {
        // Read without a tool, too: reading costs the load something.
        let cpu_s = proc::process_cpu_s(self.pid().unwrap_or_else(std::process::id));
        if self.child.is_some() { cpu_s } else { 0.0 }
    }

    /// Ends the tool as Ctrl-C does, and waits until it has written everything.
    pub fn stop(mut self, tool: Tool, folder: &Path) -> Result<Used> {
        let Some(child) = &self.child else { return Ok(Used::default()) };
        let map_bytes = proc::map_bytes(child.id());
        child::signal(child, libc::SIGINT);
        let child::Ended { status, cpu_s, was_killed } = child::wait(child, STOP_LIMIT, &tool.to_string())?;
        self.child = None;
        // Of our own tool that is a fault. What others cost while the load worked is known nevertheless.
        if was_killed && tool.is_ours() {
            bail!("{tool} did not end within {} s of Ctrl-C", STOP_LIMIT.as_secs());
        }
        // perf ends by the signal that it was sent.
        let is_interrupted = std::os::unix::process::ExitStatusExt::signal(&status) == Some(libc::SIGINT);
        if !was_killed && !status.success() && !is_interrupted && status.code() != Some(128 + libc::SIGINT) {
            bail!("{tool} failed ({status}): {}", tool::written(folder, "err")?.trim());
        }
        Ok(Used { cpu_s, anon_peak_bytes: self.peak.load(Ordering::Relaxed), map_bytes, was_killed })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub fn empty(folder: &Path) -> Result<()> {
    let remake = || {
        fs::remove_dir_all(folder)?;
        fs::create_dir(folder)
    };
    remake().with_context(|| format!("empty {}", folder.display()))
}
