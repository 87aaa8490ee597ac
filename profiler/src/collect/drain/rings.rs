//! The ring buffers' end in the daemon: empties them into the capture, and knows what was lost of their records.
//!
//! Events go into the capture as the probes wrote them, and become records when it is read: to decode each while the
//! transfer runs took a third of the daemon's CPU.

use std::{
    slice,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use abi::{
    loss::Loss,
    payload::Pending,
    rings::{BLOCK_BYTES, Block, RingEnds},
};
use anyhow::{Context as _, Result};
use aya::{Ebpf, maps::PerCpuArray};

use crate::{
    clock::now_ns,
    collect::{
        drain::{stacks::Stacks, sweep::Sweep},
        maps::{MappedArray, Plain},
    },
};
use capture::{Losses, Record, UNDECODABLE, Watermark, Writer, events};

/// Records are at most some 100,000 a second: the ring buffers hold several such intervals.
pub const DRAIN_INTERVAL: Duration = Duration::from_millis(20);

/// How often a ring is looked at again where a probe is writing: some 10 µs. It is at it for some 50 ns, unless it is
/// interrupted, or its virtual CPU is.
const LOOKS: u32 = 1000;

/// Events are written so many bytes at a time.
const TOGETHER_BYTES: usize = 64 << 10;

pub struct Rings {
    ends: MappedArray,
    blocks: MappedArray,
    /// Read so far, by CPU.
    read: Vec<u64>,
    blocks_per_ring: u32,
    together: Vec<u8>,
    pub undecodable: u64,
    known: Known,
    drained_ns: u64,
}

/// What was known to be lost at the last look.
#[derive(Default)]
struct Known {
    at_ns: u64,
    ring_full: u64,
    undecodable: u64,
}

impl Rings {
    pub fn new(ebpf: &Ebpf) -> Result<Self> {
        let ends = MappedArray::new(ebpf, "RING_ENDS", size_of::<RingEnds>())?;
        let blocks = MappedArray::new(ebpf, "RING_BLOCKS", size_of::<Block>())?;
        Ok(Self {
            read: vec![0; ends.elements() as usize],
            blocks_per_ring: blocks.elements() / ends.elements(),
            ends,
            blocks,
            together: Vec::with_capacity(2 * TOGETHER_BYTES),
            undecodable: 0,
            known: Known::default(),
            drained_ns: 0,
        })
    }

    /// Writes the events that are there.
    pub fn drain(&mut self, stacks: &mut Stacks, out: &mut Writer) -> Result<()> {
        let began_ns = now_ns();
        self.drained_ns = began_ns;
        let (mut any, mut all) = (false, true);
        for cpu in 0..self.read.len() as u32 {
            match self.whole_until(cpu) {
                Some(until) => any |= self.drain_one(cpu, until, stacks, out)?,
                None => all = false,
            }
        }
        self.write_together(out)?;
        if any && all {
            // A probe reads the clock before it reserves: what is older than a whole interval has been reserved.
            let at_ns = began_ns.saturating_sub(DRAIN_INTERVAL.as_nanos() as u64);
            out.push(&Record::Watermark(Watermark { at_ns }))?;
        }
        Ok(())
    }

    /// Writes the events that are there, if that was not done for as long as the loop sleeps: for those who look at
    /// thousands of things in one go.
    pub fn drain_if_due(&mut self, stacks: &mut Stacks, out: &mut Writer) -> Result<()> {
        let is_due = now_ns() - self.drained_ns >= DRAIN_INTERVAL.as_nanos() as u64;
        if is_due { self.drain(stacks, out) } else { Ok(()) }
    }

    /// Writes the last events. The probes are detached; one that still runs is waited for.
    pub fn drain_last(&mut self, stacks: &mut Stacks, out: &mut Writer) -> Result<()> {
        const PATIENCE: u32 = 100;
        for _ in 0..PATIENCE {
            self.drain(stacks, out)?;
            if (0..self.read.len() as u32).all(|cpu| self.whole_until(cpu) == Some(self.read[cpu as usize])) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.undecodable += 1;
        Ok(())
    }

    /// All records of a ring up to here are whole; `None` where a probe is writing.
    fn whole_until(&self, cpu: u32) -> Option<u64> {
        let ends = self.ends.at(cpu).cast::<RingEnds>();
        // SAFETY: a live element, whose words are only read and written atomically.
        let (reserved, written) = unsafe {
            (AtomicU64::from_ptr(&raw mut (*ends).reserved), AtomicU64::from_ptr(&raw mut (*ends).written))
        };
        settled(reserved, written)
    }

    /// Whether there was anything.
    fn drain_one(&mut self, cpu: u32, until: u64, stacks: &mut Stacks, out: &mut Writer) -> Result<bool> {
        let mut at = self.read[cpu as usize];
        let any = at < until;
        while at < until {
            let block = cpu * self.blocks_per_ring + (at / BLOCK_BYTES) as u32 % self.blocks_per_ring;
            let offset = (at % BLOCK_BYTES) as usize;
            // SAFETY: in the block; no probe writes there before `read` says so.
            let bytes = unsafe {
                slice::from_raw_parts(self.blocks.at(block).add(offset), size_of::<Block>() - offset)
            };
            let Some(event) = events::first(bytes) else {
                // Where the next one begins is not known.
                self.undecodable += 1;
                break;
            };
            if let Some((tid, user, kernel)) = events::stacks(event) {
                stacks.note(tid, user, kernel);
            }
            self.together.extend_from_slice(event);
            at += event.len() as u64;
            if self.together.len() >= TOGETHER_BYTES {
                self.write_together(out)?;
            }
        }
        self.read[cpu as usize] = until;
        let ends = self.ends.at(cpu).cast::<RingEnds>();
        // SAFETY: as above.
        unsafe { AtomicU64::from_ptr(&raw mut (*ends).read) }.store(until, Ordering::Release);
        Ok(any)
    }

    fn write_together(&mut self, out: &mut Writer) -> Result<()> {
        out.push_events(&self.together)?;
        self.together.clear();
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

/// Bytes that are reserved and written, once these are the same.
///
/// Both only grow, and `reserved` first: where it is read last and is the same, both were at that time.
fn settled(reserved: &AtomicU64, written: &AtomicU64) -> Option<u64> {
    (0..LOOKS).find_map(|_| {
        let whole = written.load(Ordering::Acquire);
        (reserved.load(Ordering::Acquire) == whole).then_some(whole)
    })
}

/// Writes what threads moved that had not left their CPU when the probes were detached.
pub fn write_pending(ebpf: &Ebpf, out: &mut Writer) -> Result<()> {
    let map = ebpf.map("PENDING").context("the object has no PENDING")?;
    let per_cpu = PerCpuArray::<_, Plain<Pending>>::try_from(map)?.get(&0, 0).context("read PENDING")?;
    let slots = per_cpu.iter().flat_map(|Plain(pending)| [&pending.receives, &pending.sends]);
    slots.filter(|payload| payload.bytes != 0).try_for_each(|payload| out.push_events(events::bytes(payload)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_whole_while_a_probe_writes() {
        let settled = |reserved, written| settled(&AtomicU64::new(reserved), &AtomicU64::new(written));
        assert_eq!(settled(0, 0), Some(0));
        assert_eq!(settled(96, 96), Some(96));
        // Also what an interrupted probe has left behind a whole record.
        assert_eq!(settled(192, 96), None);
    }
}
