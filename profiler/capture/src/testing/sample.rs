//! Records of a small recording, for tests: a seeder and a leecher, 1 MiB, everything in order.

use std::collections::BTreeMap;

use crate::families::{CONTEXTS, OWNERS, SCHEDULING};
use crate::{
    Bypassed, Checksum, Clock, CreditTotals, Daemon, DeviceTotals, Direction, Disk, EMPTY_PROGRAM, End,
    Environment, Family, FileWay, Inode, InodeIo, InodeUse, Label, Layout, Losses, Milestone, MilestoneName,
    Operation, Partition, Polling, ProbeWindow, ProcessSerial, ProcessTotals, ProgramRuns, Progress,
    Protocol, Record, Role, Run, SocketEnds, SocketTotals, Stack, Start, ThreadIo, ThreadState, ThreadTotals,
    Transfer, Waits, Watermark, WayTotals,
    records::{
        span::{Doing, Softirq, Span, Stacks, Wake},
        traffic::{self, Payload},
    },
};

pub const MS: u64 = 1_000_000;
pub const SIZE_BYTES: u64 = 1 << 20;
pub const SEEDER: ProcessSerial = ProcessSerial(1);
pub const LEECHER: ProcessSerial = ProcessSerial(2);
/// Everything happens between this and [`END_NS`].
pub const START_NS: u64 = 1_000 * MS;
pub const END_NS: u64 = 2_000 * MS;
/// Bytes on the sockets for 1 MiB of file.
pub const PEER_BYTES: u64 = SIZE_BYTES + 32_768;

/// A whole capture.
pub fn records() -> Vec<Record> {
    let mut records = vec![
        start(),
        environment(),
        clock(),
        family("sockets", None),
        family("disk", None),
        family(CONTEXTS, None),
        family(OWNERS, None),
        family(SCHEDULING, None),
    ];
    records.extend([label(SEEDER, Role::Seeder), label(LEECHER, Role::Leecher)]);
    records.push(io(LEECHER, true, 1_000, 5_000));
    records.push(Record::Stack(Stack {
        id: 7,
        frames: ["schedule", "vfs_fsync"].map(str::to_owned).into(),
        truncated: false,
    }));
    // As long as the threads' totals say: 200 of the first 300 ms.
    records.push(span(SEEDER, 50, 249, RECVFROM, Wake::Softirq(Softirq::NetRx)));
    records.push(span(LEECHER, 100, 200, FSYNC, Wake::Softirq(Softirq::Block)));
    records.push(span(LEECHER, 201, 299, RECVFROM, Wake::Softirq(Softirq::NetRx)));
    records.push(transfer());
    for step in 1..=33 {
        let at_ns = START_NS + (100 + 10 * step) * MS;
        records.push(progress(LEECHER, at_ns, step * 32_768, step * 100));
        records.push(progress(SEEDER, at_ns - MS, step * 100, step * 32_768));
        records.push(received(at_ns, step * 32_768));
        records.push(Record::Watermark(Watermark { at_ns }));
    }
    records.extend([
        claim(MilestoneName::FirstByte, 120, 1),
        claim(MilestoneName::P50, 280, SIZE_BYTES / 2),
        claim(MilestoneName::P90, 400, SIZE_BYTES / 10 * 9),
        claim(MilestoneName::P100, 440, SIZE_BYTES),
        polling(),
        checksum("5feceb66d41126992bff"),
    ]);
    records.push(process(SEEDER, "seeder-daemon", 3_300, PEER_BYTES));
    records.push(process(LEECHER, "leecher-daemon", PEER_BYTES, 3_300));
    for serial in [SEEDER, LEECHER] {
        records.push(thread(serial, 1, ThreadState::Blocked));
        records.push(thread(serial, 2, ThreadState::Idle));
    }
    records.push(io(LEECHER, false, 2_101_000, 1_053_576));
    records.push(socket(LEECHER, 11, Some("10.77.0.1:51413"), false));
    records.push(socket(LEECHER, 12, Some("10.77.0.9:6969"), true));
    records.push(device(Operation::Read, 0));
    records.push(device(Operation::Write, SIZE_BYTES * 2));
    records.push(credit(LEECHER, SIZE_BYTES / 2));
    records.extend([
        inode_use(Some(LEECHER), SIZE_BYTES / 4),
        inode_use(Some(LEECHER), SIZE_BYTES / 4),
        inode_use(None, SIZE_BYTES / 2),
        inode_io(Operation::Write, SIZE_BYTES / 2),
    ]);
    records.push(window());
    records.push(daemon());
    records.push(losses(0));
    records.push(end());
    records
}

pub fn start() -> Record {
    Record::Start(Start {
        id: "7f3a9c".to_owned(),
        at_ns: START_NS,
        profiler: "0.1.0".to_owned(),
        boot_id: "b".to_owned(),
        targets: "the quick benchmark".to_owned(),
        size_bytes: Some(SIZE_BYTES),
        stride_bytes: 64 << 10,
        run: Some(Run {
            system: "transmission".to_owned(),
            nodes: 2,
            seeders: 1,
            file_size_bytes: SIZE_BYTES,
            repetition: 1,
        }),
        machine_id: "m".to_owned(),
        host_name: "host-1".to_owned(),
        layout: Layout::default(),
    })
}

pub fn environment() -> Record {
    let disk = |minor, name: &str, below_another| Disk {
        major: 8,
        minor,
        name: name.to_owned(),
        scheduler: Some("none".to_owned()),
        below_another,
    };
    Record::Environment(Environment {
        kernel: "6.18.5".to_owned(),
        cpus: 2,
        lockdown: Some("none".to_owned()),
        disks: vec![disk(0, "sda", false), disk(16, "sdb", true)],
        ..Environment::default()
    })
}

pub fn clock() -> Record {
    Record::Clock(Clock { monotonic_ns: START_NS + 5, wall_ns: 1_767_225_600_000_000_005 })
}

pub fn family(name: &str, missing: Option<&str>) -> Record {
    Record::Family(Family::attached(name, Vec::new(), missing.map(str::to_owned)))
}

pub fn label(process: ProcessSerial, role: Role) -> Record {
    Record::Label(Label { process, label: format!("{role}-1"), role, program: Some("Daemon 1.2".to_owned()) })
}

pub fn transfer() -> Record {
    Record::Transfer(Transfer {
        label: "leecher-1".to_owned(),
        process: LEECHER,
        direction: Direction::Download,
        file_size_bytes: SIZE_BYTES,
        requested_ns: START_NS + 100 * MS,
    })
}

/// A claim at so many ms after the start, polled every 20 ms.
pub fn claim(name: MilestoneName, at_ms: u64, bytes: u64) -> Record {
    Record::Milestone(Milestone {
        label: "leecher-1".to_owned(),
        name,
        at_ns: START_NS + at_ms * MS,
        resolution_ns: 20 * MS,
        bytes,
    })
}

pub fn polling() -> Record {
    Record::Polling(Polling { label: "leecher-1".to_owned(), polls: 17, cpu_ns: 3 * MS })
}

/// `5feceb66d41126992bff` was sent.
pub fn checksum(received: &str) -> Record {
    Record::Checksum(Checksum {
        label: "leecher-1".to_owned(),
        sent: "xxh128:5feceb66d41126992bff".to_owned(),
        received: format!("xxh128:{received}"),
    })
}

pub fn progress(process: ProcessSerial, at_ns: u64, rx_bytes: u64, tx_bytes: u64) -> Record {
    Record::Progress(Progress { at_ns, process, cookie: 11, tid: tid(process, 1), rx_bytes, tx_bytes })
}

/// What the leecher's progress is made of.
fn received(at_ns: u64, rx_bytes: u64) -> Record {
    Record::Payload(Payload {
        since_ns: at_ns,
        at_ns,
        process: LEECHER,
        tid: tid(LEECHER, 1),
        cookie: 11,
        direction: traffic::Direction::Received,
        bytes: 32_768,
        sequence: Some(rx_bytes as u32),
        destination: None,
        empty_calls: 0,
    })
}

/// A process's first thread asleep, ms after the start, and 1 ms more until it ran.
fn span(process: ProcessSerial, from_ms: u64, to_ms: u64, syscall: i32, wake: Wake) -> Record {
    Record::Span(Span {
        process,
        tid: tid(process, 1),
        off_ns: START_NS + from_ms * MS,
        woken_ns: Some(START_NS + to_ms * MS),
        on_ns: Some(START_NS + (to_ms + 1) * MS),
        preempted: false,
        throttled: false,
        iowait: false,
        reclaim: false,
        doing: Doing { syscall: Some(syscall), fd: Some(9), futex: None },
        wake,
        stacks: Stacks { user: None, kernel: (syscall == FSYNC).then_some(7) },
        ..Span::default()
    })
}

const RECVFROM: i32 = 45;
const FSYNC: i32 = 74;

pub fn process(process: ProcessSerial, comm: &str, rx_bytes: u64, tx_bytes: u64) -> Record {
    let last_ns = START_NS + 430 * MS;
    Record::ProcessTotals(ProcessTotals {
        at_ns: END_NS,
        process,
        pid: 100 + process.0 as u32,
        parent_pid: 1,
        comm: comm.to_owned(),
        since_ns: START_NS,
        exited_ns: None,
        tcp_rx_bytes: rx_bytes,
        tcp_tx_bytes: tx_bytes,
        udp_rx_bytes: 0,
        udp_tx_bytes: 0,
        peer_rx_bytes: rx_bytes,
        peer_tx_bytes: tx_bytes,
        peer_rx_last_ns: (rx_bytes > 0).then_some(last_ns),
        peer_tx_last_ns: (tx_bytes > 0).then_some(last_ns),
    })
}

/// A thread that lives as long as the capture; 100 ms pass in each counted state, the rest in the open one.
/// Of a process's n-th thread; the first one's is the process id.
fn tid(process: ProcessSerial, n: u32) -> u32 {
    100 * n + process.0 as u32
}

pub fn thread(process: ProcessSerial, n: u32, state: ThreadState) -> Record {
    let counted_ns = if state == ThreadState::Idle { 0 } else { 100 * MS };
    Record::ThreadTotals(ThreadTotals {
        at_ns: END_NS - 10 * MS,
        process,
        tid: tid(process, n),
        start_ns: 5,
        comm: "worker".to_owned(),
        since_ns: START_NS,
        cpu_ns: counted_ns,
        runqueue_ns: counted_ns,
        throttled_ns: 0,
        softirq_ns: 0,
        hardirq_ns: 0,
        user_samples: 0,
        kernel_samples: 0,
        waits: Waits { network_ns: counted_ns, ..Waits::default() },
        switches: 3,
        state,
        state_since_ns: START_NS + 3 * counted_ns,
        creator_tid: None,
    })
}

pub fn io(process: ProcessSerial, baseline: bool, read_chars: u64, write_chars: u64) -> Record {
    Record::ThreadIo(ThreadIo {
        at_ns: START_NS,
        process,
        tid: tid(process, 1),
        read_chars,
        write_chars,
        read_bytes: 0,
        write_bytes: 0,
        baseline,
    })
}

pub fn socket(process: ProcessSerial, cookie: u64, peer: Option<&str>, control: bool) -> Record {
    Record::SocketTotals(SocketTotals {
        at_ns: END_NS,
        cookie,
        process,
        rx_bytes: if control { 500 } else { PEER_BYTES },
        tx_bytes: if control { 400 } else { 3_300 },
        rx_calls: 9,
        tx_calls: 9,
        first_ns: START_NS,
        last_ns: END_NS,
        control,
        ends: peer.map(|peer| SocketEnds {
            protocol: Protocol::Tcp,
            local: "10.77.0.2:40000".parse().expect("an address"),
            peer: peer.parse().expect("an address"),
            netns: 4,
            established_ns: Some(START_NS),
            retransmits: 1,
            closed: None,
        }),
    })
}

pub fn bypassed(process: ProcessSerial, cookie: u64, bytes: u64) -> Record {
    Record::Bypassed(Bypassed { at_ns: END_NS, cookie, process, bytes })
}

pub fn device(operation: Operation, bytes: u64) -> Record {
    Record::DeviceTotals(DeviceTotals {
        at_ns: END_NS,
        major: 8,
        minor: 0,
        operation,
        bytes,
        requests: bytes / 4096,
        errors: 0,
        queue_ns: bytes,
        queued: bytes / 4096,
        service_ns: 10 * bytes,
        serviced: bytes / 4096,
    })
}

/// The same bytes on a disk and on the one below it.
pub fn credit(process: ProcessSerial, bytes: u64) -> Record {
    credit_on(0, process, bytes)
}

pub fn credit_on(minor: u32, process: ProcessSerial, bytes: u64) -> Record {
    credit_of(minor, None, process, bytes)
}

/// On a disk as a whole, or on the partition of that minor number.
pub fn credit_of(minor: u32, partition: Option<u32>, process: ProcessSerial, bytes: u64) -> Record {
    Record::CreditTotals(CreditTotals {
        at_ns: END_NS,
        process,
        major: 8,
        minor,
        operation: Operation::Write,
        bytes,
        bios: 1,
        partition: partition.map(|minor| Partition { major: 8, minor }),
    })
}

/// What a process wrote to files past the accounting of calls.
pub fn written_by(way: FileWay, process: ProcessSerial, bytes: u64) -> Record {
    let calls = bytes.min(1);
    Record::WayTotals(WayTotals { at_ns: END_NS, process, way, operation: Operation::Write, bytes, calls })
}

/// Dirtied pages of the only file; `None`: by others.
pub fn inode_use(process: Option<ProcessSerial>, dirtied_bytes: u64) -> Record {
    Record::InodeUse(InodeUse {
        at_ns: END_NS,
        inode: INODE,
        process,
        cached_bytes: dirtied_bytes,
        dirtied_bytes,
    })
}

/// Dirtied pages of no file.
pub fn metadata_use(process: ProcessSerial, dirtied_bytes: u64) -> Record {
    Record::InodeUse(InodeUse {
        at_ns: END_NS,
        inode: Inode::NO_FILE,
        process: Some(process),
        cached_bytes: 0,
        dirtied_bytes,
    })
}

/// The only file's part of what a disk moved.
pub fn inode_io(operation: Operation, bytes: u64) -> Record {
    Record::InodeIo(InodeIo {
        at_ns: END_NS,
        inode: INODE,
        major: 8,
        minor: 0,
        operation,
        bytes,
        bios: 1,
        partition: None,
    })
}

const INODE: Inode = Inode { major: 8, minor: 0, number: 42, generation: 7 };

pub fn window() -> Record {
    let program = |program: &str, runs, run_ns| ProgramRuns { program: program.to_owned(), runs, run_ns };
    Record::ProbeWindow(ProbeWindow {
        from_ns: START_NS,
        to_ns: START_NS + 100 * MS,
        programs: vec![
            program("sock_recv", 1_000, 80_000),
            program("sched_switch", 10_000, 1_200_000),
            program(EMPTY_PROGRAM, 1_000, 40_000),
        ],
    })
}

pub fn daemon() -> Record {
    Record::Daemon(Daemon {
        at_ns: END_NS,
        cpu_ns: 10 * MS,
        anon_rss_bytes: 8 << 20,
        map_bytes: 6 << 20,
        capture_bytes: 50_000,
    })
}

pub fn losses(ring_full: u64) -> Record {
    Record::Losses(Losses {
        at_ns: END_NS,
        counts: BTreeMap::from([("ring_full".to_owned(), ring_full), ("wake_unseen".to_owned(), 0)]),
    })
}

pub fn end() -> Record {
    Record::End(End { at_ns: END_NS, reason: "the transfer was complete".to_owned() })
}
