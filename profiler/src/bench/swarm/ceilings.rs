//! What the set-up reaches without any client: a plain TCP stream between two of its hosts, and a plain
//! sequential write to its disk. No transfer can be faster.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use super::leftovers;
use crate::bench::hosts::Link;
use crate::bench::hosts::{self, Host};
use crate::bench::observer::Observer;
use crate::bench::swarm::scratch::Run;
use crate::bench::{dataset::payload, wait};

const TCP_TIME: Duration = Duration::from_secs(2);
const DISK_TIME: Duration = Duration::from_secs(2);
const PORT: u16 = 5001;
const CHUNK_BYTES: usize = 1 << 20;
/// A write is stopped there, lest it fill the disk.
const MOST_WRITTEN_BYTES: u64 = 1 << 30;
/// The rest of the file's way to the disk is waited for at its end: on a slow disk that is what takes long.
const SYNCED_BYTES: u64 = 64 << 20;

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Ceilings {
    /// Payload that arrived.
    pub tcp_bytes_per_s: f64,
    pub tcp_s: f64,
    /// With the final `fsync`.
    pub disk_write_bytes_per_s: f64,
    pub disk_s: f64,
}

/// Measures both, one after the other, with hosts like those of a swarm, and removes what it made.
pub fn measure(
    scratch: &Path,
    link: Option<&Link>,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<Ceilings> {
    leftovers::remove(observer)?;
    let run = Run::begin(scratch)?;
    observer.step("measuring what TCP reaches between two nodes");
    let (tcp_bytes_per_s, tcp_s) = tcp(&run, link).context("measure a TCP stream between two nodes")?;
    wait::check_stop(stop)?;
    observer.step("measuring what the scratch disk writes");
    let (disk_write_bytes_per_s, disk_s) =
        disk(run.folder(), stop).context("measure a write to the scratch disk")?;
    run.remove()?;
    Ok(Ceilings { tcp_bytes_per_s, tcp_s, disk_write_bytes_per_s, disk_s })
}

/// Bytes per second as the receiver saw them, and for how long.
fn tcp(run: &Run, link: Option<&Link>) -> Result<(f64, f64)> {
    let prefix = run.namespace_prefix();
    let hub = hosts::make_hub(&prefix)?;
    let make = |label: &str, number: u32| -> Result<Host> {
        let host = hosts::make_host(&prefix, label, number, &hub)?;
        if let Some(link) = link {
            hosts::limit(&host, &hub, label, link)?;
        }
        Ok(host)
    };
    let (sender, receiver) = (make("sender", 1)?, make("receiver", 2)?);
    let address = SocketAddr::from((receiver.address, PORT));
    let listener = receiver.namespace.run(|| TcpListener::bind(address).context("listen"))?;
    thread::scope(|scope| {
        // The thread ends when its peer closes the connection, at the latest.
        let sending = scope.spawn(|| sender.namespace.run(|| send(address)));
        let received = receive(&listener);
        sending.join().map_err(|_| anyhow!("the sender panicked"))??;
        received
    })
}

fn send(to: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&to, TCP_TIME).context("connect")?;
    stream.set_write_timeout(Some(TCP_TIME)).context("limit the time of a write")?;
    let chunk = vec![0; CHUNK_BYTES];
    let started = Instant::now();
    while started.elapsed() < TCP_TIME {
        match stream.write(&chunk) {
            // On a slow link.
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            written => written.context("send")?,
        };
    }
    Ok(())
}

fn receive(listener: &TcpListener) -> Result<(f64, f64)> {
    // A sender that cannot connect gives up in time, and the listener must not wait for it.
    listener.set_nonblocking(true)?;
    let stream = wait::until("the sender connects", 2 * TCP_TIME, &AtomicBool::new(false), || match listener
        .accept()
    {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        accepted => Ok(Some(accepted?.0)),
    });
    let mut stream = stream?;
    stream.set_nonblocking(false)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let started = Instant::now();
    let mut received_bytes = 0;
    // What is still queued after the time does not count.
    while started.elapsed() < TCP_TIME {
        match stream.read(&mut chunk).context("receive")? {
            0 => break,
            length => received_bytes += length,
        }
    }
    let took_s = started.elapsed().as_secs_f64();
    Ok((received_bytes as f64 / took_s, took_s))
}

/// Bytes per second with the final `fsync`, and how long it took.
fn disk(folder: &Path, stop: &AtomicBool) -> Result<(f64, f64)> {
    let path = folder.join("ceiling");
    let most_bytes = MOST_WRITTEN_BYTES.min(payload::free_bytes(folder)? / 2);
    let mut chunk = vec![0; CHUNK_BYTES];
    SmallRng::seed_from_u64(0).fill_bytes(&mut chunk);
    let mut file = File::create_new(&path).context("create a file")?;
    let started = Instant::now();
    let mut written_bytes = 0;
    while started.elapsed() < DISK_TIME && written_bytes + CHUNK_BYTES as u64 <= most_bytes {
        wait::check_stop(stop)?;
        file.write_all(&chunk).context("write")?;
        written_bytes += CHUNK_BYTES as u64;
        if written_bytes.is_multiple_of(SYNCED_BYTES) {
            file.sync_data().context("sync")?;
        }
    }
    file.sync_all().context("sync")?;
    let took_s = started.elapsed().as_secs_f64();
    fs::remove_file(&path)?;
    Ok((written_bytes as f64 / took_s, took_s))
}
