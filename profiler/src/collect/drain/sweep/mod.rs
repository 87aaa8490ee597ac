//! Copies the counters out of the maps and into the capture: what changed since the last sweep, and at the end
//! everything that /proc still has to add.

mod bypass;
mod drops;
pub mod fill;
mod inodes;
mod last_switch;
pub mod open;
mod pause;
mod room;
mod sockets;
mod steal;
mod threads;

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use abi::{
    disk::{Credit, CreditKey, DeviceIo, DeviceKey},
    file_ways::{WayBytes, WayKey},
    loss::Loss,
    sched::{StateWord, Thread, ThreadKey, ThreadState},
    sockets::{SocketBytes, SocketKey},
    target::{PROCESS_SLOTS, Process},
};
use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{MapData, PerCpuArray},
};
use procfs::process::Process as ProcProcess;

use crate::collect::maps::{Table, open};
use crate::{
    clock::now_ns,
    collect::{
        cross_check::{self, Namespaces},
        drain::{Meanwhile, Sink, bursts::Pending, stacks::Stacks, totals},
        mounts::Passing,
        targets::{Targets, in_proc, io_record, thread_io},
    },
};
use capture::{Losses, ProcessSerial, Record, ThreadTotals, Waits, Writer, comm_text, cross_check::Moment};

use drops::Drops;
use inodes::Inodes;
use last_switch::Standing;
use room::Room;
use sockets::Sockets;
use steal::Steal;
use threads::Threads;

/// The maps that hold counters, and what of them is in the capture already.
pub struct Sweep {
    threads: Threads,
    sockets: Sockets,
    devices: Table<DeviceKey, DeviceIo>,
    credits: Table<CreditKey, Credit>,
    ways: Table<WayKey, WayBytes>,
    inodes: Inodes,
    drops: Drops,
    /// Of a recording, whose cross-checks they are.
    namespaces: Option<Namespaces>,
    /// Of a recording.
    steal: Option<Steal>,
    /// Likewise.
    passing: Option<Passing>,
    losses: PerCpuArray<MapData, u64>,
    written_processes: HashMap<u64, (u64, u64)>,
    room_for_processes: Room,
    /// Processes that the daemon found no place for.
    unfit_processes: u64,
}

impl Sweep {
    /// Of a recording.
    pub fn new(ebpf: &Ebpf) -> Result<Self> {
        let own = Some(Namespaces::with_own());
        let (steal, passing) = (Some(Steal::default()), Some(Passing::default()));
        Ok(Self { namespaces: own, steal, passing, ..Self::of_counters(ebpf)? })
    }

    /// The same without what only cross-checks want.
    pub fn of_counters(ebpf: &Ebpf) -> Result<Self> {
        Ok(Self {
            threads: Threads::new(ebpf)?,
            sockets: Sockets::new(ebpf)?,
            devices: Table::open(ebpf, "DEVICES")?,
            credits: Table::open(ebpf, "CREDITS")?,
            ways: Table::open(ebpf, "WAY_BYTES")?,
            inodes: Inodes::new(ebpf)?,
            drops: Drops::new(ebpf)?,
            namespaces: None,
            steal: None,
            passing: None,
            losses: open_counter(ebpf, "LOSSES")?,
            written_processes: HashMap::new(),
            room_for_processes: Room::of(PROCESS_SLOTS),
            unfit_processes: 0,
        })
    }

    /// Writes what changed, and forgets what has ended. `meanwhile` is done after each element.
    pub fn write<W: Sink>(
        &mut self,
        targets: &mut Targets,
        out: &mut W,
        meanwhile: &mut Meanwhile<W>,
    ) -> Result<()> {
        self.write_tasks(targets, out, meanwhile)?;
        self.write_disks(out, meanwhile)?;
        for mount in self.passing.iter_mut().flat_map(Passing::come) {
            out.push(&Record::Mount(mount))?;
        }
        self.drops.write(out)?;
        if let Some(steal) = &mut self.steal {
            steal.write(out)?;
        }
        self.inodes.write_if_due(out, meanwhile)
    }

    /// The same of processes, threads and sockets, if so many came since the last time that their tables could be full
    /// before the next.
    pub fn make_room<W: Sink>(
        &mut self,
        targets: &mut Targets,
        out: &mut W,
        meanwhile: &mut Meanwhile<W>,
    ) -> Result<()> {
        if self.room_for_processes.is_needed(targets.followed()) || self.threads.need_room()? {
            return self.write_tasks(targets, out, meanwhile);
        }
        self.sockets.make_room(out, meanwhile)
    }

    /// What is in no count yet, once no probe runs any more.
    pub fn take_bursts(&mut self) -> Option<Pending> {
        self.sockets.bursts.take()
    }

    /// The counts of a socket's use, to be added to once no probe runs any more.
    pub fn socket_counts(&mut self, key: SocketKey) -> Option<&mut SocketBytes> {
        self.sockets.counts(key)
    }

    fn write_tasks<W: Sink>(
        &mut self,
        targets: &mut Targets,
        out: &mut W,
        meanwhile: &mut Meanwhile<W>,
    ) -> Result<()> {
        let followed = targets.followed();
        self.unfit_processes = targets.unfit;
        let exiting: Vec<(u32, Process)> = targets.processes().filter(|(_, p)| p.exited_ns != 0).collect();
        for (_, process) in targets.processes().filter(|(_, process)| process.exited_ns == 0) {
            if let Some(namespaces) = &mut self.namespaces {
                namespaces.hold(&process);
            }
            meanwhile(out)?;
        }
        self.write_processes(targets, out, meanwhile)?;
        let alive = self.threads.write(targets, out, meanwhile)?;
        // The kernel tells of an exit before it closes files and frees memory, which may take seconds: a process
        // has made its last count when its last thread has left its CPU for good.
        let ended: Vec<_> =
            exiting.into_iter().filter(|(_, p)| !alive.contains(&p.serial) || !exists(p.tgid)).collect();
        self.sockets.write(out, &ended, meanwhile)?;
        for (slot, process) in &ended {
            if let Some(last) = cross_check::ended(process) {
                out.push(&last)?;
            }
            targets.release(*slot, process)?;
            self.written_processes.remove(&process.serial);
            meanwhile(out)?;
        }
        self.room_for_processes.swept(followed, targets.processes().count());
        Ok(())
    }

    /// What /proc says of threads that are on their CPUs, as far as the probes know. To be called as soon as these are
    /// detached: the threads run on.
    pub fn look_at_running(&self) -> HashMap<ThreadKey, Standing> {
        last_switch::look(&self.threads.alive())
    }

    /// Adds the last counts of files, and what /proc knows of the threads that live: their I/O accounting, their
    /// names, and those that never ran. For the end, when the probes are detached: `end_ns` is when, and `standings`
    /// what [`look_at_running`](Self::look_at_running) saw then.
    pub fn write_live_threads(
        &mut self,
        targets: &Targets,
        end_ns: u64,
        standings: &HashMap<ThreadKey, Standing>,
        stacks: &mut Stacks,
        out: &mut Writer,
    ) -> Result<()> {
        self.inodes.write(out, &mut |_| Ok(()))?;
        let mut seen: HashMap<u32, Thread> =
            self.threads.alive().into_iter().map(|thread| (thread.key.tid, thread)).collect();
        for thread in seen.values_mut() {
            if let Some(standing) = standings.get(&thread.key)
                && let Some(off) = last_switch::off_its_cpu(thread, *standing, end_ns)
            {
                *thread = off;
                self.threads.switches_unseen += 1;
            }
        }
        for (_, process) in targets.processes().filter(|(_, p)| p.exited_ns == 0) {
            for task in
                ProcProcess::new(process.tgid as i32).and_then(|p| p.tasks()).into_iter().flatten().flatten()
            {
                // A thread that ends at this moment has no stat any more, and no time that is missing.
                let Ok(stat) = task.stat() else { continue };
                let mut totals = match seen.get(&(task.tid as u32)) {
                    Some(thread) => totals::thread(end_ns, thread),
                    // A leader that has exited stays in /proc as long as other threads live.
                    None if matches!(stat.state, 'Z' | 'X') => continue,
                    None => never_ran(end_ns, &process, &stat),
                };
                let word = seen.get(&(task.tid as u32)).map(|thread| StateWord(thread.word).state());
                totals.state = match (word, stat.state) {
                    // It has not left its CPU once since the recording began.
                    (None | Some(ThreadState::Unseen), 'R') => capture::ThreadState::Cpu,
                    // The wake-up before the switch was not for this sleep.
                    (Some(ThreadState::Raced), 'S' | 'D' | 'T') => capture::ThreadState::Blocked,
                    _ => totals.state,
                };
                totals.comm = in_proc::comm(task.tid as u32).map_or(totals.comm, |comm| comm_text(&comm));
                if let Some(thread) = seen.get(&(task.tid as u32))
                    && totals.state != capture::ThreadState::Cpu
                    && let Some(span) = capture::events::spans::open(thread)
                {
                    stacks.note(thread.key.tid, thread.user_stack, thread.kernel_stack);
                    out.push(&Record::Span(span))?;
                }
                out.push(&Record::ThreadTotals(totals))?;
            }
        }
        self.write_thread_io(targets, out, &mut |_| Ok(()))
    }

    /// Ends the states of threads, which nothing sees from now on.
    pub fn threads_stand_still(&mut self, at_ns: u64) {
        self.threads.stand_still(at_ns);
    }

    /// Begins the states of threads anew.
    pub fn threads_go_on(&mut self, at_ns: u64) {
        self.threads.go_on(at_ns);
    }

    /// The I/O accounting of the threads that live. `meanwhile` is done after each.
    pub fn write_thread_io(
        &self,
        targets: &Targets,
        out: &mut Writer,
        meanwhile: &mut Meanwhile,
    ) -> Result<()> {
        let taken_over = self.threads.taken_over();
        for (_, process) in targets.processes().filter(|(_, p)| p.exited_ns == 0) {
            for (tid, io) in thread_io(process.tgid) {
                let mut record = io_record(now_ns(), ProcessSerial(process.serial), tid, &io, false);
                if let Some(earlier) = taken_over.get(&process.serial).filter(|thread| thread.key.tid == tid)
                {
                    record.read_chars += earlier.rchar;
                    record.write_chars += earlier.wchar;
                    record.read_bytes += earlier.read_bytes;
                    record.write_bytes += earlier.write_bytes;
                }
                out.push(&Record::ThreadIo(record))?;
                meanwhile(out)?;
            }
        }
        Ok(())
    }

    /// What the kernel itself says of the targets that live, and of their network namespaces. `meanwhile` is done after
    /// each target.
    pub fn write_cross_checks(
        &mut self,
        targets: &Targets,
        moment: Moment,
        out: &mut Writer,
        meanwhile: &mut Meanwhile,
    ) -> Result<()> {
        let alive: Vec<_> =
            targets.processes().map(|(_, process)| process).filter(|p| p.exited_ns == 0).collect();
        for process in &alive {
            let serial = ProcessSerial(process.serial);
            if let Some(totals) = cross_check::process(process.tgid, serial, moment) {
                out.push(&totals)?;
            }
            meanwhile(out)?;
        }
        let carried = self.namespaces.as_mut().map(|namespaces| namespaces.read(&alive, moment));
        carried.iter().flatten().try_for_each(|interface| out.push(interface))
    }

    /// Everything lost so far by class; the counts are what the kernel skipped of our programs.
    pub fn losses(&self, mut counts: BTreeMap<String, u64>) -> Result<Losses> {
        for &class in Loss::ALL {
            counts.insert(class.name().to_owned(), self.lost(class)?);
        }
        *counts.entry(Loss::SwitchUnseen.name().to_owned()).or_default() += self.threads.switches_unseen;
        *counts.entry(Loss::ProcessTableFull.name().to_owned()).or_default() += self.unfit_processes;
        Ok(Losses { at_ns: now_ns(), counts })
    }

    /// Writes what connections that are open have received past the calls that are counted.
    pub fn write_open(&self, open: Vec<open::Open>, out: &mut Writer) -> Result<()> {
        self.sockets.write_open(open, out)
    }

    /// Forgets what processes submitted themselves, and moved past the accounting, that are none of `keep`. What they submit later counts as new.
    pub fn forget_credits(&mut self, keep: impl Fn(u64) -> bool) -> Result<()> {
        for (key, _) in self.credits.read()? {
            if !keep(key.process) {
                self.credits.remove(&key)?;
            }
        }
        for (key, _) in self.ways.read()? {
            if !keep(key.process) {
                self.ways.remove(&key)?;
            }
        }
        Ok(())
    }

    /// Writes what listening sockets could not take.
    pub fn write_listeners(&self, targets: &Targets, out: &mut Writer) -> Result<()> {
        self.drops.write_listeners(targets, out)
    }

    /// How much of one class was lost so far.
    pub fn lost(&self, class: Loss) -> Result<u64> {
        Ok(self.losses.get(&(class as u32), 0).context("read LOSSES")?.iter().sum())
    }

    fn write_processes<W: Sink>(
        &mut self,
        targets: &Targets,
        out: &mut W,
        meanwhile: &mut Meanwhile<W>,
    ) -> Result<()> {
        for (_, process) in targets.processes() {
            let moved =
                process.tcp_rx_bytes + process.tcp_tx_bytes + process.udp_rx_bytes + process.udp_tx_bytes;
            let now = (moved, process.exited_ns);
            if self.written_processes.insert(process.serial, now) != Some(now) {
                out.push(&Record::ProcessTotals(totals::process(now_ns(), &process)))?;
            }
            meanwhile(out)?;
        }
        Ok(())
    }

    fn write_disks<W: Sink>(&mut self, out: &mut W, meanwhile: &mut Meanwhile<W>) -> Result<()> {
        for (key, io) in self.devices.read()? {
            out.push(&Record::DeviceTotals(totals::device(now_ns(), &key, &io)))?;
        }
        for (key, credit) in self.credits.read_with(|| meanwhile(out))? {
            out.push(&Record::CreditTotals(totals::credit(now_ns(), &key, &credit)))?;
            meanwhile(out)?;
        }
        for (key, bytes) in self.ways.read_with(|| meanwhile(out))? {
            if let Some(totals) = totals::way(now_ns(), &key, &bytes) {
                out.push(&Record::WayTotals(totals))?;
            }
            meanwhile(out)?;
        }
        Ok(())
    }
}

fn open_counter(ebpf: &Ebpf, name: &str) -> Result<PerCpuArray<MapData, u64>> {
    Ok(open(ebpf, name)?.try_into()?)
}

fn exists(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

/// A thread without a single event: it slept through the whole recording, or never left its CPU.
fn never_ran(end_ns: u64, process: &Process, stat: &procfs::process::Stat) -> ThreadTotals {
    let tick_ns = 1_000_000_000 / procfs::ticks_per_second();
    let since_ns = process.since_ns.max(stat.starttime * tick_ns);
    ThreadTotals {
        at_ns: end_ns,
        process: ProcessSerial(process.serial),
        tid: stat.pid as u32,
        start_ns: stat.starttime * tick_ns,
        comm: comm_text(&process.comm),
        since_ns,
        cpu_ns: 0,
        runqueue_ns: 0,
        throttled_ns: 0,
        softirq_ns: 0,
        hardirq_ns: 0,
        user_samples: 0,
        kernel_samples: 0,
        waits: Waits::default(),
        switches: 0,
        state: capture::ThreadState::Idle,
        state_since_ns: since_ns,
        creator_tid: None,
    }
}
