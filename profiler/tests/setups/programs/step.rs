//! What a program does between two blocks on its socket.

use std::{
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{EventfdFlags, eventfd},
    io::{read, write},
};
use serde::{Deserialize, Serialize};

use super::{direct::DirectFile, socket::Socket, spinner::compute};
use crate::log::{Log, State};

#[derive(Serialize, Deserialize, Clone, Debug)]
pub enum Step {
    Nothing,
    /// So long after whatever was before.
    Sleep(Duration),
    /// Until the next multiple of so much has passed since the start.
    SleepUntilEvery(Duration),
    /// SHA-256, for so much CPU time.
    Compute(Duration),
    /// The next block of a file, past the page cache.
    Read(PathBuf),
    /// The same, but another thread reads, and tells the event loop through an eventfd.
    HaveRead(PathBuf),
}

/// A step with what it keeps from one time to the next.
pub enum Stepper {
    Nothing,
    Sleep(Duration),
    SleepUntilEvery { period: Duration, next: Option<Instant> },
    Compute(Duration),
    Read(DirectFile),
    HaveRead(Worker),
}

pub struct Worker {
    requests: SyncSender<()>,
    done: Arc<OwnedFd>,
    log: Receiver<Log>,
}

impl Stepper {
    pub fn new(step: Step, block_bytes: usize) -> Self {
        match step {
            Step::Nothing => Self::Nothing,
            Step::Sleep(time) => Self::Sleep(time),
            Step::SleepUntilEvery(period) => Self::SleepUntilEvery { period, next: None },
            Step::Compute(time) => Self::Compute(time),
            Step::Read(path) => Self::Read(DirectFile::open(&path, block_bytes)),
            Step::HaveRead(path) => Self::HaveRead(Worker::start(DirectFile::open(&path, block_bytes))),
        }
    }

    /// Once, before the first step.
    pub fn begin(&self, socket: &Socket) {
        if let Self::HaveRead(worker) = self {
            socket.also_watch(&*worker.done);
        }
    }

    pub fn act(&mut self, socket: &Socket, log: &mut Log) {
        match self {
            Self::Nothing => {}
            Self::Sleep(time) => {
                socket.pause(*time);
                log.did(State::Sleep, 0);
            }
            Self::SleepUntilEvery { period, next } => {
                let now = Instant::now();
                let due = next.unwrap_or(now) + *period;
                *next = Some(due);
                socket.pause(due.saturating_duration_since(now));
                log.did(State::Sleep, 0);
            }
            Self::Compute(time) => {
                compute(*time);
                log.did(State::Compute, 0);
            }
            Self::Read(file) => {
                let bytes = file.read().len();
                log.did(State::Read, bytes);
            }
            Self::HaveRead(worker) => {
                worker.requests.send(()).expect("the worker runs");
                // Non-blocking: fails until the worker has added to it.
                while read(&*worker.done, &mut [0; 8]).is_err() {
                    socket.wait_for_any();
                }
                log.did(State::WaitForWorker, 0);
            }
        }
    }

    /// Ends what the step has started.
    pub fn finish(self, log: &mut Log) {
        if let Self::HaveRead(worker) = self {
            drop(worker.requests);
            log.append(worker.log.recv().expect("the worker ends"));
        }
    }
}

impl Worker {
    fn start(mut file: DirectFile) -> Self {
        let done = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).expect("make an eventfd");
        let done = Arc::new(done);
        let (requests, requested) = mpsc::sync_channel(1);
        let (give_log, log) = mpsc::sync_channel(1);
        let tell = Arc::clone(&done);
        let work = move || {
            let mut log = Log::begin();
            for () in requested {
                // Since the block before.
                log.did(State::Sleep, 0);
                let bytes = file.read().len();
                log.did(State::Read, bytes);
                write(&*tell, &1u64.to_ne_bytes()).expect("tell the event loop");
            }
            // Nobody asks if the program failed.
            let _ = give_log.send(log);
        };
        thread::Builder::new().name("disk-worker".to_owned()).spawn(work).expect("start the worker");
        Self { requests, done, log }
    }
}
