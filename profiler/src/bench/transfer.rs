//! The transfers themselves: all are asked for at once, and watched until the last one is complete.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Error, Result, anyhow, bail};

use super::daemon::Daemon;
use super::node::Node;
use super::observer::Observer;
use super::poll::Rhythm;
use super::task::{Event, Job};
use super::wait;
use super::watch::{Transfer, Watch};

/// How long a wish to stop may go unheard.
const STOP_LATENCY: Duration = Duration::from_millis(100);
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// What must go on for the transfers to go on.
pub struct Actors<'a> {
    pub nodes: &'a mut [Node],
    pub tracker: Option<&'a mut Daemon>,
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
        match events.recv_timeout(STOP_LATENCY) {
            Ok((_, Event::Ready)) => {
                ready += 1;
                if ready == watches.len() {
                    watches.iter().try_for_each(Watch::start)?;
                }
            }
            Ok((number, Event::Requested { at_ns })) => watches[number].requested(at_ns, observer)?,
            Ok((number, Event::Sampled(sample))) => watches[number].sampled(sample, observer)?,
            Ok((number, Event::Ended(Ok(finished)))) => watches[number].finished = Some(finished),
            Ok((number, Event::Ended(Err(error)))) => {
                return Err(explain(&watches[number], actors.nodes, error));
            }
            Err(RecvTimeoutError::Timeout) => (),
            Err(RecvTimeoutError::Disconnected) => bail!("the thread of a transfer ended without a word"),
        }
        if last_look.elapsed() >= BETWEEN_LOOKS {
            last_look = Instant::now();
            look(&watches, actors, observer)?;
        }
    }
    Ok(watches.into_iter().filter_map(Watch::completed).collect())
}

/// Shows how far each transfer is, and finds programs that have ended and transfers that hang.
fn look(watches: &[Watch], actors: &mut Actors, observer: &mut dyn Observer) -> Result<()> {
    let nodes = actors.nodes.iter_mut().map(|node| &mut node.daemon);
    nodes.chain(actors.tracker.as_deref_mut()).try_for_each(Daemon::check_running)?;
    for watch in watches.iter().filter(|watch| watch.finished.is_none()) {
        observer.progress(&watch.label, watch.last.bytes, watch.file_size_bytes);
        if watch.last_advance.elapsed() > actors.stall_timeout {
            let error = anyhow!(
                "nothing came for {}, at {} of {} bytes (`stall_timeout` in the matrix file)",
                humantime::format_duration(actors.stall_timeout),
                watch.last.bytes,
                watch.file_size_bytes
            );
            return Err(explain(watch, actors.nodes, error));
        }
    }
    Ok(())
}

/// Why a transfer failed: because its node has ended, or else as `error` says.
fn explain(watch: &Watch, nodes: &mut [Node], error: Error) -> Error {
    let daemon = &mut nodes[watch.node_index].daemon;
    match daemon.check_running() {
        Err(ended) => ended,
        Ok(()) => daemon.explain(error.context(format!("the transfer of {} failed", watch.label))),
    }
}
