//! One transfer on a thread of its own inside the node's namespace: asked for when told to, and followed.

use std::sync::mpsc::Receiver;

use anyhow::{Result, bail};

use super::poll::{self, Rhythm};
use crate::bench::dataset::Dataset;
use crate::bench::dataset::Sample;
use crate::bench::dataset::stream;
use crate::bench::drivers::{Control, Download};
use crate::bench::hosts::namespace::Namespace;
use crate::clock::{now_ns, thread_cpu_ns};

/// What the thread of a transfer tells the thread that runs them all.
pub enum Event {
    /// It is connected, and waits for the start.
    Ready,
    /// It asked for the transfer, right after this time.
    Requested { at_ns: u64 },
    /// What is there, and the bytes by which answers grow.
    Sampled(Sample, u64),
    /// The transfer is complete, or the node failed. Nothing comes after this.
    Ended(Result<Finished>),
}

/// A transfer that is complete.
#[derive(Clone, Debug)]
pub struct Finished {
    pub polling: Polling,
    pub outcome: Outcome,
}

/// What a transfer leaves behind.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The file, in the node's folder.
    Stored,
    /// The file, in a store of the node's own.
    Held,
    /// Its checksum: the file was read and not kept.
    Received { checksum: String },
    /// By what others ask for the file that was uploaded.
    Offered { reference: String },
}

/// What it took to watch one transfer.
#[derive(Clone, Copy, Debug)]
pub struct Polling {
    /// Questions, or reads of the stream, or chunks of the upload.
    pub polls: u64,
    /// CPU time of the thread. The node's own part is in its process.
    pub cpu_ns: u64,
}

/// One transfer to be started and watched.
pub struct Task {
    pub control: Box<dyn Control>,
    pub namespace: Namespace,
    pub job: Job,
    pub file_size_bytes: u64,
    /// For downloads that are polled.
    pub rhythm: Rhythm,
}

#[derive(Clone, Debug)]
pub enum Job {
    Upload(Dataset),
    Download { reference: String },
}

/// Connects, waits for `start`, asks for the transfer, and follows it to its end. Ends early when `tell`
/// fails, because then nobody listens any more.
pub fn follow(mut task: Task, start: &Receiver<()>, tell: impl Fn(Event) -> Result<()>) {
    let ended = run(&mut task, start, &tell);
    // The listener may have given up in the meantime.
    let _ = tell(Event::Ended(ended));
}

fn run(task: &mut Task, start: &Receiver<()>, tell: impl Fn(Event) -> Result<()>) -> Result<Finished> {
    task.namespace.enter()?;
    let control = &mut *task.control;
    // Connects, so that the request below does not have to.
    control.version()?;
    tell(Event::Ready)?;
    start.recv()?;

    let sampled = |sample| tell(Event::Sampled(sample, 1));
    let poll = |control: &mut dyn Control| {
        let batch_bytes = control.batch_bytes();
        let sampled = |sample| tell(Event::Sampled(sample, batch_bytes));
        poll::poll(control, task.file_size_bytes, task.rhythm, sampled)
    };
    let at_ns = now_ns();
    // Told of before: a stream's head may come late.
    tell(Event::Requested { at_ns })?;
    let (polls, outcome) = match &task.job {
        Job::Upload(dataset) => upload(control, dataset, sampled)?,
        Job::Download { reference } => match control.download(reference)? {
            Download::Polled => (poll(control)?, Outcome::Stored),
            Download::Held => (poll(control)?, Outcome::Held),
            Download::Streamed(reader) => {
                let received = stream::receive(reader, task.file_size_bytes, sampled)?;
                (received.reads, Outcome::Received { checksum: received.checksum })
            }
        },
    };
    Ok(Finished { polling: Polling { polls, cpu_ns: thread_cpu_ns() }, outcome })
}

fn upload(
    control: &mut dyn Control,
    dataset: &Dataset,
    tell: impl Fn(Sample) -> Result<()>,
) -> Result<(u64, Outcome)> {
    let mut chunks = 0;
    let reference = control.offer(dataset, &mut |sample| {
        chunks += 1;
        tell(sample)
    })?;
    match reference {
        Some(reference) => Ok((chunks, Outcome::Offered { reference })),
        None => bail!("the node does not serve what was uploaded"),
    }
}
