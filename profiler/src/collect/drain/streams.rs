//! TCP sockets with so many calls that the probes of counters look at few of them: see `profiler-ebpf/src/probes/stream.rs`.

use abi::stream::{Calls, Stream, StreamCalls};
use anyhow::{Context as _, Result, bail};
use aya::{Ebpf, TestRun as _, TestRunOptions, maps::PerCpuArray, programs::Program};

use super::sweep::Sweep;
use crate::collect::{
    maps::{MappedArray, Plain},
    probes::STREAM_SETTLE,
};

pub struct Streams {
    elements: MappedArray,
}

impl Streams {
    pub fn new(ebpf: &Ebpf) -> Result<Self> {
        Ok(Self { elements: MappedArray::new(ebpf, "STREAMS", size_of::<Stream>())? })
    }

    /// Has the kernel count what was not looked at, if there are such sockets.
    pub fn settle(&self, ebpf: &Ebpf) -> Result<()> {
        /// As long as an Ethernet header: the kernel wants that much.
        const PACKET: [u8; 14] = [0; 14];
        if !(1..self.elements.elements()).any(|slot| self.at(slot).sk != 0) {
            return Ok(());
        }
        let Some(Program::SocketFilter(settle)) = ebpf.program(STREAM_SETTLE) else {
            bail!("the object has no {STREAM_SETTLE}")
        };
        let options = TestRunOptions { data_in: Some(&PACKET), ..TestRunOptions::default() };
        settle.test_run(options).context("count the bytes of sockets with many calls").map(drop)
    }

    /// Adds the calls that were not looked at to their sockets' counts, which nobody else changes any more.
    pub fn add_calls(&self, ebpf: &Ebpf, sweep: &mut Sweep) -> Result<()> {
        let map = ebpf.map("STREAM_CALLS").context("the object has no STREAM_CALLS")?;
        let per_cpu =
            PerCpuArray::<_, Plain<StreamCalls>>::try_from(map)?.get(&0, 0).context("read STREAM_CALLS")?;
        for Plain(StreamCalls { received, sent }) in &*per_cpu {
            if let Some(counts) = sweep.socket_counts(self.whose(received)) {
                counts.rx_calls += received.unseen;
            }
            if let Some(counts) = sweep.socket_counts(self.whose(sent)) {
                counts.tx_calls += sent.unseen;
            }
        }
        Ok(())
    }

    fn whose(&self, calls: &Calls) -> abi::sockets::SocketKey {
        self.at(calls.stream).key
    }

    fn at(&self, slot: u32) -> Stream {
        // SAFETY: in bounds; every field is a plain integer.
        unsafe { self.elements.at(slot).cast::<Stream>().read_volatile() }
    }
}
