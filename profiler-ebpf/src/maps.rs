//! Every map, in one place. Sizes are fixed at load: the daemon can change `max_entries`, nothing grows.

use abi::{
    burst::Bursts,
    context::Context,
    disk::{Credit, CreditKey, DeviceIo, DeviceKey, RequestTimes, Submission},
    drops::{DropCounts, DropKey, KERNEL_REASONS},
    file_ways::{WayBytes, WayKey},
    groups::{self, GroupKey},
    loss::Loss,
    occupancy::Occupancy,
    owners::{InodeIo, InodeIoKey, InodeUse, InodeUseKey},
    payload::Pending,
    requests::{Completed, FileUserKey, Requester},
    rings::{Block, RingEnds},
    sched::{THREAD_SLOTS, Thread, ThreadKey},
    sockets::{LAST_USES, SOCKET_USE_SLOTS, Socket, SocketKey, SocketUse},
    stream::{STREAM_SLOTS, Stream, StreamCalls},
    target::{PROCESS_SLOTS, Process, SLOTS_PER_ELEMENT},
    traffic::Traffic,
};
use aya_ebpf::{
    btf_maps::SkStorage,
    macros::{btf_map, map},
    maps::{Array, HashMap, LruHashMap, PerCpuArray, Queue, StackTrace},
};

use crate::ids::Slots;

/// `BPF_NOEXIST`: an insertion that leaves an entry alone which another CPU has made meanwhile.
pub const NO_EXIST: u64 = 1;

/// The daemon maps such arrays into its memory: it reads and writes them without system calls.
const BPF_F_MMAPABLE: u32 = 1 << 10;

/// The slot of each thread group id, 0 for what is no target. The daemon sizes it to `kernel.pid_max`.
#[map]
pub static SLOT_OF: Slots = Array::with_max_entries(1, BPF_F_MMAPABLE);

#[map]
pub static PROCESSES: Array<Process> = Array::with_max_entries(PROCESS_SLOTS, BPF_F_MMAPABLE);

/// Slots that no process has. The daemon fills it, and puts back those of processes that it has recorded.
#[map]
pub static FREE_SLOTS: Queue<u32> = Queue::with_max_entries(PROCESS_SLOTS, 0);

/// One element: the last serial given to a process.
#[map]
pub static LAST_SERIAL: Array<u64> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Command names whose processes become targets when they are executed.
#[map]
pub static COMMANDS: HashMap<[u8; 16], u32> = HashMap::with_max_entries(64, 0);

/// Control groups whose processes are targets, and those of the groups below them.
#[map]
pub static GROUPS: HashMap<GroupKey, u32> = HashMap::with_max_entries(groups::GROUPS, 0);

/// What each process moved over each of its sockets.
#[map]
pub static SOCKET_USES: Array<SocketUse> = Array::with_max_entries(SOCKET_USE_SLOTS, BPF_F_MMAPABLE);

/// Elements of `SOCKET_USES` that are nobody's. The daemon fills it, and puts back those that it has recorded.
#[map]
pub static FREE_USES: Queue<u32> = Queue::with_max_entries(SOCKET_USE_SLOTS, 0);

/// Where in `SOCKET_USES` a use stands.
#[map]
pub static USE_OF: HashMap<SocketKey, u32> = HashMap::with_max_entries(SOCKET_USE_SLOTS, 0);

/// The element of `SOCKET_USES` that a use had last, for look-ups without a hash; see `probes/uses.rs`.
#[map]
pub static LAST_USE: Slots = Array::with_max_entries(LAST_USES / SLOTS_PER_ELEMENT, 0);

/// Sockets that targets used, by cookie.
#[map]
pub static SOCKETS: HashMap<u64, Socket> = HashMap::with_max_entries(16384, 0);

/// Where a socket's first entry is put together: all frames of a program, each rounded up to 32 bytes, may have 512 (6.1).
#[map]
pub static NEW_SOCKET: PerCpuArray<Socket> = PerCpuArray::with_max_entries(1, 0);

/// How many sockets were described so far: the daemon sweeps them before the tables are full.
#[map]
pub static NEW_SOCKETS: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// What is remembered of each socket of `SOCKETS`, as long as the kernel has it. Not by cookie: most sockets of a host
/// are no target's, and to find nothing here costs a few ns (since 5.11 in tracepoints).
#[btf_map]
pub static TRAFFIC: SkStorage<Traffic> = SkStorage::new();

/// When a connection was established, by cookie, until a target uses it: the owner of an accepted
/// connection is not known before. Old entries make room for new ones.
#[map]
pub static ESTABLISHED: LruHashMap<u64, u64> = LruHashMap::with_max_entries(16384, 0);

/// What the thread on each CPU has moved and not yet recorded.
#[map]
pub static PENDING: PerCpuArray<Pending> = PerCpuArray::with_max_entries(1, 0);

/// Calls of the thread on each CPU that are not counted yet; see `probes/burst.rs`.
#[map]
pub static BURSTS: PerCpuArray<Bursts> = PerCpuArray::with_max_entries(1, 0);

/// Sockets with so many calls that not each is looked at; see `probes/stream.rs`.
#[map]
pub static STREAMS: Array<Stream> = Array::with_max_entries(STREAM_SLOTS, BPF_F_MMAPABLE);

/// Elements of `STREAMS` that are nobody's. The daemon fills it.
#[map]
pub static FREE_STREAMS: Queue<u32> = Queue::with_max_entries(STREAM_SLOTS, 0);

/// The calls of the thread on each CPU, where few are looked at.
#[map]
pub static STREAM_CALLS: PerCpuArray<StreamCalls> = PerCpuArray::with_max_entries(1, 0);

/// One element, 1 while switches are not seen, to keep a limit of cost. The daemon sets it.
#[map]
pub static SHED: Array<u64> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Time of threads.
#[map]
pub static THREADS: Array<Thread> = Array::with_max_entries(THREAD_SLOTS, BPF_F_MMAPABLE);

/// The element of `THREADS` that each thread id had last. The daemon sizes it to `kernel.pid_max`.
#[map]
pub static THREAD_OF: Slots = Array::with_max_entries(1, 0);

/// Where in `THREADS` a thread stands.
#[map]
pub static THREAD_PLACES: HashMap<ThreadKey, u32> = HashMap::with_max_entries(THREAD_SLOTS, 0);

/// Elements of `THREADS` that are nobody's. The daemon fills it, and puts back those that it has recorded.
#[map]
pub static FREE_THREADS: Queue<u32> = Queue::with_max_entries(THREAD_SLOTS, 0);

/// How many threads were given a place so far: the daemon sweeps them before the table is full.
#[map]
pub static NEW_THREADS: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Stacks of long off-CPU intervals. A stack that falls on another's place is not kept.
#[map]
pub static STACKS: StackTrace = StackTrace::with_max_entries(4096, 0);

/// When the next stack may be taken on a CPU, monotonic ns.
#[map]
pub static NEXT_STACK_NS: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// The number of a [`Worker`](abi::workers::Worker) by the address of the function that it runs; the daemon fills it.
#[map]
pub static WORKERS: HashMap<u64, u32> = HashMap::with_max_entries(256, 0);

/// Who had each CPU last, of tasks that are no targets.
#[map]
pub static OCCUPANCY: PerCpuArray<Occupancy> = PerCpuArray::with_max_entries(1, 0);

/// What each CPU does besides its task; see `abi/context.rs`.
#[map]
pub static CONTEXTS: PerCpuArray<Context> = PerCpuArray::with_max_entries(1, 0);

#[map]
pub static DEVICES: HashMap<DeviceKey, DeviceIo> = HashMap::with_max_entries(256, 0);

#[map]
pub static REQUESTS: HashMap<u64, RequestTimes> = HashMap::with_max_entries(16384, 0);

/// By the address of its `struct bio`, until it is completed. Old entries make room: a bio that is split or joined to
/// another's request may never be found again.
#[map]
pub static SUBMISSIONS: LruHashMap<u64, Submission> = LruHashMap::with_max_entries(8192, 0);

/// Whose a bio is, by its address. Old entries make room.
#[map]
pub static REQUESTERS: LruHashMap<u64, Requester> = LruHashMap::with_max_entries(8192, 0);

/// Who used a file last. Old entries make room.
#[map]
pub static FILE_USERS: LruHashMap<FileUserKey, Requester> = LruHashMap::with_max_entries(4096, 0);

/// What disks have completed on each CPU and is not recorded yet.
#[map]
pub static COMPLETED: PerCpuArray<Completed> = PerCpuArray::with_max_entries(1, 0);

#[map]
pub static CREDITS: HashMap<CreditKey, Credit> = HashMap::with_max_entries(8192, 0);

/// Files that targets use, and who uses them how much. A file needs an entry for each process and one more.
#[map]
pub static INODE_USES: HashMap<InodeUseKey, InodeUse> = HashMap::with_max_entries(65536, 0);

/// The process of each direct I/O call, by the address of its `struct kiocb`: until the next call with the same.
#[map]
pub static DIRECT_CALLS: LruHashMap<u64, u64> = LruHashMap::with_max_entries(8192, 0);

/// What calls past the tasks' own accounting moved.
#[map]
pub static WAY_BYTES: HashMap<WayKey, WayBytes> = HashMap::with_max_entries(8192, 0);

/// The process of each context of libaio, by the address of its `struct kioctx`. Old entries make room for new ones.
#[map]
pub static AIO_CONTEXTS: LruHashMap<u64, u64> = LruHashMap::with_max_entries(4096, 0);

#[map]
pub static INODE_IO: HashMap<InodeIoKey, InodeIo> = HashMap::with_max_entries(32768, 0);

/// What the kernel threw away of targets' sockets.
#[map]
pub static DROPS: HashMap<DropKey, DropCounts> = HashMap::with_max_entries(4096, 0);

/// The number of a [`DropReason`](abi::drops::DropReason) by the kernel's; the daemon fills it.
#[map]
pub static DROP_REASONS: Array<u32> = Array::with_max_entries(KERNEL_REASONS, 0);

/// The process of each listening socket, by the kernel's cookie. Old entries make room for new ones.
#[map]
pub static LISTENERS: LruHashMap<u64, u64> = LruHashMap::with_max_entries(4096, 0);

#[map]
pub static LOSSES: PerCpuArray<u64> = PerCpuArray::with_max_entries(Loss::ALL.len() as u32, 0);

/// The rings' blocks, those of one CPU after those of another. The daemon sizes it.
#[map]
pub static RING_BLOCKS: Array<Block> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// By CPU. The daemon sizes it to the CPUs that are online.
#[map]
pub static RING_ENDS: Array<RingEnds> = Array::with_max_entries(1, BPF_F_MMAPABLE);
