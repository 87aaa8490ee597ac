//! The transfers themselves: all are asked for at once, and watched until the last one is complete.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Error, Result, anyhow, bail};

use super::node::Node;
use super::observer::Observer;
use super::task::{Event, Job};
use super::wait;
use super::watch::{Transfer, Watch};

/// How long a wish to stop may go unheard.
const STOP_LATENCY: Duration = Duration::from_millis(100);
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);
/// A client that finds no peer asks the tracker again after a minute or two. Longer than that, it hangs.
const STALL_LIMIT: Duration = Duration::from_secs(180);

/// Starts the same job on several nodes together, tells the observer of the transfers, and returns when all
/// are complete.
pub fn run(
    nodes: &mut [Node],
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
        watches.push(Watch::begin(node_index, &nodes[node_index], job, file_size_bytes, tell)?);
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
            Ok((number, Event::Ended(Err(error)))) => return Err(explain(&watches[number], nodes, error)),
            Err(RecvTimeoutError::Timeout) => (),
            Err(RecvTimeoutError::Disconnected) => bail!("the thread of a transfer ended without a word"),
        }
        if last_look.elapsed() >= BETWEEN_LOOKS {
            last_look = Instant::now();
            look(&watches, nodes, observer)?;
        }
    }
    Ok(watches.into_iter().filter_map(Watch::completed).collect())
}

/// Shows how far each transfer is, and finds nodes that have ended and transfers that hang.
fn look(watches: &[Watch], nodes: &mut [Node], observer: &mut dyn Observer) -> Result<()> {
    for node in nodes.iter_mut() {
        node.daemon.check_running()?;
    }
    for watch in watches.iter().filter(|watch| watch.finished.is_none()) {
        observer.progress(&watch.label, watch.last.bytes, watch.file_size_bytes);
        if watch.last_advance.elapsed() > STALL_LIMIT {
            let error = anyhow!("nothing came for {} s", STALL_LIMIT.as_secs());
            return Err(explain(watch, nodes, error));
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
