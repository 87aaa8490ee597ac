//! Who watches: command lines that follow the same processes, and what each says of its losses.

use std::{
    fmt::{self, Display},
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use serde::Serialize;

use super::losses::{self, Losses};
use crate::command;

/// The events of `perf sched record` that say who ran, slept and was woken.
const SCHEDULER: &str = "sched:sched_switch,sched:sched_waking,sched:sched_wakeup,sched:sched_wakeup_new,\
                         sched:sched_migrate_task,sched:sched_process_fork";
const PERF_DATA: &str = "perf.data";
const CAPTURE: &str = "run.capture";

#[derive(Serialize, ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    /// No tool: what the others are compared with
    Nothing,
    /// `profiler record`
    Profiler,
    /// `profiler record --probes counters`
    ProfilerCounters,
    /// One script: bytes by process, time off the CPU, block I/O
    Bpftrace,
    /// `perf record` of the scheduler's events
    PerfRecord,
    /// `perf trace -s`
    PerfTrace,
}

impl Tool {
    /// Debian's package, program and version option of a tool that is not ours.
    fn program(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Nothing | Self::Profiler | Self::ProfilerCounters => None,
            Self::Bpftrace => Some(("bpftrace", "bpftrace")),
            Self::PerfRecord | Self::PerfTrace => Some(("perf", "linux-perf")),
        }
    }

    pub fn is_ours(self) -> bool {
        matches!(self, Self::Profiler | Self::ProfilerCounters)
    }

    /// Why it cannot be used here.
    pub fn obstacle(self) -> Option<String> {
        let (program, package) = self.program()?;
        match command::ask(Command::new(program).arg("--version")) {
            Some(_) => None,
            None => Some(format!("`{program} --version` fails: is the package {package} installed?")),
        }
    }

    pub fn version(self) -> Option<String> {
        let (program, _) = self.program()?;
        command::ask(Command::new(program).arg("--version")).map(|version| version.trim().to_owned())
    }

    /// What it is started with, for people.
    pub fn description(self) -> String {
        match self {
            Self::Nothing => "no tool".to_owned(),
            Self::Profiler => "profiler record --pid … --format json".to_owned(),
            Self::ProfilerCounters => "profiler record --pid … --format json --probes counters".to_owned(),
            Self::Bpftrace => script(&[1, 2]),
            Self::PerfRecord => format!("perf record -a -e {SCHEDULER}"),
            Self::PerfTrace => "perf trace -s -p …".to_owned(),
        }
    }

    /// The command that follows `pids`, with files and output in `folder`.
    pub fn command(self, profiler: &Path, pids: &[u32], folder: &Path) -> Result<Option<Command>> {
        let list: Vec<String> = pids.iter().map(u32::to_string).collect();
        let mut command = match self {
            Self::Nothing => return Ok(None),
            Self::Profiler | Self::ProfilerCounters => {
                let mut command = Command::new(profiler);
                command.arg("record").args(list.iter().flat_map(|pid| ["--pid", pid]));
                command.args(["--format", "json", "--output", CAPTURE]);
                if self == Self::ProfilerCounters {
                    command.args(["--probes", "counters"]);
                }
                command
            }
            Self::Bpftrace => {
                let file = folder.join("script.bt");
                fs::write(&file, script(pids)).with_context(|| format!("write {}", file.display()))?;
                let mut command = Command::new("bpftrace");
                command.arg("script.bt");
                command
            }
            Self::PerfRecord => {
                let mut command = Command::new("perf");
                command.args(["record", "-q", "-a", "-o", PERF_DATA, "-e", SCHEDULER]);
                command
            }
            Self::PerfTrace => {
                let mut command = Command::new("perf");
                command.args(["trace", "-s", "-p", &list.join(",")]);
                command
            }
        };
        let output = |name: &str| {
            fs::File::create(folder.join(name))
                .with_context(|| format!("create {name} in the scratch folder"))
        };
        command.current_dir(folder).stdin(Stdio::null()).stdout(output("out")?).stderr(output("err")?);
        Ok(Some(command))
    }

    /// What the tool, which has ended, says it lost.
    pub fn losses(self, folder: &Path) -> Result<Losses> {
        Ok(match self {
            Self::Nothing => Losses::default(),
            Self::Profiler | Self::ProfilerCounters => losses::of_profiler(
                &serde_json::from_str(&written(folder, "out")?).context("read the profiler's report")?,
            ),
            Self::Bpftrace => losses::of_bpftrace(&(written(folder, "out")? + &written(folder, "err")?)),
            Self::PerfRecord => {
                let mut report = Command::new("perf");
                report.args(["report", "--stats", "-i", PERF_DATA]).current_dir(folder);
                losses::of_perf_record(&command::ask(&mut report).context("`perf report --stats` failed")?)
            }
            Self::PerfTrace => losses::of_perf_trace(&(written(folder, "out")? + &written(folder, "err")?)),
        })
    }
}

impl Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::Profiler => "profiler",
            Self::ProfilerCounters => "profiler-counters",
            Self::Bpftrace => "bpftrace",
            Self::PerfRecord => "perf-record",
            Self::PerfTrace => "perf-trace",
        })
    }
}

pub fn written(folder: &Path, name: &str) -> Result<String> {
    let bytes = fs::read(folder.join(name)).with_context(|| format!("read {name} in the scratch folder"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The profiler's work as an engineer would write it: only of the processes that are watched, with one filter each.
fn script(pids: &[u32]) -> String {
    let is_watched = pids.iter().map(|pid| format!("pid == {pid}")).collect::<Vec<_>>().join(" || ");
    format!(
        "tracepoint:sock:sock_send_length /{is_watched}/ {{ if (args->ret > 0) {{ @sent[pid] = sum(args->ret); }} }}
tracepoint:sock:sock_recv_length /{is_watched}/ {{
  if (args->ret > 0 && !(args->flags & 2)) {{ @received[pid] = sum(args->ret); }}
}}
tracepoint:sched:sched_switch {{
  if ({is_watched}) {{ @left[args->prev_pid] = nsecs; }}
  $left = @left[args->next_pid];
  if ($left) {{ @off_cpu_us[args->next_pid] = hist((nsecs - $left) / 1000); delete(@left[args->next_pid]); }}
}}
tracepoint:block:block_io_start {{
  @asked[args->dev, args->sector] = nsecs;
  @io_bytes[pid] = sum(args->nr_sector * 512);
}}
tracepoint:block:block_io_done /@asked[args->dev, args->sector]/ {{
  @io_us = hist((nsecs - @asked[args->dev, args->sector]) / 1000);
  delete(@asked[args->dev, args->sector]);
}}
END {{ clear(@left); clear(@asked); }}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_follows_every_process() {
        assert!(script(&[7, 8, 9]).contains("sock_send_length /pid == 7 || pid == 8 || pid == 9/ {"));
    }
}
