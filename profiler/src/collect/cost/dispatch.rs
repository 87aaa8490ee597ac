//! What it costs to reach a probe and to come back, which the kernel's statistics leave out: from the tracepoint
//! through `bpf_trace_run` to the program, each with guarded calls and returns. Where these are guarded against
//! speculation it is more than most probes take (60 to 70 ns, AMD with Safe RET and retpolines, 6.18).
//!
//! Measured before the recording with datagrams of this process to itself, which pass five probes that let them go: how
//! much longer they take, less what the kernel counts of the probes. What else the host does makes everything slower, for
//! tens of ms where it is the other thread of a core: each batch of datagrams is compared with one of a pipe that passes no
//! probe, right after it, and the median of these ratios counts. A round of batches lasts less than that: there are rounds
//! until two agree, and the lower one counts, for nothing makes datagrams faster. A slow host has fewer batches, and a
//! loopback interface that delays has none: a recording does not begin later for it.

use std::{
    io::{self, PipeReader, PipeWriter, Read as _, Write as _},
    net::{Ipv4Addr, UdpSocket},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use aya::Ebpf;

use super::{runs, statistics};
use capture::ProbeDispatch;

const BYTES: usize = 100;

const DATAGRAMS: &str = "send a datagram over the loopback interface";

const BATCHES: usize = 41;

/// Some 0.3 ms.
const TRIPS: u32 = 100;

/// However slow the host is: medians have a middle.
const FEWEST_BATCHES: usize = 3;

/// Rounds of some 12 ms each.
const LONGEST: Duration = Duration::from_millis(50);

/// Rounds agree that differ by less.
const AGREEMENT: f64 = 0.01;

/// A datagram takes 3 us, and 200 where the CPU is emulated.
const LONGEST_TRIP: Duration = Duration::from_millis(2);

/// The time of datagrams without probes.
pub struct Bare {
    paths: Paths,
    pace: Pace,
}

/// To be called before the probes are attached. An error says why the host has no such datagrams.
pub fn bare() -> Result<Bare> {
    let paths = Paths::open().context("open a pipe, and sockets on the loopback interface")?;
    paths.are_prompt()?;
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
        for _ in batches(Instant::now() + LONGEST) {
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

/// Where [`BYTES`] can be sent, and received.
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
        let until = Instant::now() + LONGEST;
        let mut lowest = self.round(until)?;
        while Instant::now() < until {
            let round = self.round(until)?;
            let agree = (round.per_pipe / lowest.per_pipe - 1.0).abs() < AGREEMENT;
            lowest.per_pipe = lowest.per_pipe.min(round.per_pipe);
            lowest.pipe_ns = lowest.pipe_ns.min(round.pipe_ns);
            if agree {
                break;
            }
        }
        Ok(lowest)
    }

    fn round(&self, until: Instant) -> Result<Pace> {
        let mut ratios = Vec::with_capacity(BATCHES);
        let mut pipe_ns = f64::INFINITY;
        for _ in batches(until) {
            let [datagram, pipe] = [self.datagrams()?, self.through_pipe()?];
            ratios.push(datagram / pipe);
            pipe_ns = pipe.min(pipe_ns);
        }
        ratios.sort_by(f64::total_cmp);
        Ok(Pace { per_pipe: ratios[ratios.len() / 2], pipe_ns })
    }

    /// An error where datagrams are kept on their way, as a queueing discipline does: their times would tell nothing.
    fn are_prompt(&self) -> Result<()> {
        let mut fastest = Duration::MAX;
        for _ in 0..FEWEST_BATCHES {
            let began = Instant::now();
            self.trip(&mut [0; BYTES]).context(DATAGRAMS)?;
            fastest = fastest.min(began.elapsed());
        }
        ensure!(fastest < LONGEST_TRIP, "the loopback interface delays a datagram by {fastest:.1?}");
        Ok(())
    }

    /// Ns for each datagram.
    fn datagrams(&self) -> Result<f64> {
        batch(|room| self.trip(room)).context(DATAGRAMS)
    }

    fn trip(&self, room: &mut [u8]) -> io::Result<usize> {
        self.from.send(room)?;
        self.to.recv(room)
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

/// Some until then; at least a few.
fn batches(until: Instant) -> impl Iterator<Item = usize> {
    (0..BATCHES).take_while(move |done| *done < FEWEST_BATCHES || Instant::now() < until)
}

fn batch(mut trip: impl FnMut(&mut [u8]) -> io::Result<usize>) -> io::Result<f64> {
    let mut room = [0; BYTES];
    let began = Instant::now();
    for _ in 0..TRIPS {
        trip(&mut room)?;
    }
    Ok(began.elapsed().as_nanos() as f64 / f64::from(TRIPS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_host_has_a_few_batches() {
        let now = Instant::now();
        assert_eq!(batches(now).count(), FEWEST_BATCHES);
        assert_eq!(batches(now + Duration::from_secs(3600)).count(), BATCHES);
    }
}
