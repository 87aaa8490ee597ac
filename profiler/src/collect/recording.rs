//! A recording: attached probes, the daemon's thread, and the capture that it writes.

use std::{
    collections::BTreeMap,
    fs::File,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, Sender},
    },
    thread::JoinHandle,
};

use abi::target::Process;
use anyhow::{Context as _, Error, Result, anyhow, bail};
use aya::Ebpf;

use crate::{
    clock::now_ns,
    collect::{
        cost::{self, dispatch},
        cross_check,
        drain::{self, Begun, Detached, Shared, Stays, toggle::Ask},
        environment, kallsyms,
        probes::{self, Probes, Settings, Types, links::Links},
        targets::{Registered, Targets, groups::Group},
    },
    display::tell,
    memory,
};
use capture::{Family, ProcessSerial, Record, Run, Start, Writer, cross_check::Moment, families::PROBE_COST};

/// What is recorded, beyond the probes' settings.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// What is followed, in words.
    pub targets: String,
    pub size_bytes: Option<u64>,
    pub run: Option<Run>,
}

/// A recording that is under way. Dropping it detaches the probes and leaves a capture that says it was cut.
pub struct Recording {
    inbox: Sender<Record>,
    asks: Sender<Ask>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<(Begun, Result<Detached>)>>,
}

/// Probes that were attached once, to see which can be, and that stay loaded. They are attached and detached by descriptors
/// that are open: nothing that takes privileges.
pub struct Held {
    ebpf: Ebpf,
    links: Links,
    pub families: Vec<Family>,
    symbols: Option<File>,
    /// Memory of all maps, which is the kernel's and no part of this process's.
    pub map_bytes: u64,
}

/// How a recording stands, for those who wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub processes_alive: u32,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub capture_bytes: u64,
}

/// Attaches the probes and begins the capture. On an error nothing is left attached, and no file is left.
pub fn start(path: &Path, settings: &Settings, subject: &Subject) -> Result<Recording> {
    let mut out = Writer::create(path)?;
    begin(&mut out, path, settings, subject)
        .inspect_err(|_| {
            // The file was created above, and holds nothing yet.
            let _ = std::fs::remove_file(path);
        })
        .and_then(|(begun, shared)| drained(begun, shared, out).map_err(|failed| failed.0))
}

/// Loads the probes for recordings that begin later.
///
/// # Errors
/// Nothing can be recorded.
pub fn hold(types: &Types, control_ports: Vec<u16>) -> Result<Held> {
    let settings = Settings { control_ports, held: true, ..Settings::default() };
    let Probes { ebpf, mut links, families } = probes::attach_by(types, &settings)?;
    links.off();
    let map_bytes = cost::map_bytes(&ebpf)?;
    let symbols = kallsyms::open().ok();
    Ok(Held { ebpf, links, families, symbols, map_bytes })
}

/// Attaches probes that were loaded before, and begins a capture. What they cost is not measured: that takes the privileges
/// that are gone.
///
/// # Errors
/// There are none, they cannot be attached, or the capture cannot be written. They stay where they are then.
pub fn start_held(mut out: Writer, held: &mut Option<Held>, subject: &Subject) -> Result<Recording> {
    let mut begun = held.take().context("no probes are held")?.begin();
    let stride_bytes = Settings::default().stride_bytes;
    match begin_held(&mut out, &mut begun, stride_bytes, subject) {
        Ok(shared) => drained(begun, shared, out),
        Err(error) => Err(Box::new((error, begun))),
    }
    .map_err(|failed| {
        let (error, begun) = *failed;
        *held = Held::of(begun);
        error
    })
}

fn drained(begun: Begun, shared: Arc<Shared>, out: Writer) -> Result<Recording, Box<(Error, Begun)>> {
    let (inbox, messages) = mpsc::channel();
    let (asks, asked) = mpsc::channel();
    // What cannot be given to a thread stays here.
    let (give, taken) = mpsc::channel::<(Begun, Writer)>();
    let worker = Arc::clone(&shared);
    let run = move || {
        let (mut begun, out) = taken.recv().expect("it is given at once");
        let ran = drain::run(&mut begun, &worker, &messages, &asked, out);
        // Where it failed they may be attached.
        begun.links.off();
        (begun, ran)
    };
    match std::thread::Builder::new().name("drain".to_owned()).spawn(run) {
        Ok(thread) => {
            give.send((begun, out)).expect("the thread waits for it");
            Ok(Recording { inbox, asks, shared, thread: Some(thread) })
        }
        Err(error) => {
            let error = Error::new(error).context("start the thread that writes the capture");
            Err(Box::new((error, begun)))
        }
    }
}

impl Held {
    fn begin(self) -> Begun {
        let Self { ebpf, links, families, symbols, map_bytes } = self;
        let stays = Some(Stays { families, symbols, reentries: BTreeMap::new() });
        Begun { ebpf, links, map_bytes, are_runs_counted: false, limit: None, stays }
    }

    fn of(begun: Begun) -> Option<Self> {
        let Begun { ebpf, mut links, map_bytes, stays, .. } = begun;
        links.off();
        let Stays { families, symbols, .. } = stays?;
        Some(Self { ebpf, links, families, symbols, map_bytes })
    }
}

impl Recording {
    /// Makes a running process and its children targets; gives the process's serial.
    pub fn register(&self, pid: u32) -> Result<ProcessSerial> {
        let registered = self.targets().register(pid)?;
        let serial = registered.first().context("a process was registered")?.serial;
        self.push_baselines(registered)?;
        Ok(serial)
    }

    /// Makes every process of that command name a target, also those that are executed later. Gives how many
    /// there are already.
    pub fn register_command(&self, name: &str) -> Result<usize> {
        let registered = self.targets().register_command(name)?;
        let found = registered.len();
        self.push_baselines(registered)?;
        Ok(found)
    }

    /// Makes every process of a control group a target, and those that come into it later. Gives how many there are
    /// already. May be repeated, for a group that is removed and made again.
    pub fn register_group(&self, group: &Group) -> Result<usize> {
        let registered = self.targets().register_group(group)?;
        let found = registered.len();
        self.push_baselines(registered)?;
        Ok(found)
    }

    /// The serial of a process that is a target.
    pub fn serial(&self, pid: u32) -> Result<ProcessSerial> {
        self.targets().serial(pid).with_context(|| format!("process {pid} has ended, or is no target"))
    }

    /// Puts a record into the capture.
    pub fn push(&self, record: Record) -> Result<()> {
        // The thread that receives ends early only on an error, which `detach` tells.
        self.inbox.send(record).ok().context("the recording has stopped")
    }

    /// Puts the last totals of a process into the capture: one that has ended, and whose parent has not waited for it.
    pub fn note_end(&self, pid: u32) -> Result<()> {
        let serial = self.targets().serial(pid);
        let ended = serial.and_then(|serial| cross_check::process(pid, serial, Moment::AfterEnd));
        ended.map_or(Ok(()), |record| self.push(record))
    }

    /// Asks something of the probes, and waits for the answer.
    pub fn ask<T>(&self, question: impl FnOnce(Sender<T>) -> Ask) -> Result<T> {
        let (answers, answer) = mpsc::channel();
        self.asks.send(question(answers)).ok().context("the recording has stopped")?;
        answer.recv().context("the recording has stopped")
    }

    pub fn status(&self) -> Status {
        let mut status =
            Status { capture_bytes: self.shared.capture_bytes.load(Ordering::Relaxed), ..Status::default() };
        for (_, process) in self.targets().processes() {
            status.processes_alive += u32::from(process.exited_ns == 0);
            status.rx_bytes += process.tcp_rx_bytes + process.udp_rx_bytes;
            status.tx_bytes += process.tcp_tx_bytes + process.udp_tx_bytes;
        }
        status
    }

    /// The processes that are targets, behind the last of those that were.
    pub fn processes(&self) -> Vec<Process> {
        let targets = self.targets();
        targets.ended().copied().chain(targets.processes().map(|(_, process)| process)).collect()
    }

    /// Bytes of the capture that are written.
    pub fn capture_bytes(&self) -> u64 {
        self.shared.capture_bytes.load(Ordering::Relaxed)
    }

    /// Has it end, and does not wait for that: then it is no longer running.
    pub fn ask_to_stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
    }

    /// How many processes have been targets so far.
    pub fn followed(&self) -> u64 {
        self.targets().followed()
    }

    /// Whether the capture can still be written.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Detaches the probes. The capture then waits for what is known only afterwards, and for its end.
    pub fn detach(mut self) -> Result<Detached> {
        self.stop()?.1
    }

    /// The same with probes that were held, which are there for the next recording, unless their thread has panicked.
    pub fn release(mut self) -> (Option<Held>, Result<Detached>) {
        match self.stop() {
            Ok((begun, ran)) => (Held::of(begun), ran),
            Err(error) => (None, Err(error)),
        }
    }

    fn stop(&mut self) -> Result<(Begun, Result<Detached>)> {
        let thread = self.thread.take().context("the recording was stopped before")?;
        self.shared.stop.store(true, Ordering::Release);
        thread.join().map_err(|_| anyhow!("the thread that writes the capture panicked"))
    }

    fn push_baselines(&self, registered: Vec<Registered>) -> Result<()> {
        registered.into_iter().flat_map(|one| one.baseline).try_for_each(|record| self.push(record))
    }

    fn targets(&self) -> std::sync::MutexGuard<'_, Targets> {
        self.shared.targets.lock().expect("no holder panicked")
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if self.thread.is_some() {
            // An error has been told already, or is being told.
            let _ = self.stop();
        }
    }
}

/// Everything before the first event: the capture's head, the probes, the table of targets.
fn begin(
    out: &mut Writer,
    path: &Path,
    settings: &Settings,
    subject: &Subject,
) -> Result<(Begun, Arc<Shared>)> {
    let mut cross_checks = cross_check::host(Moment::BeforeStart);
    // Processes that come into a control group are in this network namespace as a rule, and nobody reads it then.
    cross_checks.extend(cross_check::interfaces(std::process::id(), Moment::BeforeStart));
    let bare = dispatch::bare();
    let probes = probes::attach(settings)?;
    let statistics = cost::check_statistics();
    // Without the statistics it is not asked for: that they are missing is told once, below.
    let dispatch = statistics.is_ok().then(|| bare.and_then(|bare| bare.probed(&probes.ebpf)));
    cross_checks.extend(cross_check::host(Moment::AfterStart));
    // The kernel's types, which are needed for attaching only, leave 30 to 80 MiB of small pieces.
    memory::give_back();
    write_head(out, settings.stride_bytes, subject, &probes.families)?;
    match &dispatch {
        Some(Ok(dispatch)) => out.push(&Record::ProbeDispatch(*dispatch))?,
        Some(Err(error)) => tell(&format!("warning: what it costs to reach a probe is not known: {error:#}")),
        None => {}
    }
    let are_runs_counted = statistics.is_ok();
    let limit = settings.max_overhead.map(|limit| {
        let known = dispatch.as_ref().and_then(|dispatch| dispatch.as_ref().ok().copied());
        (limit.ns_per_s(online_cpus()), known)
    });
    if let (Some(limit), Err(error)) = (settings.max_overhead, &statistics) {
        bail!("a limit of {limit} cannot be kept: the kernel's BPF statistics take CAP_SYS_ADMIN: {error:#}");
    }
    if let Err(error) = statistics {
        let why = format!("the kernel's BPF statistics take CAP_SYS_ADMIN: {error:#}");
        tell(&format!("warning: what the probes cost will not be known: {why}"));
        out.push(&Record::Family(Family::attached(PROBE_COST, Vec::new(), Some(why))))?;
    }
    cross_checks.iter().try_for_each(|cross_check| out.push(cross_check))?;
    out.finish_frame().with_context(|| format!("begin {}", path.display()))?;
    let map_bytes = cost::map_bytes(&probes.ebpf)?;
    let shared = shared(&probes.ebpf, out)?;
    Ok((
        Begun { ebpf: probes.ebpf, links: probes.links, map_bytes, are_runs_counted, limit, stays: None },
        shared,
    ))
}

/// The same with probes that are loaded already, and know nothing of the recording before.
fn begin_held(
    out: &mut Writer,
    begun: &mut Begun,
    stride_bytes: u64,
    subject: &Subject,
) -> Result<Arc<Shared>> {
    let mut cross_checks = cross_check::host(Moment::BeforeStart);
    cross_checks.extend(cross_check::interfaces(std::process::id(), Moment::BeforeStart));
    probes::empty(&mut begun.ebpf)?;
    let reentries = cost::reentries(&begun.ebpf)?;
    begun.links.on(&mut begun.ebpf)?;
    cross_checks.extend(cross_check::host(Moment::AfterStart));
    let stays = begun.stays.as_mut().context("the probes do not stay")?;
    stays.reentries = reentries;
    write_head(out, stride_bytes, subject, &stays.families)?;
    let why = "the service has given up what it takes to measure that (CAP_SYS_ADMIN): `profiler record` can";
    out.push(&Record::Family(Family::attached(PROBE_COST, Vec::new(), Some(why.to_owned()))))?;
    cross_checks.iter().try_for_each(|cross_check| out.push(cross_check))?;
    out.finish_frame().with_context(|| format!("begin {}", out.path().display()))?;
    shared(&begun.ebpf, out)
}

fn write_head(out: &mut Writer, stride_bytes: u64, subject: &Subject, families: &[Family]) -> Result<()> {
    let start = Start {
        id: format!("{:016x}", rand::random::<u64>()),
        at_ns: now_ns(),
        profiler: env!("CARGO_PKG_VERSION").to_owned(),
        boot_id: environment::boot_id()?,
        targets: subject.targets.clone(),
        size_bytes: subject.size_bytes,
        stride_bytes,
        run: subject.run.clone(),
        machine_id: environment::machine_id(),
        host_name: environment::host_name(),
        layout: capture::layout(),
    };
    out.push(&Record::Start(start))?;
    out.push(&Record::Clock(drain::clock()))?;
    out.push(&Record::Environment(environment::read()?))?;
    families.iter().try_for_each(|family| out.push(&Record::Family(family.clone())))
}

fn shared(ebpf: &Ebpf, out: &Writer) -> Result<Arc<Shared>> {
    Ok(Arc::new(Shared {
        targets: Mutex::new(Targets::new(ebpf)?),
        stop: AtomicBool::new(false),
        capture_bytes: AtomicU64::new(out.written_bytes()),
    }))
}

/// A transfer has about a thousand progress records; the smallest stride is one large call.
pub fn stride_bytes(size_bytes: Option<u64>) -> u64 {
    const SMALLEST: u64 = 64 << 10;
    size_bytes.map_or(Settings::default().stride_bytes, |size| (size / 1000).max(SMALLEST))
}

fn online_cpus() -> usize {
    aya::util::online_cpus().map_or(1, |cpus| cpus.len())
}
