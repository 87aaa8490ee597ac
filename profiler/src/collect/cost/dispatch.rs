//! What it costs to reach a probe and to come back, which the kernel's statistics leave out: from the tracepoint
//! through `bpf_trace_run` to the program, each with guarded calls and returns. Where these are guarded against
//! speculation it is more than most probes take (60 to 70 ns, AMD with Safe RET and retpolines, 6.18).
//!
//! Measured before the recording with datagrams of this process to itself, which pass five probes that let them go: how
//! much longer they take, less what the kernel counts of the probes. What else the host does makes everything slower, for
//! tens of ms where it is the other thread of a core: each batch of datagrams is compared with one of a pipe that passes no
//! probe, right after it, and the median of these ratios counts. A round of batches lasts less than that: there are rounds
//! until two agree, and the lower one counts, for nothing makes datagrams faster.

use std::{
    io::{self, PipeReader, PipeWriter, Read as _, Write as _},
    net::{Ipv4Addr, UdpSocket},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aya::Ebpf;

use super::{runs, statistics};
use capture::ProbeDispatch;

const BATCHES: usize = 41;

/// Some 0.3 ms.
const TRIPS: u32 = 100;

/// Some 12 ms each.
const ROUNDS: usize = 12;

/// Rounds agree that differ by less.
const AGREEMENT: f64 = 0.01;

/// The time of datagrams without probes.
pub struct Bare {
    paths: Paths,
    pace: Pace,
}

/// To be called before the probes are attached. An error says why the host has no such datagrams.
pub fn bare() -> Result<Bare> {
    let paths = Paths::open().context("open a pipe, and sockets on the loopback interface")?;
    let pace = paths.pace()?;
    Ok(Bare { paths, pace })
}

impl Bare {
    /// To be called when the probes are attached, and before there are targets.
    pub fn probed(&self, ebpf: &Ebpf) -> Result<ProbeDispatch> {
        let pace = self.paths.pace()?;
        let pipe_ns = pace.pipe_ns.min(self.pace.pipe_ns);
        let _statistics = statistics()?;
        // Runs that others cause come on top.
        let mut least = (u64::MAX, u64::MAX);
        for _ in 0..BATCHES {
            let before = total(ebpf)?;
            self.paths.datagrams()?;
            let after = total(ebpf)?;
            least = least.min((after.0 - before.0, after.1 - before.1));
        }
        let (runs, counted_ns) = least;
        let per_trip = |count: u64| count as f64 / f64::from(TRIPS);
        Ok(ProbeDispatch {
            bare_ns_per_trip: self.pace.per_pipe * pipe_ns,
            probed_ns_per_trip: pace.per_pipe * pipe_ns,
            runs_per_trip: per_trip(runs),
            counted_ns_per_trip: per_trip(counted_ns),
        })
    }
}

/// How long a datagram takes.
struct Pace {
    /// In times through a pipe; the median of a round's batches.
    per_pipe: f64,
    /// Through a pipe, in the fastest batch.
    pipe_ns: f64,
}

/// Runs, and their ns.
fn total(ebpf: &Ebpf) -> Result<(u64, u64)> {
    Ok(runs(ebpf)?.iter().fold((0, 0), |(runs, ns), program| (runs + program.runs, ns + program.run_ns)))
}

/// Where 100 bytes can be sent, and received.
struct Paths {
    from: UdpSocket,
    to: UdpSocket,
    pipe: (PipeReader, PipeWriter),
}

impl Paths {
    fn open() -> io::Result<Self> {
        let [from, to] = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)));
        let (from, to) = (from?, to?);
        from.connect(to.local_addr()?)?;
        // What filters datagrams drops them without a word.
        to.set_read_timeout(Some(Duration::from_millis(100)))?;
        Ok(Self { from, to, pipe: io::pipe()? })
    }

    fn pace(&self) -> Result<Pace> {
        let mut lowest = Pace { per_pipe: f64::INFINITY, pipe_ns: f64::INFINITY };
        for _ in 0..ROUNDS {
            let round = self.round()?;
            let agree = (round.per_pipe / lowest.per_pipe - 1.0).abs() < AGREEMENT;
            lowest.per_pipe = lowest.per_pipe.min(round.per_pipe);
            lowest.pipe_ns = lowest.pipe_ns.min(round.pipe_ns);
            if agree {
                break;
            }
        }
        Ok(lowest)
    }

    fn round(&self) -> Result<Pace> {
        let mut ratios = [0.0; BATCHES];
        let mut pipe_ns = f64::INFINITY;
        for ratio in &mut ratios {
            let [datagram, pipe] = [self.datagrams()?, self.through_pipe()?];
            *ratio = datagram / pipe;
            pipe_ns = pipe.min(pipe_ns);
        }
        ratios.sort_by(f64::total_cmp);
        Ok(Pace { per_pipe: ratios[BATCHES / 2], pipe_ns })
    }

    /// Ns for each datagram.
    fn datagrams(&self) -> Result<f64> {
        let ns = batch(|room| {
            self.from.send(room)?;
            self.to.recv(room)
        });
        ns.context("send a datagram over the loopback interface")
    }

    /// Ns for as many bytes.
    fn through_pipe(&self) -> Result<f64> {
        let (mut from, mut to) = (&self.pipe.0, &self.pipe.1);
        let ns = batch(|room| {
            to.write_all(room)?;
            from.read(room)
        });
        ns.context("write into a pipe")
    }
}

fn batch(mut trip: impl FnMut(&mut [u8]) -> io::Result<usize>) -> io::Result<f64> {
    let mut room = [0; 100];
    let began = Instant::now();
    for _ in 0..TRIPS {
        trip(&mut room)?;
    }
    Ok(began.elapsed().as_nanos() as f64 / f64::from(TRIPS))
}
