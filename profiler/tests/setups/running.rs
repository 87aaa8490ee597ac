//! A program as a process: held back until it is told to go, gone when the test is.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use profiler::bench::hosts::namespace::Namespace;
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::{
    log,
    programs::{self, Launch},
    truth::Truth,
};

/// Dropping it kills it.
pub struct Running {
    child: Child,
    log: PathBuf,
    /// Where it listens.
    pub port: u16,
}

/// No program here takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

impl Running {
    /// Returns when the program has prepared.
    pub fn start(launch: &Launch, namespace: Option<&Namespace>) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("know the own binary"));
        command.arg(programs::ARGUMENT).arg(serde_json::to_string(launch).expect("a launch is JSON"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let namespace = namespace.map(|namespace| namespace.try_clone().expect("keep the namespace"));
        // SAFETY: the closure only makes system calls, unless they fail.
        unsafe {
            command.pre_exec(move || {
                // A killed test takes its programs along.
                set_parent_process_death_signal(Some(Signal::KILL))?;
                namespace.as_ref().map_or(Ok(()), |namespace| namespace.enter().map_err(io::Error::other))
            });
        }
        let child = command.spawn().expect("run this binary again");
        // From here on a failure kills the child.
        let mut running = Self { child, log: launch.log.clone(), port: 0 };
        let mut ready = String::new();
        let output = running.child.stdout.as_mut().expect("standard output is a pipe");
        BufReader::new(output).read_line(&mut ready).expect("wait until the program is ready");
        running.port = ready.trim().parse().expect("the program is ready and says its port");
        running
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn go(&mut self) {
        let mut input = self.child.stdin.take().expect("it has not been told before");
        input.write_all(b"go\n").expect("tell the program to go");
    }

    /// Waits until the program has done its work, and gives its log.
    pub fn finish(mut self) -> Truth {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("wait for the program") {
                break status;
            }
            assert!(Instant::now() < deadline, "the program does not end");
            thread::sleep(Duration::from_millis(5));
        };
        assert!(status.success(), "the program failed: {status}");
        Truth { pid: self.pid(), intervals: log::read(&self.log) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
