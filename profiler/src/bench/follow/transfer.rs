//! The transfers themselves: all are asked for at once, and watched until the last one is complete.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Error, Result, anyhow, bail};

use super::poll::Rhythm;
use super::task::{Event, Job};
use super::watch::{Transfer, Watch};
use crate::bench::hosts::child::ChildProcess;
use crate::bench::node::Node;
use crate::bench::observer::Observer;
use crate::bench::wait;

/// How long news wait to be heard. They carry their own times, so nobody has to be woken for each: that cost 0.4 % of
/// two CPUs with six streams.
const BETWEEN_NEWS: Duration = Duration::from_millis(20);
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);
/// A program that is killed closes its connections before its end can be seen: some 10 ms with a large one.
const ENDING: Duration = Duration::from_millis(500);
/// A node that works answers in this time, also if it shares its CPU with many.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// What must go on for the transfers to go on.
pub struct Actors<'a> {
    pub nodes: &'a mut [Node],
    pub tracker: Option<&'a mut ChildProcess>,
    /// A transfer to which nothing comes for this long has failed.
    pub stall_timeout: Duration,
}

/// Starts the same job on several nodes together, tells the observer of the transfers, and returns when all
/// are complete.
pub fn run(
    actors: &mut Actors,
    node_indices: &[usize],
    job: &Job,
    file_size_bytes: u64,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<Vec<Transfer>> {
    let (tell, events) = mpsc::channel();
    let mut watches = Vec::new();
    for &node_index in node_indices {
        let tell = tell.clone();
        let number = watches.len();
        let tell = move |event| tell.send((number, event)).map_err(|_| anyhow!("nobody listens"));
        let rhythm = Rhythm::of(number as u32, node_indices.len() as u32);
        let node = &actors.nodes[node_index];
        watches.push(Watch::begin(node_index, node, job, file_size_bytes, rhythm, tell)?);
    }
    drop(tell);

    let mut ready = 0;
    let mut last_look = Instant::now();
    while watches.iter().any(|watch| watch.finished.is_none()) {
        wait::check_stop(stop)?;
        match events.try_recv() {
            Ok((_, Event::Ready)) => {
                ready += 1;
                if ready == watches.len() {
                    watches.iter().try_for_each(Watch::start)?;
                }
            }
            Ok((number, Event::Requested { at_ns })) => watches[number].requested(at_ns, observer)?,
            Ok((number, Event::Sampled(sample, batch_bytes))) => {
                watches[number].sampled(sample, batch_bytes, observer)?;
            }
            Ok((number, Event::Ended(Ok(finished)))) => watches[number].finished = Some(finished),
            Ok((number, Event::Ended(Err(error)))) => {
                return Err(explain(&watches[number], actors.nodes, error));
            }
            Err(TryRecvError::Empty) => thread::sleep(BETWEEN_NEWS),
            Err(TryRecvError::Disconnected) => bail!("the thread of a transfer ended without a word"),
        }
        if last_look.elapsed() >= BETWEEN_LOOKS {
            last_look = Instant::now();
            look(&watches, actors, observer, stop)?;
        }
    }
    Ok(watches.into_iter().filter_map(Watch::completed).collect())
}

/// Shows how far each transfer is, and finds programs that have ended and transfers that hang.
fn look(
    watches: &[Watch],
    actors: &mut Actors,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<()> {
    let nodes = actors.nodes.iter_mut().map(|node| &mut node.daemon);
    nodes.chain(actors.tracker.as_deref_mut()).try_for_each(ChildProcess::check_running)?;
    for watch in watches.iter().filter(|watch| watch.finished.is_none()) {
        observer.progress(&watch.label, watch.last.bytes, watch.file_size_bytes);
        if watch.last_advance.elapsed() > actors.stall_timeout {
            let error = stalled(watch, watches, actors, stop);
            return Err(explain(watch, actors.nodes, error));
        }
    }
    Ok(())
}

/// A transfer hangs where its bytes should arrive, which need not be where the fault is: the nodes that do not answer
/// are named, and the transfers that got nothing either.
fn stalled(watch: &Watch, watches: &[Watch], actors: &mut Actors, stop: &AtomicBool) -> Error {
    let limit = actors.stall_timeout;
    let mut message = format!(
        "nothing came for {}, at {} of {} bytes (`stall_timeout` in the matrix file)",
        humantime::format_duration(limit),
        watch.last.bytes,
        watch.file_size_bytes
    );
    if !watch.is_answered {
        message += "; the request for the file has no answer";
    }
    let waits_too = |other: &&Watch| {
        other.label != watch.label && other.finished.is_none() && other.last_advance.elapsed() > limit / 2
    };
    let others: Vec<_> = watches.iter().filter(waits_too).map(|other| other.label.as_str()).collect();
    if !others.is_empty() {
        message += &format!("; nothing comes either to {}", others.join(", "));
    }
    let mut silent = Vec::new();
    for node in &mut *actors.nodes {
        match node.answers(ANSWER_LIMIT, stop) {
            Ok(true) => {}
            Ok(false) => silent.push(node.process.label.clone()),
            Err(interrupted) => return interrupted,
        }
    }
    if !silent.is_empty() {
        let limit = humantime::format_duration(ANSWER_LIMIT);
        message += &format!("; no answer within {limit} from {}", silent.join(", "));
    }
    anyhow!(message)
}

/// Why a transfer failed: because its node has ended, or else as `error` says.
fn explain(watch: &Watch, nodes: &mut [Node], error: Error) -> Error {
    let daemon = &mut nodes[watch.node_index].daemon;
    match daemon.check_running_for(ENDING) {
        Err(ended) => ended,
        Ok(()) => daemon.explain(error.context(format!("the transfer of {} failed", watch.label))),
    }
}
