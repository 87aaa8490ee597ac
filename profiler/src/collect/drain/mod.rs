//! The daemon's loop: empties the ring buffers, sweeps the maps, and writes the capture, on one thread. Whatever takes
//! long looks at the rings meanwhile: between two looks they fill.

mod bursts;
mod rings;
mod shedding;
mod sink;
mod stacks;
mod streams;
pub mod sweep;
pub mod toggle;
mod totals;

use std::{
    collections::BTreeMap,
    fs::File,
    num::NonZeroU64,
    sync::{
        Arc, Mutex, MutexGuard, TryLockError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::Receiver,
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use aya::{Ebpf, programs::Program};
use indicatif::HumanBytes;

use crate::{
    clock::{now_ns, process_cpu_ns, wall_ns},
    collect::{
        cost::{self, Windows},
        cross_check,
        probes::{families, links::Links},
        targets::Targets,
    },
    display::tell,
};
use capture::{
    Clock, End, Family, ProbeDispatch, Record, STACK_TRUNCATED, UNDECODABLE, Writer, cross_check::Moment,
};
use rings::{DRAIN_INTERVAL, Rings};
use shedding::Shedding;
pub use sink::Sink;
use stacks::Stacks;
use streams::Streams;
use sweep::Sweep;
use toggle::Ask;

/// What a killed recording loses at most.
const FRAME_INTERVAL_NS: u64 = 250_000_000;
const SWEEP_INTERVAL_NS: u64 = 1_000_000_000;

/// Reading a thread's I/O accounting takes some 10 µs, and hosts have thousands of threads.
const THREAD_IO_INTERVAL_NS: u64 = 5_000_000_000;

/// What takes longer than two seconds to pack.
const TOLD_BYTES: u64 = 400 << 20;

/// What is done every now and then in the midst of what takes long: it empties the ring buffers if that is due.
pub type Meanwhile<'a, W = Writer> = dyn FnMut(&mut W) -> Result<()> + 'a;

/// How long another thread that has the targets is waited for at a time.
const TARGETS_WAIT: Duration = Duration::from_millis(1);

/// What the loop shares with the threads that steer it.
pub struct Shared {
    pub targets: Mutex<Targets>,
    pub stop: AtomicBool,
    pub capture_bytes: AtomicU64,
}

/// What a recording begins with.
pub struct Begun {
    /// With all programs loaded.
    pub ebpf: Ebpf,
    /// Their links.
    pub links: Links,
    /// Memory of all its maps.
    pub map_bytes: u64,
    /// The kernel counts the programs' runs for this process.
    pub are_runs_counted: bool,
    /// CPU time in each second that recording may take, and what is known of the way to a probe.
    pub limit: Option<(f64, Option<ProbeDispatch>)>,
    /// Of probes that stay loaded for the next recording.
    pub stays: Option<Stays>,
}

/// What a process that has given up its privileges keeps for its recordings.
pub struct Stays {
    pub families: Vec<Family>,
    /// The kernel's, open since it might be read.
    pub symbols: Option<File>,
    /// Runs that were skipped before this recording, by class.
    pub reentries: BTreeMap<String, u64>,
}

/// A capture in which everything the kernel counted stands, and that may still take records of other kinds.
pub struct Detached {
    pub out: Writer,
    /// When the counters stood still.
    end_ns: u64,
}

/// Runs until `shared.stop`, then detaches the probes and writes their last counts. `inbox` carries what others
/// have to record, `asked` what a measurement wants of the probes.
pub fn run(
    begun: &mut Begun,
    shared: &Arc<Shared>,
    inbox: &Receiver<Record>,
    asked: &Receiver<Ask>,
    mut out: Writer,
) -> Result<Detached> {
    let Begun { ebpf, links, map_bytes, are_runs_counted, limit, stays } = begun;
    let (map_bytes, stays) = (*map_bytes, stays.as_ref());
    let mut rings = Rings::new(ebpf)?;
    let mut stacks = Stacks::new(ebpf, stays.is_none())?;
    let mut sweep = Sweep::new(ebpf)?;
    let streams = Streams::new(ebpf)?;
    let mut shedding =
        limit.map(|(ns_per_s, dispatch)| Shedding::new(ebpf, ns_per_s, dispatch)).transpose()?;
    let cpu_before_ns = process_cpu_ns();
    let mut windows = Windows::new(*are_runs_counted);
    let mut due = Due::default();

    while !shared.stop.load(Ordering::Acquire) {
        let ask = toggle::asked(asked, DRAIN_INTERVAL);
        streams.settle(ebpf)?;
        rings.drain(&mut stacks, &mut out)?;
        if let Some(ask) = ask {
            toggle::answer(ask, asked, ebpf, links, &shared.stop)?;
        }
        if let Some(before) = rings.losses_grew(&sweep)? {
            out.push(&Record::Losses(before))?;
            write_losses(&sweep, reentries(ebpf, stays)?, &rings, &stacks, &mut out)?;
        }
        let mut meanwhile = |out: &mut Writer| rings.drain_if_due(&mut stacks, out);
        let mut targets = shared.targets(&mut out, &mut meanwhile)?;
        // First, while those who came are still in the table.
        write_moved_in(&mut targets, &mut out)?;
        sweep.make_room(&mut targets, &mut out, &mut meanwhile)?;
        drop(targets);
        take_messages(inbox, &mut out)?;
        if let Some(window) = windows.tick(ebpf)? {
            if let Some(shedding) = &mut shedding
                && let Some(shed) = shedding.judge(&window, ebpf, links, &mut sweep)?
            {
                out.push(&Record::Shed(shed))?;
            }
            out.push(&Record::ProbeWindow(window))?;
        }
        let now = now_ns();
        if due.sweep.passed(now, SWEEP_INTERVAL_NS) {
            let mut meanwhile = |out: &mut Writer| rings.drain_if_due(&mut stacks, out);
            let mut targets = shared.targets(&mut out, &mut meanwhile)?;
            sweep.write(&mut targets, &mut out, &mut meanwhile)?;
            if due.thread_io.passed(now, THREAD_IO_INTERVAL_NS) {
                sweep.write_thread_io(&targets, &mut out, &mut meanwhile)?;
                sweep.write_cross_checks(&targets, Moment::During, &mut out, &mut meanwhile)?;
            }
            drop(targets);
            write_losses(&sweep, reentries(ebpf, stays)?, &rings, &stacks, &mut out)?;
            out.push(&Record::Daemon(cost::daemon(cpu_before_ns, map_bytes, out.written_bytes())?))?;
        }
        if due.frame.passed(now, FRAME_INTERVAL_NS) {
            stacks.write(&mut out, &mut |stacks, out| rings.drain_if_due(stacks, out))?;
            out.finish_frame()?;
            shared.capture_bytes.store(out.written_bytes(), Ordering::Relaxed);
        }
    }

    if let Some(window) = windows.close(ebpf)? {
        out.push(&Record::ProbeWindow(window))?;
    }
    // All this takes some 10 µs for each thread and each socket, while the probes record.
    let mut meanwhile = |out: &mut Writer| rings.drain_if_due(&mut stacks, out);
    let mut targets = shared.targets(&mut out, &mut meanwhile)?;
    sweep.write_cross_checks(&targets, Moment::BeforeEnd, &mut out, &mut meanwhile)?;
    let mut around_end = cross_check::host(Moment::BeforeEnd);
    for reading in live_threads(&targets, Moment::BeforeEnd) {
        around_end.push(reading);
        meanwhile(&mut out)?;
    }
    let open = sweep::open::look(&targets, || meanwhile(&mut out))?;
    let skipped = reentries(ebpf, stays)?;
    detach(ebpf, links, stays.is_some())?;
    streams.settle(ebpf)?;
    // Counters stand still from here on.
    let end_ns = now_ns();
    if let Some(shedding) = &shedding {
        shedding.end(end_ns, &mut sweep);
    }
    // Threads first: they run on, and what a long sweep adds would be part of the known error.
    let standings = sweep.look_at_running();
    around_end.extend(live_threads(&targets, Moment::AfterEnd));
    around_end.extend(cross_check::host(Moment::AfterEnd));
    rings.drain_last(&mut stacks, &mut out)?;
    write_moved_in(&mut targets, &mut out)?;
    bursts::add(end_ns, &mut targets, &mut sweep, &mut out)?;
    streams.add_calls(ebpf, &mut sweep)?;
    rings::write_pending(ebpf, &mut out)?;
    sweep.write(&mut targets, &mut out, &mut |_| Ok(()))?;
    sweep.write_open(open, &mut out)?;
    sweep.write_listeners(&targets, &mut out)?;
    sweep.write_live_threads(&targets, end_ns, &standings, &mut stacks, &mut out)?;
    sweep.write_cross_checks(&targets, Moment::AfterEnd, &mut out, &mut |_| Ok(()))?;
    around_end.iter().try_for_each(|cross_check| out.push(cross_check))?;
    drop(targets);
    stacks.write(&mut out, &mut |_, _| Ok(()))?;
    write_losses(&sweep, skipped, &rings, &stacks, &mut out)?;
    out.push(&Record::Daemon(cost::daemon(cpu_before_ns, map_bytes, out.written_bytes())?))?;
    // Nobody is disturbed by what comes now: nothing is recorded any more.
    stacks.write_names(stays.and_then(|stays| stays.symbols.as_ref()), &mut out)?;
    out.push(&Record::Clock(clock()))?;
    take_messages(inbox, &mut out)?;
    out.finish_frame()?;
    Ok(Detached { out, end_ns })
}

impl Shared {
    /// The targets, which another thread has for as long as it registers processes: it may be thousands.
    fn targets(&self, out: &mut Writer, meanwhile: &mut Meanwhile) -> Result<MutexGuard<'_, Targets>> {
        loop {
            match self.targets.try_lock() {
                Ok(targets) => return Ok(targets),
                Err(TryLockError::WouldBlock) => thread::sleep(TARGETS_WAIT),
                Err(TryLockError::Poisoned(_)) => panic!("no holder panicked"),
            }
            meanwhile(out)?;
        }
    }
}

impl Detached {
    /// Ends the capture; gives its size.
    pub fn end(&mut self, reason: &str) -> Result<u64> {
        self.out.push(&Record::End(End { at_ns: self.end_ns, reason: reason.to_owned() }))?;
        self.out.finish_frame()?;
        Ok(self.out.written_bytes())
    }

    /// Ends the capture, and packs it.
    pub fn complete(mut self, reason: &str) -> Result<()> {
        let written_bytes = self.end(reason)?;
        if written_bytes > TOLD_BYTES {
            tell(&format!("packing {} of capture", HumanBytes(written_bytes)));
        }
        if let Err(error) = capture::pack(self.out.path()) {
            tell(&format!("warning: {error:#}; it is complete, and stays as large as it is"));
        }
        Ok(())
    }
}

/// The same moment on both clocks.
pub fn clock() -> Clock {
    Clock { monotonic_ns: now_ns(), wall_ns: wall_ns() }
}

/// The CPU time of each thread of the targets, as the kernel has it.
fn live_threads(targets: &Targets, moment: Moment) -> impl Iterator<Item = Record> {
    cross_check::live_threads(targets.processes().map(|(_, process)| process), moment)
}

/// Writes what others have sent.
fn take_messages(inbox: &Receiver<Record>, out: &mut Writer) -> Result<()> {
    inbox.try_iter().try_for_each(|message| out.push(&message))
}

/// Writes where the I/O accounting of processes stood that were moved into a control group just now.
fn write_moved_in(targets: &mut Targets, out: &mut Writer) -> Result<()> {
    targets.moved_in().into_iter().try_for_each(|io| out.push(&Record::ThreadIo(io)))
}

fn write_losses(
    sweep: &Sweep,
    reentries: BTreeMap<String, u64>,
    rings: &Rings,
    stacks: &Stacks,
    out: &mut Writer,
) -> Result<()> {
    let mut losses = sweep.losses(reentries)?;
    losses.counts.insert(UNDECODABLE.to_owned(), rings.undecodable);
    losses.counts.insert(STACK_TRUNCATED.to_owned(), stacks.truncated);
    out.push(&Record::Losses(losses))
}

/// Runs of our programs that were skipped since the recording began, by class.
fn reentries(ebpf: &Ebpf, stays: Option<&Stays>) -> Result<BTreeMap<String, u64>> {
    let mut counts = cost::reentries(ebpf)?;
    for (class, before) in stays.iter().flat_map(|stays| &stays.reentries) {
        counts.entry(class.clone()).and_modify(|count| *count = count.saturating_sub(*before));
    }
    Ok(counts)
}

/// Detaches the programs, and unloads those that do not stay.
fn detach(ebpf: &mut Ebpf, links: &mut Links, do_stay: bool) -> Result<()> {
    links.off();
    if do_stay {
        return Ok(());
    }
    for program in families::programs() {
        let unloaded = match ebpf.program_mut(program.name) {
            Some(loaded) if loaded.fd().is_err() => Ok(()),
            Some(Program::BtfTracePoint(loaded)) => loaded.unload(),
            Some(Program::FEntry(loaded)) => loaded.unload(),
            Some(Program::FExit(loaded)) => loaded.unload(),
            Some(Program::PerfEvent(loaded)) => loaded.unload(),
            _ => Ok(()),
        };
        unloaded.with_context(|| format!("unload {}", program.name))?;
    }
    Ok(())
}

/// When each of the slower jobs was done last.
#[derive(Default)]
struct Due {
    sweep: Timer,
    thread_io: Timer,
    frame: Timer,
}

#[derive(Default)]
struct Timer(Option<NonZeroU64>);

impl Timer {
    fn passed(&mut self, now: u64, interval_ns: u64) -> bool {
        let last = self.0.get_or_insert(NonZeroU64::new(now).unwrap_or(NonZeroU64::MIN)).get();
        let passed = now - last >= interval_ns;
        if passed {
            self.0 = NonZeroU64::new(now);
        }
        passed
    }
}
