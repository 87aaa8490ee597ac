//! Programs of others while they run: started inside a namespace, watched, and killed at the end.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow, bail};
use rustix::io::Errno;
use rustix::process::{
    Gid, Pid, Signal, Uid, getpid, getppid, kill_process, kill_process_group, set_parent_process_death_signal,
};
use rustix::thread::{
    LinkNameSpaceType, move_into_link_name_space, set_thread_gid, set_thread_groups, set_thread_uid,
};

use super::logs;
use super::program::{Program, User};
use super::throttle::Throttle;
use crate::bench::hosts::namespace::Namespace;
use crate::bench::wait::{self, Interrupted};

const LOG_LINES_SHOWN: usize = 8;
/// Of each: nodes of Codex log records of hundreds of characters.
const LOG_CHARS_SHOWN: usize = 160;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// User and group id of nobody: the kernel's own number for "no one of this system".
const NOBODY: u32 = 65534;

/// A running program. Dropping it kills the program and all of its children.
pub struct ChildProcess {
    /// What errors call it: `transmission-daemon of leecher-1`.
    name: String,
    child: Child,
    /// Whether it may end by itself, with success.
    pub may_end: bool,
    log: PathBuf,
}

impl ChildProcess {
    /// Starts a program inside a namespace, and a control group if there is one, with its output in `home/log` and an environment of its own.
    ///
    /// The program is killed when the calling thread ends (PR_SET_PDEATHSIG goes by thread): that thread has
    /// to live as long as the run.
    pub fn start(
        program: &Program,
        arguments: Vec<OsString>,
        label: &str,
        namespace: &Namespace,
        throttle: Option<&Throttle>,
        home: &Path,
    ) -> Result<Self> {
        let name = format!("{} of {label}", program.name);
        let log = home.join(logs::LOG);
        let output = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let mut command = Command::new(program.find()?);
        command
            .args(arguments)
            .current_dir(home)
            // The user's environment may name a proxy, which the clients would ask for the tracker.
            .env_clear()
            .env("HOME", home)
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("duplicate a file descriptor")?)
            .stderr(output)
            // Ctrl-C on the terminal is for the benchmark, which then ends its daemons in order.
            .process_group(0);
        let namespace = namespace.try_clone()?;
        let (user, parent) = (program.user, getpid());
        let group = throttle.map(|throttle| throttle.procs.try_clone()).transpose();
        let group = group.context("duplicate a file descriptor")?;
        // SAFETY: the closure makes system calls only. It neither allocates nor takes locks.
        unsafe { command.pre_exec(move || become_daemon(&namespace, group.as_ref(), user, parent)) };
        let child = command.spawn().with_context(|| format!("start {name}"))?;
        Ok(Self { name, child, may_end: false, log })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error with the end of its log, if the program has ended.
    pub fn check_running(&mut self) -> Result<()> {
        self.check_status().map_err(|error| self.explain(error))
    }

    /// The same, if it ends within `limit`.
    pub fn check_running_for(&mut self, limit: Duration) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < limit {
            self.check_running()?;
            thread::sleep(BETWEEN_LOOKS);
        }
        self.check_running()
    }

    /// Waits until the program does something, which `what` names: "listens". Each attempt must be short.
    pub fn wait_until<T>(
        &mut self,
        what: &str,
        limit: Duration,
        stop: &AtomicBool,
        mut attempt: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let what = format!("{} {what}", self.name);
        let value = wait::until(&what, limit, stop, || {
            self.check_status()?;
            attempt()
        });
        value.map_err(|error| self.explain(error))
    }

    /// Adds the end of the program's log to an error, unless the error is the user's wish to stop.
    pub fn explain(&self, error: Error) -> Error {
        if error.is::<Interrupted>() {
            return error;
        }
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        let shown = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].iter().map(|line| {
            match line.char_indices().nth(LOG_CHARS_SHOWN) {
                Some((end, _)) => format!("\n  {}…", &line[..end]),
                None => format!("\n  {line}"),
            }
        });
        match lines.is_empty() {
            true => anyhow!("{error:#}\nThe log of {} is empty.", self.name),
            false => anyhow!("{error:#}\nThe log of {} ends with:{}", self.name, shown.collect::<String>()),
        }
    }

    /// Asks the program to end, and waits until it has.
    pub fn end(&mut self, signal: Signal, limit: Duration, stop: &AtomicBool) -> Result<()> {
        if let (Ok(None), Some(pid)) = (self.child.try_wait(), Pid::from_raw(self.pid() as i32)) {
            kill_process(pid, signal).with_context(|| format!("end {}", self.name))?;
        }
        let ended = wait::until(&format!("{} ends", self.name), limit, stop, || {
            self.child.try_wait().with_context(|| format!("look at {}", self.name))
        });
        ended.map(drop).map_err(|error| self.explain(error))
    }

    fn check_status(&mut self) -> Result<()> {
        match self.child.try_wait().with_context(|| format!("look at {}", self.name))? {
            None => Ok(()),
            Some(status) if self.may_end && status.success() => Ok(()),
            Some(status) => bail!("{} ended early ({status})", self.name),
        }
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // Once it is reaped its number may belong to another group. Its children are found by namespace.
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // Not SIGTERM: clients take seconds to say goodbye to their tracker, and their files are not kept.
        if let Some(group) = Pid::from_raw(self.pid() as i32) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// What the child does between fork and exec.
fn become_daemon(namespace: &Namespace, group: Option<&File>, user: User, parent: Pid) -> io::Result<()> {
    if let Some(mut procs) = group {
        // 0 is whoever writes it.
        procs.write_all(b"0")?;
    }
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    if user == User::Nobody {
        set_thread_groups(&[])?;
        set_thread_gid(Gid::from_raw(NOBODY))?;
        set_thread_uid(Uid::from_raw(NOBODY))?;
    }
    // Last, because a change of user takes the signal back.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have died before the line above.
    if getppid() != Some(parent) {
        return Err(Errno::SRCH.into());
    }
    Ok(())
}
