//! What a measurement of the cost asks of a recording: to detach its probes for a while, and to attach them again.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use aya::Ebpf;

use crate::collect::{cost::Windows, probes::links::Links};
use capture::ProbeWindow;

/// How soon the end of a recording is noticed whose probes are detached.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How long the kernel counts the runs of the programs.
const RUNS_FOR: Duration = Duration::from_millis(500);

/// The loop empties the ring buffers before it answers.
pub enum Ask {
    /// Whether the ring buffers are empty.
    Drain(Sender<()>),
    /// To detach the probes. The loop stands still until they are attached again.
    Off(Sender<()>),
    On(Sender<()>),
    /// To detach the probes of one family, and to attach them again, while the loop goes on.
    OffFamily(String, Sender<()>),
    OnFamily(String, Sender<()>),
    /// What the probes' runs take from now on.
    Runs(Sender<ProbeWindow>),
}

/// Waits for a question, as long as the loop sleeps.
pub fn asked(asked: &Receiver<Ask>, interval: Duration) -> Option<Ask> {
    match asked.recv_timeout(interval) {
        Ok(ask) => Some(ask),
        Err(RecvTimeoutError::Timeout) => None,
        // The recording is being dropped.
        Err(RecvTimeoutError::Disconnected) => {
            thread::sleep(interval);
            None
        }
    }
}

/// Does what is asked. Whoever asked may be gone.
pub fn answer(
    ask: Ask,
    asked: &Receiver<Ask>,
    ebpf: &mut Ebpf,
    links: &mut Links,
    stop: &AtomicBool,
) -> Result<()> {
    match ask {
        Ask::Drain(done) => drop(done.send(())),
        Ask::On(done) => {
            links.on(ebpf)?;
            let _ = done.send(());
        }
        Ask::OffFamily(family, done) => {
            links.off_families(&[&family]);
            let _ = done.send(());
        }
        Ask::OnFamily(family, done) => {
            links.on_families(ebpf, &[&family])?;
            let _ = done.send(());
        }
        Ask::Runs(done) => {
            let mut window = Windows::new(true);
            window.tick(ebpf)?;
            thread::sleep(RUNS_FOR);
            let _ = done.send(window.close(ebpf)?.context("a window was opened")?);
        }
        Ask::Off(done) => {
            links.off();
            let _ = done.send(());
            while !stop.load(Ordering::Acquire) {
                match asked.recv_timeout(LOOK_INTERVAL) {
                    Ok(Ask::Drain(done)) => drop(done.send(())),
                    Ok(ask @ (Ask::On(_) | Ask::Runs(_) | Ask::OffFamily(..) | Ask::OnFamily(..))) => {
                        return answer(ask, asked, ebpf, links, stop);
                    }
                    Ok(Ask::Off(done)) => drop(done.send(())),
                    Err(_) => {}
                }
            }
        }
    }
    Ok(())
}
