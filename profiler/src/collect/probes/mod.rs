//! Loads the probes and attaches them, family by family. Whether a hook works is found out by trying; what
//! does not is named, with the kernel's reason, and the rest goes on.

pub mod btf;
pub mod events;
pub mod families;
mod hook;
pub mod links;
pub mod reads;
mod rings;

use std::{num::NonZeroU32, ops::Range};

use abi::{
    drops::{DropReason, KERNEL_REASONS},
    sched::THREAD_SLOTS,
    sockets::SOCKET_USE_SLOTS,
    stream::STREAM_SLOTS,
    target::{CONTROL_PORTS, PID_LIMIT, PROCESS_SLOTS, SLOTS_PER_ELEMENT},
    workers::FUNCTIONS,
};
use anyhow::{Context as _, Result, bail};
use aya::{
    Btf, Ebpf, EbpfLoader,
    maps::{Array, HashMap, Queue},
    programs::Program,
};

use self::hook::Known;
use super::{kallsyms, limit::Limit, maps, privileges};
use capture::{EMPTY_PROGRAM, Hook};
use families::{FAMILIES, Family};
use links::Links;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/profiler-ebpf"));

/// The program that counts what calls on sockets with many of them have moved. The daemon has it run, and it is never attached.
pub const STREAM_SETTLE: &str = "stream_settle";
/// The same, which a perf event runs.
pub const STREAM_TICK: &str = "stream_tick";

/// What has the kernel count, every now and then, what calls on TCP sockets with many of them have moved: counters look at few
/// of these calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settling {
    /// The daemon has [`STREAM_SETTLE`] run.
    Asked,
    /// A perf event that is opened at the start: the daemon may not have a program run.
    Timed,
}

/// What the probes are told before they are loaded.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Peer payload between two progress records; [`NO_PROGRESS`](abi::progress::NO_PROGRESS) for none.
    pub stride_bytes: u64,
    /// Local or remote ports whose traffic is no peer traffic.
    pub control_ports: Vec<u16>,
    /// Of all CPUs together: a power of two. `None` is enough for most.
    pub ring_buffer_bytes: Option<NonZeroU32>,
    pub probes: families::ProbeSet,
    pub settling: Settling,
    /// What recording may cost, at most.
    pub max_overhead: Option<Limit>,
    /// Families of these that nobody wants.
    pub left_out: &'static [&'static str],
    /// They are attached later, by descriptors that are open by then.
    pub held: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // Of a transfer of unknown size. Movement is recorded every 500 µs anyway: at 2 GB/s that is as often.
            stride_bytes: 1 << 20,
            control_ports: Vec::new(),
            ring_buffer_bytes: None,
            probes: families::ProbeSet::All,
            settling: Settling::Asked,
            max_overhead: None,
            left_out: &[],
            held: false,
        }
    }
}

/// Attached probes. Dropping it detaches them all.
pub struct Probes {
    pub ebpf: Ebpf,
    pub links: Links,
    pub families: Vec<capture::Family>,
}

/// The kernel's own types, which take 30 to 80 MiB in small pieces.
pub struct Types {
    types: btf_rs::Btf,
    kernel: Btf,
}

impl Types {
    /// # Errors
    /// The kernel does not describe them, or this process may not use BPF anyway.
    pub fn read() -> Result<Self> {
        check_privileges()?;
        check_pid_namespace()?;
        // The first says what to do where there are none.
        let types = btf::open()?;
        let kernel = Btf::from_sys_fs().with_context(|| format!("read {}", btf::VMLINUX))?;
        Ok(Self { types, kernel })
    }
}

/// Attaches what this kernel allows. An error means that nothing can be recorded, and nothing is left attached.
pub fn attach(settings: &Settings) -> Result<Probes> {
    attach_by(&Types::read()?, settings)
}

/// The same, for those who attach several sets.
pub fn attach_by(Types { types, kernel }: &Types, settings: &Settings) -> Result<Probes> {
    if settings.control_ports.len() > CONTROL_PORTS {
        bail!("{} control ports were given; the probes know {CONTROL_PORTS}", settings.control_ports.len());
    }
    let (offsets, missing) = btf::offsets(types);
    let in_iowait_bit = btf::bit(types, "task_struct", "in_iowait")?;
    // Without CONFIG_PSI there is none.
    let in_memstall_bit = btf::bit(types, "task_struct", "in_memstall").unwrap_or(u32::MAX);
    let nonagle_bit = btf::bit(types, "tcp_sock", "nonagle")?;
    let mut control_ports = [0; CONTROL_PORTS];
    control_ports[..settings.control_ports.len()].copy_from_slice(&settings.control_ports);

    let pages_pinned = btf::enumerator(types, "BIO_PAGE_PINNED").map_or(0, |bit| 1u16 << bit);
    // Without it the one program that asks is not attached: see `MessageIterType`, which is as old (5.14).
    let iter_kvec = btf::enumerator(types, "ITER_KVEC").unwrap_or(u32::MAX);
    // An enumerator since 6.11.
    let flush_sequence = 1_u32 << btf::enumerator(types, "__RQF_FLUSH_SEQ").unwrap_or(4);
    let folio_large_bit = btf::enumerator(types, "PG_head").context("this kernel has no PG_head")?;

    let rings = rings::layout(settings.ring_buffer_bytes)?;
    let mut ebpf = EbpfLoader::new()
        .btf(Some(kernel))
        .override_global("OFFSETS", &offsets, true)
        .override_global("STRIDE_BYTES", &settings.stride_bytes, true)
        .override_global("COUNTERS_ALONE", &u32::from(settings.probes == families::ProbeSet::Counters), true)
        .override_global("CONTROL_PORTS", &control_ports, true)
        .override_global("IN_IOWAIT_BIT", &in_iowait_bit, true)
        .override_global("IN_MEMSTALL_BIT", &in_memstall_bit, true)
        .override_global("NONAGLE_BIT", &nonagle_bit, true)
        .override_global("ITER_KVEC", &iter_kvec, true)
        .override_global("FLUSH_SEQUENCE", &flush_sequence, true)
        .override_global("PAGES_PINNED", &pages_pinned, true)
        .override_global("FOLIO_LARGE_BIT", &folio_large_bit, true)
        .map_max_entries("SLOT_OF", pid_max()?.div_ceil(SLOTS_PER_ELEMENT))
        .map_max_entries("THREAD_OF", pid_max()?.div_ceil(SLOTS_PER_ELEMENT))
        .override_global("BLOCKS_PER_RING", &rings.blocks_per_ring, true)
        .map_max_entries("RING_BLOCKS", rings.blocks_per_ring * rings.cpus)
        .map_max_entries("RING_ENDS", rings.cpus)
        .load(OBJECT)
        .context("load the probes' maps into the kernel")?;
    fill_queues(&mut ebpf)?;
    name_drops(&mut ebpf, types)?;
    let known = Known {
        points: hook::points(OBJECT)?,
        reads: reads::of_programs(OBJECT)?,
        types,
        kernel,
        missing,
        functions: settings.probes.have(false) && name_workers(&mut ebpf)?,
    };
    let mut links = if settings.held { Links::held() } else { Links::default() };
    if settings.probes == families::ProbeSet::Counters {
        prepare_settling(settings.settling, &mut ebpf, &mut links)?;
    }
    let attached = FAMILIES
        .iter()
        .map(|family| {
            if settings.probes.have(family.is_counter) && !settings.left_out.contains(&family.name) {
                attach_family(&mut ebpf, family, &known, &mut links)
            } else {
                Ok(capture::Family::left_out(family.name))
            }
        })
        .collect::<Result<Vec<capture::Family>>>()?;
    if attached.iter().all(|family| family.hooks.is_empty()) {
        bail!("no probe family can be attached: `profiler doctor` says why");
    }
    // Not attached: see `cost.rs`. Without it the report says that nothing is known of the statistics' own time.
    if let Some(Program::SocketFilter(empty)) = ebpf.program_mut(EMPTY_PROGRAM) {
        let _ = empty.load();
    }
    Ok(Probes { ebpf, links, families: attached })
}

/// Where programs have no stack of their own, there is nothing to settle, and both return at once.
fn prepare_settling(settling: Settling, ebpf: &mut Ebpf, links: &mut Links) -> Result<()> {
    match settling {
        Settling::Asked => {
            if let Some(Program::SocketFilter(settle)) = ebpf.program_mut(STREAM_SETTLE) {
                settle.load().with_context(|| format!("load {STREAM_SETTLE}"))?;
            }
        }
        Settling::Timed => {
            if let Some(Program::PerfEvent(tick)) = ebpf.program_mut(STREAM_TICK) {
                tick.load().with_context(|| format!("load {STREAM_TICK}"))?;
            }
            links.attach(ebpf, STREAM_TICK)?;
        }
    }
    Ok(())
}

/// Makes all that the probes remember as it was when they were loaded. None of them may be attached.
pub fn empty(ebpf: &mut Ebpf) -> Result<()> {
    maps::empty(ebpf)?;
    fill_queues(ebpf)
}

/// Ids of processes and threads stay below this on the running host.
pub fn pid_max() -> Result<u32> {
    let path = "/proc/sys/kernel/pid_max";
    let text = std::fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    let max: u32 = text.trim().parse().with_context(|| format!("{path} holds {text:?}"))?;
    Ok(max.min(PID_LIMIT))
}

/// Attaches what can be attached of a family. An error only where nothing works without it.
fn attach_family(
    ebpf: &mut Ebpf,
    family: &Family,
    known: &Known<'_>,
    links: &mut Links,
) -> Result<capture::Family> {
    let mut hooks = Vec::new();
    let mut reasons = Vec::new();
    for program in family.programs {
        hook::attach(ebpf, program, known, links, &mut hooks, &mut reasons);
    }
    if !family.ways.is_empty() {
        match families::find(family, known.types, &known.missing) {
            Ok(found) => hooks.push(Hook::new(found)),
            Err(why) => reasons.push(why),
        }
    }
    if family.knows_functions && !known.functions {
        reasons.push("the kernel hides the addresses of its functions: it takes CAP_SYSLOG, and less than 2 in /proc/sys/kernel/kptr_restrict".to_owned());
    }
    if family.required && !reasons.is_empty() {
        bail!("the probes that nothing works without cannot be attached: {}", reasons.join("; "));
    }
    let missing = (!reasons.is_empty()).then(|| reasons.join("; "));
    Ok(capture::Family::attached(family.name, hooks, missing))
}

/// Tells the probes which functions work on what; false where the kernel does not say where they are. Those of modules that
/// are loaded later are not known.
fn name_workers(ebpf: &mut Ebpf) -> Result<bool> {
    let map = ebpf.map_mut("WORKERS").context("the object has no WORKERS")?;
    let mut workers = HashMap::<_, u64, u32>::try_from(map)?;
    let found = kallsyms::addresses(FUNCTIONS);
    for (address, worker) in &found {
        workers.insert(address, *worker as u32, 0).context("fill WORKERS")?;
    }
    Ok(!found.is_empty())
}

/// Tells the probes which of the kernel's reasons to drop a packet are losses. Kernels number them anew.
fn name_drops(ebpf: &mut Ebpf, types: &btf_rs::Btf) -> Result<()> {
    let map = ebpf.map_mut("DROP_REASONS").context("the object has no DROP_REASONS")?;
    let mut reasons = Array::<_, u32>::try_from(map)?;
    for (name, number) in btf::enumerators(types, "skb_drop_reason") {
        let is_it = |reason: &&DropReason| {
            name.strip_prefix("SKB_DROP_REASON_").is_some_and(|name| reason.kernel_names().contains(&name))
        };
        if let Some(reason) = DropReason::ALL.iter().find(is_it)
            && number < KERNEL_REASONS
        {
            reasons.set(number, *reason as u32, 0).context("fill DROP_REASONS")?;
        }
    }
    Ok(())
}

/// Asks the kernel, with a map of one element, whether this process may use BPF at all; and whether it may trace, which
/// the kernel would say of each program.
fn check_privileges() -> Result<()> {
    // Queues are never open to the unprivileged, whatever `kernel.unprivileged_bpf_disabled` says.
    Queue::<_, u32>::create(1, 0)
        .map(drop)
        .with_context(|| format!("this process may not use BPF: run it {}", privileges::WAY_OUT))?;
    if privileges::lacking(&privileges::NEEDED)?.iter().any(|lacking| lacking.name == "CAP_PERFMON") {
        bail!("this process may not trace, for which it lacks CAP_PERFMON: run it {}", privileges::WAY_OUT);
    }
    Ok(())
}

/// The probes see the host's process ids: those of another namespace would name other processes.
fn check_pid_namespace() -> Result<()> {
    /// `PROC_PID_INIT_INO`: the inode of the host's namespace on every kernel.
    const HOST: &str = "pid:[4026531836]";
    let own = std::fs::read_link("/proc/self/ns/pid").context("read /proc/self/ns/pid")?;
    if own.as_os_str() != HOST {
        bail!(
            "the profiler runs in a PID namespace ({}), where process ids are not the host's: start it on the host, \
             or in a container with the host's PID namespace (`--pid=host`, `hostPID: true`)",
            own.display()
        );
    }
    Ok(())
}

/// Makes all elements of tables nobody's. Slot 0 means "no target", "no thread" and "no use".
fn fill_queues(ebpf: &mut Ebpf) -> Result<()> {
    fill(ebpf, "FREE_SLOTS", 1..PROCESS_SLOTS)?;
    fill(ebpf, "FREE_THREADS", 1..THREAD_SLOTS)?;
    fill(ebpf, "FREE_USES", 1..SOCKET_USE_SLOTS)?;
    fill(ebpf, "FREE_STREAMS", 1..STREAM_SLOTS)
}

fn fill(ebpf: &mut Ebpf, queue: &str, mut slots: Range<u32>) -> Result<()> {
    let map = ebpf.map_mut(queue).with_context(|| format!("the object has no {queue}"))?;
    let mut free = Queue::<_, u32>::try_from(map)?;
    slots.try_for_each(|slot| free.push(slot, 0)).with_context(|| format!("fill {queue}"))
}
