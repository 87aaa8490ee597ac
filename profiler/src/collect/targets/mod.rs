//! Chooses what is profiled: registers processes that run already, and the commands to wait for. Their
//! children are followed by the probes.

pub mod child;
pub mod groups;
pub mod in_proc;

use std::{
    collections::VecDeque,
    fmt,
    path::PathBuf,
    sync::atomic::{AtomicU16, AtomicU64, Ordering},
};

use abi::{
    groups::{GROUPS, GroupKey},
    target::{PROCESS_SLOTS, Process, SLOTS_PER_ELEMENT},
};
use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf,
    maps::{MapData, Queue},
};
use procfs::process::Process as ProcProcess;

use self::groups::Group;
use crate::{
    clock::now_ns,
    collect::{
        cross_check,
        maps::{MappedArray, Table, open},
        privileges::{self, is_refusal},
        probes::pid_max,
    },
};
use capture::{ProcessSerial, Record, ThreadIo, comm_text, cross_check::Moment};

/// The table of targets that the probes look into, mapped into this process's memory.
pub struct Targets {
    slot_of: MappedArray,
    processes: MappedArray,
    last_serial: MappedArray,
    free_slots: Queue<MapData, u32>,
    commands: Table<[u8; 16], u32>,
    groups: Table<GroupKey, u32>,
    /// The groups by their folders, as they were seen last.
    followed: std::collections::HashMap<PathBuf, GroupKey>,
    /// The last process that was looked at for having been moved in.
    looked_at: u64,
    /// Processes that were to be followed, and found no place.
    pub unfit: u64,
    /// The last ones whose slots were given back.
    released: VecDeque<Process>,
}

/// Of processes that have ended, so many are remembered.
const RELEASED: usize = 256;

/// The table of processes is full.
#[derive(Debug)]
struct NoPlace;

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} processes are profiled already, no more fit", PROCESS_SLOTS - 1)
    }
}

impl std::error::Error for NoPlace {}

/// What registering a process that already ran found.
pub struct Registered {
    pub serial: ProcessSerial,
    /// Where its threads' I/O accounting and the witnesses stood.
    pub baseline: Vec<Record>,
}

impl Targets {
    pub fn new(ebpf: &Ebpf) -> Result<Self> {
        Ok(Self {
            slot_of: MappedArray::new(ebpf, "SLOT_OF", size_of::<[u16; SLOTS_PER_ELEMENT as usize]>())?,
            processes: MappedArray::new(ebpf, "PROCESSES", size_of::<Process>())?,
            last_serial: MappedArray::new(ebpf, "LAST_SERIAL", size_of::<u64>())?,
            free_slots: open(ebpf, "FREE_SLOTS")?.try_into()?,
            commands: Table::open(ebpf, "COMMANDS")?,
            groups: Table::open(ebpf, "GROUPS")?,
            followed: std::collections::HashMap::new(),
            looked_at: 0,
            unfit: 0,
            released: VecDeque::new(),
        })
    }

    /// Makes a running process a target from now on, and the children that it already has.
    pub fn register(&mut self, pid: u32) -> Result<Vec<Registered>> {
        if pid < pid_max()?
            && let Some(serial) = self.serial(pid)
        {
            return Ok(vec![Registered { serial, baseline: Vec::new() }]);
        }
        let mut registered = vec![self.register_one(pid, 0)?];
        // From here on the probes follow new children; those that are there already are found in /proc.
        let mut parents = vec![pid];
        while let Some(parent) = parents.pop() {
            for child in children(parent) {
                // The profiler may be a child of what it profiles. It is a target only if it is named itself.
                if child == std::process::id() {
                    continue;
                }
                // Adopted by the probes in the meantime, or gone again.
                if !self.is_target(child) {
                    let one = self.register_one(child, parent);
                    registered.extend(self.unless_gone(one)?);
                }
                parents.push(child);
            }
        }
        Ok(registered)
    }

    /// Makes every process with this command name a target: those that run, and those that will be executed.
    pub fn register_command(&mut self, name: &str) -> Result<Vec<Registered>> {
        let comm = in_proc::comm_bytes(name.as_bytes());
        self.commands.insert(comm, 1).with_context(|| format!("wait for the command {name}"))?;
        let mut registered = Vec::new();
        for process in procfs::process::all_processes().context("list the processes in /proc")?.flatten() {
            let pid = process.pid as u32;
            // The profiler's own work is no part of what has its name.
            if pid != std::process::id()
                && in_proc::comm(pid) == Some(comm)
                && process.stat().is_ok_and(|stat| !in_proc::is_kernel_thread(&stat))
                && !self.is_target(pid)
            {
                let found = self.register(pid);
                registered.extend(self.unless_gone(found)?.into_iter().flatten());
            }
        }
        Ok(registered)
    }

    /// Makes every process a target that is in a control group or below it, and those that come into it later. May be
    /// repeated: nothing happens then, unless the group was made again in the meantime.
    pub fn register_group(&mut self, group: &Group) -> Result<Vec<Registered>> {
        let Some(key) = group.key()? else { return Ok(Vec::new()) };
        match self.followed.insert(group.folder.clone(), key) {
            Some(before) if before == key => return Ok(Vec::new()),
            Some(before) => self.groups.remove(&before).context("forget a control group that was removed")?,
            None => {}
        }
        // First, so that no process comes in unseen.
        self.groups.insert(key, 1).with_context(|| {
            let folder = group.folder.display();
            format!("follow the control group {folder}: the probes know {} of them", GROUPS)
        })?;
        let mut registered = Vec::new();
        for pid in group.members()? {
            if pid != std::process::id() && !self.is_target(pid) {
                let found = self.register(pid);
                registered.extend(self.unless_gone(found)?.into_iter().flatten());
            }
        }
        Ok(registered)
    }

    /// Waits no more for processes with this command name; those that are targets stay so.
    pub fn forget_command(&mut self, name: &str) -> Result<()> {
        self.commands.remove(&in_proc::comm_bytes(name.as_bytes()))
    }

    /// Waits no more for processes that come into this group; those that are targets stay so.
    pub fn forget_group(&mut self, group: &Group) -> Result<()> {
        match self.followed.remove(&group.folder) {
            Some(key) => self.groups.remove(&key),
            None => Ok(()),
        }
    }

    /// Where the threads of processes stood that have come into a control group since the last call.
    pub fn moved_in(&mut self) -> Vec<ThreadIo> {
        let last = self.followed();
        let before = std::mem::replace(&mut self.looked_at, last);
        if before == last {
            return Vec::new();
        }
        let is_new =
            |process: &Process| process.moved_in != 0 && (before + 1..=last).contains(&process.serial);
        let new = self.processes().map(|(_, process)| process).filter(is_new);
        new.flat_map(|process| {
            thread_io(process.tgid).map(move |(tid, io)| {
                io_record(process.since_ns, ProcessSerial(process.serial), tid, &io, true)
            })
        })
        .collect()
    }

    /// How many processes have been targets so far, those that have ended included.
    pub fn followed(&self) -> u64 {
        // SAFETY: one element of 8 bytes, aligned, shared with the probes' atomic instructions.
        unsafe { AtomicU64::from_ptr(self.last_serial.at(0).cast()) }.load(Ordering::Acquire)
    }

    /// The serial of a process that is a target.
    pub fn serial(&self, pid: u32) -> Option<ProcessSerial> {
        match self.slot(pid).load(Ordering::Acquire) {
            0 => None,
            slot => Some(ProcessSerial(self.process(u32::from(slot)).serial)),
        }
    }

    /// Every slot that is in use, with what its process moved so far.
    pub fn processes(&self) -> impl Iterator<Item = (u32, Process)> + '_ {
        // The serial alone first: nearly all slots are free, and a slot is three cache lines.
        let in_use = |&slot: &u32| self.serial_of(slot) != 0;
        (1..PROCESS_SLOTS).filter(in_use).map(|slot| (slot, self.process(slot)))
    }

    /// The last ones that have ended, with all that they moved.
    pub fn ended(&self) -> impl Iterator<Item = &Process> {
        self.released.iter()
    }

    /// Gives back the slot of a process that has ended and was recorded.
    pub fn release(&mut self, slot: u32, process: &Process) -> Result<()> {
        // Only if the id still means this process: it may have been reused.
        let _ = self.slot(process.tgid).compare_exchange(slot as u16, 0, Ordering::AcqRel, Ordering::Relaxed);
        self.put(slot, Process::default());
        if self.released.len() == RELEASED {
            self.released.pop_front();
        }
        self.released.push_back(*process);
        self.free_slots.push(slot, 0).context("give back a process slot")
    }

    fn register_one(&mut self, pid: u32, parent: u32) -> Result<Registered> {
        if pid == 0 {
            bail!("there is no process 0: the kernel calls its idle threads so; give the id of a process");
        }
        if pid >= pid_max()? {
            bail!("there is no process {pid}: process ids stay below kernel.pid_max");
        }
        let none = || format!("there is no process {pid} that could be profiled");
        let stat = ProcProcess::new(pid as i32).and_then(|process| process.stat()).with_context(none)?;
        let comm = in_proc::comm(pid).with_context(none)?;
        let name = comm_text(&comm);
        if in_proc::is_kernel_thread(&stat) {
            bail!(
                "{pid} ({name}) is a thread of the kernel, which has no calls and files of its own: profile the process \
                 that it works for"
            );
        }
        let tgid = in_proc::tgid(pid).with_context(none)?;
        if tgid != pid {
            bail!("{pid} is a thread of process {tgid}: profile the process");
        }
        if in_proc::living_thread(pid).is_none() {
            bail!("process {pid} has ended already");
        }
        check_readable(pid, &name)?;
        let slot = self.free_slots.pop(0).map_err(|_| NoPlace)?;
        // SAFETY: one element of 8 bytes, aligned, shared with the probes' atomic instructions.
        let serial =
            unsafe { AtomicU64::from_ptr(self.last_serial.at(0).cast()) }.fetch_add(1, Ordering::AcqRel) + 1;
        let named = ProcessSerial(serial);
        let mut baseline = cross_check::interfaces(pid, Moment::BeforeStart);
        baseline.extend(cross_check::process(pid, named, Moment::BeforeStart));
        baseline.extend(cross_check::threads(pid, named, Moment::BeforeStart));
        let since_ns = now_ns();
        self.put(
            slot,
            Process { serial, since_ns, tgid: pid, parent_tgid: parent, comm, ..Process::default() },
        );
        // The probes may have adopted it meanwhile.
        let free = self.slot(pid).compare_exchange(0, slot as u16, Ordering::AcqRel, Ordering::Acquire);
        if let Err(theirs) = free {
            self.put(slot, Process::default());
            self.free_slots.push(slot, 0).context("give back a process slot")?;
            let serial = ProcessSerial(self.process(theirs.into()).serial);
            return Ok(Registered { serial, baseline: Vec::new() });
        }
        if in_proc::living_thread(pid).is_none() {
            // Its end may have come before the probes knew it.
            self.end(slot);
        }
        baseline.extend(
            thread_io(pid).map(|(tid, io)| Record::ThreadIo(io_record(since_ns, named, tid, &io, true))),
        );
        baseline.extend(cross_check::process(pid, named, Moment::AfterStart));
        baseline.extend(cross_check::threads(pid, named, Moment::AfterStart));
        Ok(Registered { serial: named, baseline })
    }

    /// What was registered, and nothing of what is gone. What has no place is counted; what must not be read is an error: it
    /// would be missing.
    fn unless_gone<T>(&mut self, registered: Result<T>) -> Result<Option<T>> {
        match registered {
            Ok(registered) => Ok(Some(registered)),
            Err(error) if is_refusal(&error) => Err(error),
            Err(error) => {
                self.unfit += u64::from(error.is::<NoPlace>());
                Ok(None)
            }
        }
    }

    /// The counts of a process, to be added to once no probe runs any more.
    pub fn counts(&mut self, serial: ProcessSerial) -> Option<&mut Process> {
        let (slot, _) = self.processes().find(|(_, process)| process.serial == serial.0)?;
        // SAFETY: in bounds, and borrowed as long as this; no probe writes any more.
        Some(unsafe { &mut *self.processes.at(slot).cast::<Process>() })
    }

    /// Ends a process whose last thread was seen exiting, unless the probes have noted that.
    fn end(&mut self, slot: u32) {
        let process = self.processes.at(slot).cast::<Process>();
        // SAFETY: in bounds; 8 bytes, aligned.
        let exited_ns = unsafe { AtomicU64::from_ptr(&raw mut (*process).exited_ns) };
        let _ = exited_ns.compare_exchange(0, now_ns(), Ordering::AcqRel, Ordering::Relaxed);
    }

    fn is_target(&self, pid: u32) -> bool {
        self.serial(pid).is_some()
    }

    fn slot(&self, pid: u32) -> &AtomicU16 {
        // In bounds, or a panic that says so.
        self.slot_of.at(pid / SLOTS_PER_ELEMENT);
        // SAFETY: in bounds; four slots of two bytes an element, aligned.
        unsafe { AtomicU16::from_ptr(self.slot_of.at(0).cast::<u16>().add(pid as usize)) }
    }

    fn serial_of(&self, slot: u32) -> u64 {
        let process = self.processes.at(slot).cast::<Process>();
        // SAFETY: in bounds; an aligned integer.
        unsafe { (&raw const (*process).serial).read_volatile() }
    }

    fn process(&self, slot: u32) -> Process {
        // SAFETY: in bounds; every field is a plain integer, and one that changes meanwhile is read before or after.
        unsafe { self.processes.at(slot).cast::<Process>().read_volatile() }
    }

    fn put(&mut self, slot: u32, process: Process) {
        // SAFETY: in bounds; no probe writes to a slot that no thread group id leads to.
        unsafe { self.processes.at(slot).cast::<Process>().write_volatile(process) }
    }
}

/// That this process may read another's accounting. Without it what the other did before the recording would count.
fn check_readable(pid: u32, name: &str) -> Result<()> {
    let read = ProcProcess::new(pid as i32).and_then(|process| process.io());
    match read.map_err(anyhow::Error::from) {
        Err(error) if is_refusal(&error) => {
            let names = privileges::lacking_to_read()?;
            let lacks =
                if names.is_empty() { String::new() } else { format!(" (it lacks {})", names.join(", ")) };
            let way_out = privileges::WAY_OUT;
            Err(error.context(format!("this process may not read {pid} ({name}){lacks}: run it {way_out}")))
        }
        // Whatever else it is: the process is gone, or the kernel does not account for it.
        _ => Ok(()),
    }
}

/// The I/O accounting of each thread of a process; nothing for what is gone or must not be read.
pub fn thread_io(pid: u32) -> impl Iterator<Item = (u32, procfs::process::Io)> {
    let tasks = ProcProcess::new(pid as i32).and_then(|process| process.tasks());
    tasks.into_iter().flatten().flatten().filter_map(|task| Some((task.tid as u32, task.io().ok()?)))
}

/// A thread's accounting as a record of the capture.
pub fn io_record(
    at_ns: u64,
    process: ProcessSerial,
    tid: u32,
    io: &procfs::process::Io,
    baseline: bool,
) -> ThreadIo {
    ThreadIo {
        at_ns,
        process,
        tid,
        read_chars: io.rchar,
        write_chars: io.wchar,
        read_bytes: io.read_bytes,
        write_bytes: io.write_bytes,
        baseline,
    }
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = ProcProcess::new(pid as i32).and_then(|process| process.tasks());
    tasks.into_iter().flatten().flatten().flat_map(|task| task.children().unwrap_or_default()).collect()
}
