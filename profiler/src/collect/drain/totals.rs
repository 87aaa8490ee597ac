//! From the values of maps to records of the capture. Pure.

use abi::{
    context::{WAITS, Wait},
    disk::{self, Credit, CreditKey, DEVICE_MINOR_BITS, DeviceIo, DeviceKey},
    file_ways::{self, WayBytes, WayKey},
    owners::{self, InodeIoKey, InodeKey, InodeUseKey},
    sched::{self, StateWord, Thread},
    sockets::{IPPROTO_TCP, Socket, SocketBytes, SocketKey},
    target::Process,
};

use capture::{
    CreditTotals, DeviceTotals, FileWay, Inode, InodeIo, InodeUse, Operation, Partition, ProcessSerial,
    ProcessTotals, Protocol, SocketClosed, SocketEnds, SocketTotals, ThreadState, ThreadTotals, Waits,
    WayTotals, comm_text,
    events::{address, nonzero},
};

pub fn process(at_ns: u64, raw: &Process) -> ProcessTotals {
    ProcessTotals {
        at_ns,
        process: ProcessSerial(raw.serial),
        pid: raw.tgid,
        parent_pid: raw.parent_tgid,
        comm: comm_text(&raw.comm),
        since_ns: raw.since_ns,
        exited_ns: nonzero(raw.exited_ns),
        tcp_rx_bytes: raw.tcp_rx_bytes,
        tcp_tx_bytes: raw.tcp_tx_bytes,
        udp_rx_bytes: raw.udp_rx_bytes,
        udp_tx_bytes: raw.udp_tx_bytes,
        peer_rx_bytes: raw.peer_rx_bytes,
        peer_tx_bytes: raw.peer_tx_bytes,
        peer_rx_last_ns: nonzero(raw.peer_rx_last_ns),
        peer_tx_last_ns: nonzero(raw.peer_tx_last_ns),
    }
}

/// A thread; one that the probes have not seen yet is idle, and the daemon knows better where it ran all along.
pub fn thread(at_ns: u64, raw: &Thread) -> ThreadTotals {
    let word = StateWord(raw.word);
    let state = match word.state() {
        sched::ThreadState::Unseen => ThreadState::Idle,
        sched::ThreadState::Cpu => ThreadState::Cpu,
        // Without another event the wake-up before the switch was for this sleep.
        sched::ThreadState::Runqueue | sched::ThreadState::Raced => ThreadState::Runqueue,
        sched::ThreadState::Throttled => ThreadState::Throttled,
        sched::ThreadState::Blocked => ThreadState::Blocked,
        sched::ThreadState::Dead => ThreadState::Exited,
    };
    ThreadTotals {
        at_ns,
        process: ProcessSerial(raw.process),
        tid: raw.key.tid,
        start_ns: raw.key.start_ns,
        comm: comm_text(&raw.comm),
        since_ns: raw.since_ns,
        cpu_ns: raw.cpu_ns,
        runqueue_ns: raw.runqueue_ns,
        throttled_ns: raw.throttled_ns,
        softirq_ns: raw.softirq_ns,
        hardirq_ns: raw.hardirq_ns,
        user_samples: raw.user_samples,
        kernel_samples: raw.kernel_samples,
        waits: waits(&raw.wait_ns),
        switches: raw.switches,
        state,
        state_since_ns: word.since_ns(),
        creator_tid: (raw.creator_tid != 0).then_some(raw.creator_tid),
    }
}

fn waits(raw: &[u64; WAITS]) -> Waits {
    let of = |wait: Wait| raw[wait as usize];
    Waits {
        other_ns: of(Wait::Other),
        network_ns: of(Wait::Network),
        disk_ns: of(Wait::Disk),
        timer_ns: of(Wait::Timer),
        thread_ns: of(Wait::Thread),
        idle_ns: of(Wait::Idle),
        unseen_ns: of(Wait::Unseen),
        memory_ns: of(Wait::Memory),
    }
}

pub fn socket(at_ns: u64, key: &SocketKey, raw: &SocketBytes, ends: Option<&Socket>) -> SocketTotals {
    SocketTotals {
        at_ns,
        cookie: key.cookie,
        process: ProcessSerial(key.process),
        rx_bytes: raw.rx_bytes,
        tx_bytes: raw.tx_bytes,
        rx_calls: raw.rx_calls,
        tx_calls: raw.tx_calls,
        first_ns: raw.first_ns,
        last_ns: raw.last_ns,
        control: raw.control != 0,
        ends: ends.map(socket_ends),
    }
}

pub fn device(at_ns: u64, key: &DeviceKey, raw: &DeviceIo) -> DeviceTotals {
    DeviceTotals {
        at_ns,
        major: key.major,
        minor: key.minor,
        operation: operation(key.operation),
        bytes: raw.bytes,
        requests: raw.requests,
        errors: raw.errors,
        queue_ns: raw.queue_ns,
        queued: raw.queued,
        service_ns: raw.service_ns,
        serviced: raw.serviced,
    }
}

pub fn credit(at_ns: u64, key: &CreditKey, raw: &Credit) -> CreditTotals {
    CreditTotals {
        at_ns,
        process: ProcessSerial(key.process),
        major: key.device.major,
        minor: key.device.minor,
        operation: operation(key.device.operation),
        bytes: raw.bytes,
        bios: raw.bios,
        partition: partition(&key.device),
    }
}

/// `None` for a way that is not known.
pub fn way(at_ns: u64, key: &WayKey, raw: &WayBytes) -> Option<WayTotals> {
    let way = match file_ways::FileWay::ALL.into_iter().find(|way| *way as u32 == key.way)? {
        file_ways::FileWay::IoUring => FileWay::IoUring,
        file_ways::FileWay::Libaio => FileWay::Libaio,
        file_ways::FileWay::Splice => FileWay::Splice,
    };
    Some(WayTotals {
        at_ns,
        process: ProcessSerial(key.process),
        way,
        operation: operation(key.operation),
        bytes: raw.bytes,
        calls: raw.calls,
    })
}

/// `since_last` is the map's value less what it was in the last record.
pub fn inode_use(at_ns: u64, key: &InodeUseKey, since_last: &owners::InodeUse) -> InodeUse {
    InodeUse {
        at_ns,
        inode: inode(&key.inode),
        process: (key.process != owners::OTHERS).then_some(ProcessSerial(key.process)),
        cached_bytes: since_last.cached_bytes,
        dirtied_bytes: since_last.dirtied_bytes,
    }
}

/// `since_last` is the map's value less what it was in the last record.
pub fn inode_io(at_ns: u64, key: &InodeIoKey, since_last: &owners::InodeIo) -> InodeIo {
    InodeIo {
        at_ns,
        inode: inode(&key.inode),
        major: key.device.major,
        minor: key.device.minor,
        operation: operation(key.device.operation),
        bytes: since_last.bytes,
        bios: since_last.bios,
        partition: partition(&key.device),
    }
}

fn partition(key: &DeviceKey) -> Option<Partition> {
    let (major, minor) = numbers(key.partition);
    (key.partition != 0).then_some(Partition { major, minor })
}

/// Major and minor of a `dev_t` of the kernel.
fn numbers(device: u32) -> (u32, u32) {
    (device >> DEVICE_MINOR_BITS, device & ((1 << DEVICE_MINOR_BITS) - 1))
}

fn inode(key: &InodeKey) -> Inode {
    let (major, minor) = numbers(key.superblock);
    Inode { major, minor, number: key.number, generation: key.generation }
}

fn socket_ends(raw: &Socket) -> SocketEnds {
    // UDP is connected to another peer, and the kernel has no totals of it.
    let closed_ns = nonzero(raw.closed_ns).filter(|_| raw.protocol == IPPROTO_TCP);
    let closed = closed_ns.map(|at_ns| SocketClosed {
        at_ns,
        bytes_received: raw.tcp_bytes_received,
        bytes_sent: raw.tcp_bytes_sent,
        bytes_acked: raw.tcp_bytes_acked,
        bytes_retransmitted: raw.tcp_bytes_retransmitted,
    });
    SocketEnds {
        protocol: if raw.protocol == IPPROTO_TCP { Protocol::Tcp } else { Protocol::Udp },
        local: address(raw.family, &raw.local, raw.local_port),
        peer: address(raw.family, &raw.peer, raw.peer_port),
        netns: raw.netns,
        established_ns: nonzero(raw.established_ns),
        retransmits: raw.retransmits,
        closed,
    }
}

fn operation(raw: u32) -> Operation {
    if raw == disk::READ { Operation::Read } else { Operation::Write }
}
