//! One transfer while it is under way: its thread, and what is known of it so far.

use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};

use super::milestones::{self, NotPassed};
use super::poll::Rhythm;
use super::task::{self, Event, Finished, Job, Outcome, Polling, Task};
use crate::bench::dataset::Sample;
use crate::bench::node::Node;
use crate::bench::observer::{AppMilestone, Observer, TransferRequest};
use capture::Direction;

/// One transfer, as seen by the thread that runs them all.
pub struct Watch {
    pub label: String,
    pid: u32,
    pub node_index: usize,
    direction: Direction,
    pub file_size_bytes: u64,
    start: Sender<()>,
    requested_ns: u64,
    pub last: Sample,
    not_passed: NotPassed,
    /// Whether the node answered the request: a stream's head may never come.
    pub is_answered: bool,
    pub last_advance: Instant,
    pub finished: Option<Finished>,
}

/// A transfer that was completed.
#[derive(Clone, Debug)]
pub struct Transfer {
    pub label: String,
    pub requested_ns: u64,
    /// When the application's answer that showed the whole file had arrived.
    pub completed_ns: u64,
    pub polling: Polling,
    pub outcome: Outcome,
}

impl Watch {
    /// Starts the thread of a transfer. The thread is not waited for: it ends with its transfer, or at
    /// its first word after the channel is closed, or when its node is killed.
    pub fn begin(
        node_index: usize,
        node: &Node,
        job: &Job,
        file_size_bytes: u64,
        rhythm: Rhythm,
        tell: impl Fn(Event) -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let task = Task {
            control: node.driver.control(&node.place),
            namespace: node.host.namespace.try_clone()?,
            job: job.clone(),
            file_size_bytes,
            rhythm,
        };
        let (start, started) = mpsc::channel();
        let label = node.process.label.clone();
        thread::Builder::new()
            .name(format!("follow {label}"))
            .spawn(move || task::follow(task, &started, tell))
            .context("start the thread of a transfer")?;
        Ok(Self {
            label,
            pid: node.process.pid,
            node_index,
            direction: match job {
                // The node receives either way.
                Job::Upload(_) => Direction::Intake,
                Job::Download { .. } => Direction::Download,
            },
            file_size_bytes,
            start,
            requested_ns: 0,
            last: Sample::default(),
            not_passed: NotPassed::default(),
            is_answered: false,
            last_advance: Instant::now(),
            finished: None,
        })
    }

    /// Lets the thread ask for the transfer. Until then it waits.
    pub fn start(&self) -> Result<()> {
        self.start.send(()).with_context(|| format!("start the transfer of {}", self.label))
    }

    /// The thread asked for the transfer.
    pub fn requested(&mut self, at_ns: u64, observer: &mut dyn Observer) -> Result<()> {
        self.requested_ns = at_ns;
        self.last = Sample { requested_ns: at_ns, answered_ns: at_ns, bytes: 0 };
        self.not_passed = NotPassed::since(at_ns);
        self.last_advance = Instant::now();
        observer.transfer_requested(&TransferRequest {
            label: self.label.clone(),
            pid: self.pid,
            direction: self.direction,
            file_size_bytes: self.file_size_bytes,
            requested_ns: at_ns,
        })
    }

    /// The thread has news: tells the observer of the milestones that it shows.
    pub fn sampled(&mut self, sample: Sample, batch_bytes: u64, observer: &mut dyn Observer) -> Result<()> {
        let passed = milestones::passed(&self.last, &sample, self.file_size_bytes, &self.not_passed);
        for passed in passed {
            observer.milestone(&AppMilestone {
                label: self.label.clone(),
                name: passed.name,
                at_ns: passed.at_ns,
                resolution_ns: passed.resolution_ns,
                bytes: passed.bytes,
            })?;
        }
        if sample.bytes > self.last.bytes {
            self.last_advance = Instant::now();
        }
        self.not_passed.learn(&sample, batch_bytes, self.file_size_bytes);
        self.last = sample;
        self.is_answered = true;
        Ok(())
    }

    /// The result, if the thread saw the transfer to its end.
    pub fn completed(self) -> Option<Transfer> {
        let Finished { polling, outcome } = self.finished?;
        Some(Transfer {
            label: self.label,
            requested_ns: self.requested_ns,
            completed_ns: self.last.answered_ns,
            polling,
            outcome,
        })
    }
}
