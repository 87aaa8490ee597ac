//! Reads what the kernel keeps whether anybody measures or not, as records of the capture. What cannot be read is left
//! out: the report says what has no cross_check.

use std::{
    collections::{BTreeMap, HashSet, btree_map::Entry},
    fs::{self, File},
    io::{BufReader, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use abi::target::Process;
use procfs::{CurrentSI as _, FromBufRead as _, net::InterfaceDeviceStatus, process::Process as ProcProcess};

use crate::{clock::now_ns, collect::targets::in_proc};
use capture::{
    ProcessSerial, Record,
    cross_check::{
        CrossCheck, DiskReading, InterfaceReading, Moment, ProcessReading, Reading, ThreadReading,
    },
};

/// `/proc/diskstats` counts in sectors of this size, whatever the device's own is.
const SECTOR_BYTES: u64 = 512;

/// What counts for the whole host.
pub fn host(moment: Moment) -> Vec<Record> {
    let disks = procfs::diskstats().unwrap_or_default().into_iter().filter(|disk| is_whole(&disk.name));
    let mut records: Vec<Record> = disks
        .map(|disk| {
            let requests = |count| if has_requests(&disk.name) { count } else { 0 };
            let reading = Reading::Disk(DiskReading {
                major: disk.major as u32,
                minor: disk.minor as u32,
                reads: requests(disk.reads),
                read_bytes: disk.sectors_read * SECTOR_BYTES,
                writes: requests(disk.writes),
                written_bytes: disk.sectors_written * SECTOR_BYTES,
            });
            record(moment, reading)
        })
        .collect();
    let steal = procfs::KernelStats::current().ok().and_then(|stat| stat.total.steal);
    records.extend(steal.map(|ticks| record(moment, Reading::Steal { ns: ticks * tick_ns() })));
    records
}

/// A process's own totals.
pub fn process(pid: u32, serial: ProcessSerial, moment: Moment) -> Option<Record> {
    let process = ProcProcess::new(pid as i32).ok()?;
    read_process(&process, &process.stat().ok()?, serial, moment)
}

/// The totals of a process that has ended and was not waited for yet: they are final.
pub fn ended(process: &Process) -> Option<Record> {
    let found = ProcProcess::new(process.tgid as i32).ok()?;
    let stat = found.stat().ok()?;
    // Another process with its id began after its end.
    let is_it = stat.state == 'Z' && stat.starttime * tick_ns() <= process.exited_ns;
    is_it.then(|| read_process(&found, &stat, ProcessSerial(process.serial), Moment::AfterEnd)).flatten()
}

/// The CPU time of each thread of the processes that live.
pub fn live_threads(
    processes: impl Iterator<Item = Process>,
    moment: Moment,
) -> impl Iterator<Item = Record> {
    let alive = processes.filter(|process| process.exited_ns == 0);
    alive.flat_map(move |process| threads(process.tgid, ProcessSerial(process.serial), moment))
}

/// The CPU time of each thread of a process.
pub fn threads(pid: u32, serial: ProcessSerial, moment: Moment) -> impl Iterator<Item = Record> {
    let tasks = ProcProcess::new(pid as i32).and_then(|process| process.tasks());
    let runs = tasks
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|task| Some((task.tid as u32, task.schedstat().ok()?.sum_exec_runtime)));
    runs.map(move |(tid, run_ns)| {
        record(moment, Reading::Thread(ThreadReading { process: serial, tid, run_ns }))
    })
}

/// The interfaces of the network namespace that a process lives in.
pub fn interfaces(pid: u32, moment: Moment) -> Vec<Record> {
    let namespace = Namespace::of(pid);
    namespace.into_iter().flat_map(|mut namespace| namespace.read(moment)).collect()
}

/// The network namespaces of targets. One is held until it was read after its last target had ended: with the
/// namespace its interfaces would be gone, and what they counted.
pub struct Namespaces {
    /// The profiler's own, which does not go away.
    own: Option<u32>,
    held: BTreeMap<u32, Namespace>,
    known: HashSet<u64>,
}

struct Namespace {
    inode: u32,
    /// `/proc/PID/net/dev`, which gives this namespace's interfaces whatever becomes of the process.
    file: File,
}

impl Namespaces {
    /// With the profiler's own.
    pub fn with_own() -> Self {
        let own = Namespace::of(std::process::id());
        let held: BTreeMap<_, _> = own.into_iter().map(|own| (own.inode, own)).collect();
        Self { own: held.keys().next().copied(), held, known: HashSet::new() }
    }

    /// Holds the namespace of a process, if it was not seen before.
    pub fn hold(&mut self, process: &Process) {
        if self.known.insert(process.serial) {
            self.hold_one(process.tgid);
        }
    }

    /// Reads the namespaces of these processes, and for the last time those in which there is none of them any more.
    pub fn read(&mut self, alive: &[Process], moment: Moment) -> Vec<Record> {
        let mut in_use: HashSet<u32> = self.own.into_iter().collect();
        in_use.extend(alive.iter().filter_map(|process| self.hold_one(process.tgid)));
        self.known = alive.iter().map(|process| process.serial).collect();
        let read = self.held.values_mut().flat_map(|namespace| {
            let is_over = !in_use.contains(&namespace.inode);
            namespace.read(if is_over { Moment::AfterEnd } else { moment })
        });
        let records = read.collect();
        self.held.retain(|inode, _| in_use.contains(inode));
        records
    }

    fn hold_one(&mut self, pid: u32) -> Option<u32> {
        let inode = inode(pid).or_else(|| inode(in_proc::living_thread(pid)?))?;
        if let Entry::Vacant(place) = self.held.entry(inode) {
            place.insert(Namespace::of(pid)?);
        }
        Some(inode)
    }
}

impl Namespace {
    fn of(pid: u32) -> Option<Self> {
        // A thread that has ended is in no namespace, and may be the first.
        let thread = in_proc::living_thread(pid)?;
        let file = File::open(format!("/proc/{thread}/net/dev")).ok()?;
        Some(Self { inode: inode(thread)?, file })
    }

    fn read(&mut self, moment: Moment) -> Vec<Record> {
        let interfaces = self
            .file
            .seek(SeekFrom::Start(0))
            .ok()
            .and_then(|_| InterfaceDeviceStatus::from_buf_read(BufReader::new(&self.file)).ok());
        let mut interfaces: Vec<_> = interfaces.into_iter().flat_map(|found| found.0).collect();
        interfaces.sort_by(|a, b| a.0.cmp(&b.0));
        let readings = interfaces.into_iter().map(|(name, counted)| InterfaceReading {
            netns: self.inode,
            name,
            rx_bytes: counted.recv_bytes,
            tx_bytes: counted.sent_bytes,
        });
        readings.map(|reading| record(moment, Reading::Interface(reading))).collect()
    }
}

fn read_process(
    process: &ProcProcess,
    stat: &procfs::process::Stat,
    serial: ProcessSerial,
    moment: Moment,
) -> Option<Record> {
    let io = process.io().ok()?;
    let reading = Reading::Process(ProcessReading {
        process: serial,
        cpu_ns: (stat.utime + stat.stime) * tick_ns(),
        read_chars: io.rchar,
        write_chars: io.wchar,
        read_bytes: io.read_bytes,
        write_bytes: io.write_bytes,
    });
    Some(record(moment, reading))
}

fn record(moment: Moment, reading: Reading) -> Record {
    Record::CrossCheck(CrossCheck { at_ns: now_ns(), moment, reading })
}

fn tick_ns() -> u64 {
    1_000_000_000 / procfs::ticks_per_second()
}

/// Whether it is no partition.
fn is_whole(disk: &str) -> bool {
    sysfs(disk).exists()
}

/// Whether its requests pass `block_rq_complete`. Others pass bios on, or do them at once.
fn has_requests(disk: &str) -> bool {
    sysfs(disk).join("mq").exists()
}

fn sysfs(disk: &str) -> PathBuf {
    // As the kernel writes it there.
    Path::new("/sys/block").join(disk.replace('/', "!"))
}

/// Of the network namespace of a thread that lives.
fn inode(tid: u32) -> Option<u32> {
    Some(fs::metadata(format!("/proc/{tid}/ns/net")).ok()?.ino() as u32)
}
