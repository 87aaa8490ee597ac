//! `profiler toggle`, or its control, which is asked in lines: see `profiler/src/commands/toggle.rs`.

use std::{
    io::{self, Write as _},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::Receiver,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::{child, load, proc::CpuClock, tool::Tool};

const PATIENCE: Duration = Duration::from_secs(30);
const CAPTURE: &str = "toggled.capture";

/// Dropping it ends it.
pub struct Toggler {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<io::Result<String>>,
    pub cpu: CpuClock,
}

/// What the kernel counted of a program.
#[derive(Deserialize, Clone, Debug)]
pub struct Runs {
    pub program: String,
    pub runs: u64,
    pub run_ns: u64,
}

impl Toggler {
    /// Starts it with everything loaded and nothing attached, or all but the probes of a family.
    pub fn start(tool: Tool, family: Option<&str>, profiler: &Path, folder: &Path) -> Result<Self> {
        let mut command = Command::new(profiler);
        command.arg("toggle").arg("--output").arg(folder.join(CAPTURE));
        match tool {
            Tool::Profiler => drop(command.args(["--probes", "all"])),
            Tool::ProfilerCounters => drop(command.args(["--probes", "counters"])),
            _ => {}
        }
        if let Some(family) = family.filter(|_| tool.is_ours()) {
            command.args(["--family", family]);
        }
        child::ends_with_parent(&mut command, libc::SIGKILL);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start `profiler toggle`")?;
        let lines = load::lines(child.stdout.take().context("it has no output")?);
        let cpu = CpuClock::of(child.id())?;
        let toggler = Self { input: child.stdin.take(), child, lines, cpu };
        load::rest(&toggler.lines, "ready", PATIENCE)?;
        Ok(toggler)
    }

    /// Has it do something; returns when that is done.
    pub fn ask(&mut self, line: &str) -> Result<()> {
        let answer = self.answer(line)?;
        ensure!(answer == line, "`profiler toggle` answers `{answer}` to `{line}`");
        Ok(())
    }

    /// What the programs' runs take while they are attached.
    pub fn runs(&mut self) -> Result<Vec<Runs>> {
        serde_json::from_str(&self.answer("runs")?).context("read the counted runs")
    }

    fn answer(&mut self, line: &str) -> Result<String> {
        let input = self.input.as_mut().context("it has no input")?;
        input.write_all(format!("{line}\n").as_bytes()).context("ask `profiler toggle`")?;
        load::rest(&self.lines, "", PATIENCE)
    }
}

impl Drop for Toggler {
    fn drop(&mut self) {
        drop(self.input.take());
        if child::wait(&self.child, PATIENCE, "`profiler toggle`").is_err() {
            let _ = self.child.kill();
        }
    }
}
