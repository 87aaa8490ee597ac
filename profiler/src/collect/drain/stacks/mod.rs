//! Stacks of long off-CPU intervals: read from the kernel's table, and named: those of processes while they live, the
//! kernel's at the end, because its symbols take more CPU to read than seconds of recording.

mod names;

use std::{
    collections::{BTreeMap, HashSet},
    fs::File,
};

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{MapData, StackTraceMap},
};
use capture::{Record, Stack, Writer};

use crate::collect::{kallsyms, maps::open};
use names::{Names, Unnamed};

/// `PERF_MAX_STACK_DEPTH`: a stack of so many frames was cut.
const DEEPEST: usize = 127;

pub struct Stacks {
    map: StackTraceMap<MapData>,
    /// Stacks that are not in the capture yet; of user stacks a thread that had it.
    wanted: BTreeMap<u32, Option<u32>>,
    /// Of processes, on their way to their names; `None` where nobody may look into their programs: they stay addresses.
    names: Option<Names>,
    /// Stacks of the kernel that are in the capture as addresses.
    unnamed: BTreeMap<u32, Vec<u64>>,
    written: HashSet<u32>,
    /// Stacks with more frames than the kernel records.
    pub truncated: u64,
}

impl Stacks {
    pub fn new(ebpf: &Ebpf, are_named: bool) -> Result<Self> {
        Ok(Self {
            map: open(ebpf, "STACKS")?.try_into()?,
            wanted: BTreeMap::new(),
            names: are_named.then(Names::start).transpose()?,
            unnamed: BTreeMap::new(),
            written: HashSet::new(),
            truncated: 0,
        })
    }

    /// Remembers the stacks of a thread's off-CPU interval, which are negative where there are none.
    pub fn note(&mut self, tid: u32, user: i32, kernel: i32) {
        for (id, thread) in [(kernel, None), (user, Some(tid))] {
            if let Ok(id) = u32::try_from(id)
                && self.written.insert(id)
            {
                self.wanted.insert(id, thread);
            }
        }
    }

    /// Writes the stacks of processes that have their names by now, has those named that spans have named since the last
    /// time, and writes those of the kernel as addresses. `meanwhile` is done after each.
    pub fn write(
        &mut self,
        out: &mut Writer,
        meanwhile: &mut impl FnMut(&mut Self, &mut Writer) -> Result<()>,
    ) -> Result<()> {
        let mut of_processes = Vec::new();
        for (id, thread) in std::mem::take(&mut self.wanted) {
            let trace = self.map.get(&id, 0).context("read a stack")?;
            let addresses: Vec<u64> = trace.frames().iter().map(|frame| frame.ip).collect();
            let truncated = is_truncated(&addresses);
            self.truncated += u64::from(truncated);
            match thread {
                Some(tid) if self.names.is_some() => {
                    of_processes.push(Unnamed { id, tid, addresses, truncated });
                }
                _ => {
                    let frames = addresses.iter().map(|address| format!("{address:#x}")).collect();
                    if thread.is_none() {
                        self.unnamed.insert(id, addresses);
                    }
                    out.push(&Record::Stack(Stack { id, frames, truncated }))?;
                }
            }
            meanwhile(self, out)?;
        }
        let Some(names) = &self.names else { return Ok(()) };
        names.find(of_processes);
        names.found().try_for_each(|stack| out.push(&Record::Stack(stack)))
    }

    /// Writes the stacks of processes that were still without names, and the kernel's again, by name. For the end: a
    /// recording that is killed has their addresses. `symbols` are the kernel's, if they are open.
    pub fn write_names(&mut self, symbols: Option<&File>, out: &mut Writer) -> Result<()> {
        if let Some(names) = &mut self.names {
            names.rest().try_for_each(|stack| out.push(&Record::Stack(stack)))?;
        }
        if self.unnamed.is_empty() {
            return Ok(());
        }
        let names = kallsyms::names(symbols, self.unnamed.values().flatten().copied());
        for (id, addresses) in std::mem::take(&mut self.unnamed) {
            let name = |address: &u64| names.get(address).cloned().unwrap_or_else(|| format!("{address:#x}"));
            let truncated = is_truncated(&addresses);
            let frames = without_probe(addresses.iter().map(name).collect());
            out.push(&Record::Stack(Stack { id, frames, truncated }))?;
        }
        Ok(())
    }
}

fn is_truncated(addresses: &[u64]) -> bool {
    addresses.len() >= DEEPEST
}

/// Without the frames of the tracepoint and of the program on it. A kernel that calls the program itself, by a static
/// call, has no frame of the tracepoint's own.
fn without_probe(mut frames: Vec<String>) -> Vec<String> {
    const PROBE: [&str; 4] = ["bpf_prog_", "bpf_trace_run", "__bpf_trace_", "__traceiter_"];
    let is_probe = |frame: &String| PROBE.iter().any(|prefix| frame.starts_with(prefix));
    let last = frames.iter().rposition(is_probe).map_or(0, |place| place + 1);
    frames.drain(..last);
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(frames: &str, expected: &str) {
        let frames = without_probe(frames.split_whitespace().map(str::to_owned).collect());
        assert_eq!(frames.join(" "), expected);
    }

    #[test]
    fn a_stack_begins_with_the_kernels_own_frame() {
        check(
            "bpf_prog_a7c8_sched_switch bpf_trace_run4 __traceiter_sched_switch __schedule schedule",
            "__schedule schedule",
        );
        check("bpf_prog_a7c8_sched_switch bpf_trace_run4 __schedule schedule", "__schedule schedule");
        check("0xffffffffc0001234 bpf_trace_run4 __schedule", "__schedule");
        check("__schedule schedule", "__schedule schedule");
    }
}
