//! What it costs to reach a probe and to come back, which the kernel's statistics leave out: from the tracepoint
//! through `bpf_trace_run` to the program, each with guarded calls and returns. Where these are guarded against
//! speculation it is more than most probes take (50 to 80 ns, AMD with Safe RET and retpolines, 6.18).
//!
//! Measured before the recording with datagrams of this process to itself, which pass five probes that let them go: how
//! much longer they take, less what the kernel counts of the probes. Of several batches the fastest counts: whatever
//! else the host does adds to a batch, and nothing takes away.

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    sys::{Stats, enable_stats},
};

use super::runs;
use crate::capture::ProbeDispatch;

const BATCHES: u32 = 40;

/// Some 0.3 ms.
const TRIPS: u32 = 100;

/// The time of datagrams without probes.
pub struct Bare {
    sockets: Sockets,
    ns_per_trip: f64,
}

/// To be called before the probes are attached. An error says why the host has no such datagrams.
pub fn bare() -> Result<Bare> {
    let sockets = Sockets::open().context("open sockets on the loopback interface")?;
    let ns_per_trip = fastest(|| sockets.batch())?;
    Ok(Bare { sockets, ns_per_trip })
}

impl Bare {
    /// To be called when the probes are attached, and before there are targets.
    pub fn probed(&self, ebpf: &Ebpf) -> Result<ProbeDispatch> {
        let probed_ns_per_trip = fastest(|| self.sockets.batch())?;
        let _statistics = enable_stats(Stats::RunTime).context("switch on the kernel's BPF statistics")?;
        let mut counted = (f64::INFINITY, 0.0, 0.0);
        for _ in 0..BATCHES {
            let before = total(ebpf)?;
            let ns = self.sockets.batch()?;
            let after = total(ebpf)?;
            if ns < counted.0 {
                let per_trip = |count: u64| count as f64 / f64::from(TRIPS);
                counted = (ns, per_trip(after.0 - before.0), per_trip(after.1 - before.1));
            }
        }
        let (_, runs_per_trip, counted_ns_per_trip) = counted;
        Ok(ProbeDispatch {
            bare_ns_per_trip: self.ns_per_trip,
            probed_ns_per_trip,
            runs_per_trip,
            counted_ns_per_trip,
        })
    }
}

/// Runs, and their ns.
fn total(ebpf: &Ebpf) -> Result<(u64, u64)> {
    Ok(runs(ebpf)?.iter().fold((0, 0), |(runs, ns), program| (runs + program.runs, ns + program.run_ns)))
}

fn fastest(batch: impl Fn() -> io::Result<f64>) -> Result<f64> {
    let mut fastest = f64::INFINITY;
    for _ in 0..BATCHES {
        fastest = batch().context("send a datagram over the loopback interface")?.min(fastest);
    }
    Ok(fastest)
}

struct Sockets {
    from: UdpSocket,
    to: UdpSocket,
}

impl Sockets {
    fn open() -> io::Result<Self> {
        let [from, to] = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)));
        let (from, to) = (from?, to?);
        from.connect(to.local_addr()?)?;
        // What filters datagrams drops them without a word.
        to.set_read_timeout(Some(Duration::from_millis(100)))?;
        Ok(Self { from, to })
    }

    /// Ns for each datagram, sent and received.
    fn batch(&self) -> io::Result<f64> {
        let mut room = [0; 100];
        let began = Instant::now();
        for _ in 0..TRIPS {
            self.from.send(&[0; 100])?;
            self.to.recv(&mut room)?;
        }
        Ok(began.elapsed().as_nanos() as f64 / f64::from(TRIPS))
    }
}
