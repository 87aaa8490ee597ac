//! The command that a recording starts: held back until it is a target, gone when the recording is.

use std::{
    io::{Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::{self, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

/// How long a command may take to end after it was asked to.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the held-back command is told.
const GO: u8 = 1;
const NO_GO: u8 = 2;

/// A running command. Dropping it ends it.
pub struct Child(process::Child);

impl Child {
    /// Starts a command with this standard output, and lets it execute only after `register` has made its process a
    /// target.
    pub fn start(
        command: &[String],
        stdout: Stdio,
        register: impl FnOnce(u32) -> Result<()> + Send,
    ) -> Result<Self> {
        let (mut pid_reader, pid_writer) = std::io::pipe().context("make a pipe")?;
        let (go_reader, mut go_writer) = std::io::pipe().context("make a pipe")?;
        let mut prepared = Command::new(&command[0]);
        prepared.args(&command[1..]).stdout(stdout);
        let (pid_fd, go_fd) = (OwnedFd::from(pid_writer), OwnedFd::from(go_reader));
        // SAFETY: the closure only makes system calls.
        unsafe {
            prepared.pre_exec(move || {
                // A killed profiler takes its command along.
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                let pid = libc::getpid().to_ne_bytes();
                libc::write(pid_fd.as_raw_fd(), pid.as_ptr().cast(), pid.len());
                let mut answer = 0u8;
                libc::read(go_fd.as_raw_fd(), (&raw mut answer).cast(), 1);
                if answer == GO { Ok(()) } else { Err(std::io::ErrorKind::Interrupted.into()) }
            });
        }
        // `spawn` returns after the exec, which waits for the registration: that needs another thread. It is
        // not the one that spawns, because the parent-death signal follows the spawning thread.
        let (spawned, registered) = thread::scope(|scope| {
            let registrar = scope.spawn(move || {
                let mut pid = [0; 4];
                pid_reader.read_exact(&mut pid).context("the command did not start")?;
                let registered = register(u32::from_ne_bytes(pid));
                go_writer.write_all(&[if registered.is_ok() { GO } else { NO_GO }])?;
                registered
            });
            let spawned = prepared.spawn();
            // Closes this side of the pipe, so that the registrar does not wait where the fork failed.
            drop(prepared);
            (spawned, registrar.join().expect("registering does not panic"))
        });
        let child = spawned.with_context(|| format!("run {}: is it installed and in PATH?", command[0]));
        registered.and_then(|()| child.map(Self))
    }

    /// Its process id if it has ended and [`Self::poll`] has not said so yet: until then /proc knows its totals.
    pub fn ended(&self) -> Option<u32> {
        let pid = self.0.id();
        // SAFETY: any bytes are a siginfo, which the call writes to.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let how = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: the siginfo lives through the call, which leaves the process to be waited for.
        let found = unsafe { libc::waitid(libc::P_PID, pid, &raw mut info, how) } == 0;
        // SAFETY: the call has filled it in, or left it zero where nothing has ended.
        (found && unsafe { info.si_pid() } != 0).then_some(pid)
    }

    /// The status of a command that has ended.
    pub fn poll(&mut self) -> Result<Option<ExitStatus>> {
        self.0.try_wait().context("wait for the command")
    }

    /// Waits until the command has ended, or until `stop`.
    pub fn wait(&mut self, stop: &AtomicBool) -> Result<()> {
        while self.poll()?.is_none() && !stop.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        if matches!(self.0.try_wait(), Ok(None)) {
            // SAFETY: the process has not been waited for, so the id is still its own.
            unsafe { libc::kill(self.0.id() as i32, libc::SIGTERM) };
        }
        while matches!(self.0.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.0.kill();
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}
