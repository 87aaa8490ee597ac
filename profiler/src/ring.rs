//! The ring buffer's end in the daemon: empties it, and knows what was lost of its records.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{MapData, PerCpuArray, RingBuf},
};
use profiler_ebpf::abi::{
    loss::Loss,
    payload::{self, Pending},
};

use crate::{
    capture::{Losses, Record, UNDECODABLE, Writer},
    clock::now_ns,
    decode::{self, Event},
    stacks::Stacks,
    sweep::Sweep,
};

/// Records are at most some 100,000 a second: the ring buffer holds several such intervals.
pub const DRAIN_INTERVAL: Duration = Duration::from_millis(20);

pub struct Ring {
    events: RingBuf<MapData>,
    /// The command names of wakers that are no targets, as they stand in the capture.
    strangers: HashMap<u32, [u8; 16]>,
    pub undecodable: u64,
    known: Known,
}

/// What was known to be lost at the last look.
#[derive(Default)]
struct Known {
    at_ns: u64,
    ring_full: u64,
    undecodable: u64,
}

impl Ring {
    pub fn new(ebpf: &mut Ebpf) -> Result<Self> {
        Ok(Self {
            events: ebpf.take_map("EVENTS").context("the object has no EVENTS")?.try_into()?,
            strangers: HashMap::new(),
            undecodable: 0,
            known: Known::default(),
        })
    }

    /// Writes the records that are there.
    pub fn drain(&mut self, stacks: &mut Stacks, out: &mut Writer) -> Result<()> {
        let began_ns = now_ns();
        let mut any = false;
        while let Some(item) = self.events.next() {
            any = true;
            match decode::event(&item) {
                Some(Event::Progress(raw)) => out.push(&Record::Progress(decode::progress(&raw)))?,
                Some(Event::Span(raw, stranger)) => {
                    let tid = raw.waker.tid;
                    // The idle task has no id.
                    if let Some(comm) = stranger.filter(|_| tid != 0)
                        && self.strangers.insert(tid, comm) != Some(comm)
                    {
                        out.push(&Record::Stranger(decode::spans::stranger(tid, &comm)))?;
                    }
                    stacks.note(raw.tid, raw.user_stack, raw.kernel_stack);
                    out.push(&Record::Span(decode::spans::span(&raw, stranger)))?;
                }
                Some(Event::Payload(raw)) => push_payload(&raw, out)?,
                Some(Event::Arrival(raw)) => out.push(&Record::Arrival(decode::traffic::arrival(&raw)))?,
                Some(Event::Holding(raw)) => out.push(&Record::Holding(decode::holding::holding(&raw)))?,
                None => self.undecodable += 1,
            }
        }
        if any {
            // A probe reads the clock before it reserves: what is older than a whole interval has been reserved.
            let at_ns = began_ns.saturating_sub(DRAIN_INTERVAL.as_nanos() as u64);
            out.push(&Record::Watermark { at_ns })?;
        }
        Ok(())
    }

    /// Whether records were lost since the last look; if so, the counts as they were then: the losses lie between.
    pub fn losses_grew(&mut self, sweep: &Sweep) -> Result<Option<Losses>> {
        let now =
            Known { at_ns: now_ns(), ring_full: sweep.lost(Loss::RingFull)?, undecodable: self.undecodable };
        let before = std::mem::replace(&mut self.known, now);
        if (before.ring_full, before.undecodable) == (self.known.ring_full, self.known.undecodable) {
            return Ok(None);
        }
        let counts = [(Loss::RingFull.name(), before.ring_full), (UNDECODABLE, before.undecodable)];
        let counts = counts.map(|(class, count)| (class.to_owned(), count)).into();
        Ok(Some(Losses { at_ns: before.at_ns, counts }))
    }
}

/// Writes what threads moved that had not left their CPU when the probes were detached.
pub fn write_pending(ebpf: &Ebpf, out: &mut Writer) -> Result<()> {
    let map = ebpf.map("PENDING").context("the object has no PENDING")?;
    let per_cpu = PerCpuArray::<_, Pending>::try_from(map)?.get(&0, 0).context("read PENDING")?;
    let slots = per_cpu.iter().flat_map(|pending| [&pending.receives, &pending.sends]);
    slots.filter(|payload| payload.bytes != 0).try_for_each(|raw| push_payload(raw, out))
}

fn push_payload(raw: &payload::Payload, out: &mut Writer) -> Result<()> {
    out.push(&Record::Payload(decode::traffic::payload(raw)))?;
    decode::traffic::arrived(raw).map_or(Ok(()), |arrival| out.push(&Record::Arrival(arrival)))
}
