//! How stories are told: threads with their scripts, connections, and what the kernel says about them.
//!
//! Times are in ms. Sequence numbers are kept by the story, and start just below their wrap.

use std::{collections::HashMap, net::SocketAddr};

use analysis::{
    attribution::{
        self,
        cuts::Transferred,
        observed::{
            Observed,
            disks::Disks,
            filing,
            merged::merged,
            payload::{Socket, TrafficRecords},
            threads::{self, Life},
            timers,
        },
        phase,
        states::{self, States},
        sums::Budget,
    },
    timeline::{Drops, Lossy, OutsideRuns, Requests, Steal},
};
use capture::{
    Direction, DropReason, HostId, ProcessSerial, Protocol, Retransmit, SocketEnds, TimerSet,
    span::{Doing, Futex, Softirq, Span, TaskKind, Wake},
    traffic::{Arrival, HeldBy, Payload, SendQueue},
};

use crate::script::Script;

pub const NET_RX: Wake = Wake::Softirq(Softirq::NetRx);
pub const BLOCK: Wake = Wake::Softirq(Softirq::Block);
pub const TIMER: Wake = Wake::HrTimer;

pub const EPOLL: Doing = call(232);
pub const SLEEP: Doing = call(230);
pub const RECV: Doing = call(45);
pub const SEND: Doing = call(44);
pub const PREAD: Doing = call(17);
pub const WAIT4: Doing = call(61);
pub const FSYNC: Doing = call(74);
pub const FAULT: Doing = Doing { syscall: None, fd: None, futex: None };

pub const MS: u64 = 1_000_000;
/// A block that is a cut of its own.
pub const BYTES: u32 = 100_000;
const FIRST_SEQUENCE: u32 = u32::MAX - 100;

const fn call(number: i32) -> Doing {
    Doing { syscall: Some(number), fd: None, futex: None }
}

/// FUTEX_WAIT_PRIVATE.
pub fn futex(address: u64) -> Doing {
    Doing { syscall: Some(202), fd: None, futex: Some(Futex { address, operation: 128 }) }
}

/// Woken by another target thread.
pub fn by(tid: u32) -> Wake {
    Wake::Task { tid, process: None, kind: TaskKind::Target }
}

/// The records of what moved, which can be told and changed.
#[derive(Clone, Default)]
pub struct Moved {
    pub payloads: Vec<Payload>,
    pub arrivals: Vec<Arrival>,
    pub send_queues: Vec<SendQueue>,
    pub retransmits: Vec<Retransmit>,
    pub sockets: Vec<Socket>,
}

impl Moved {
    pub fn records(self) -> TrafficRecords {
        TrafficRecords {
            payloads: self.payloads.into_iter().collect(),
            arrivals: self.arrivals.into_iter().collect(),
            send_queues: self.send_queues.into_iter().collect(),
            retransmits: self.retransmits.into_iter().collect(),
            sockets: self.sockets,
        }
    }
}

#[derive(Default)]
pub struct Story {
    pub lives: Vec<Life>,
    pub spans: Vec<Span>,
    pub traffic: Moved,
    pub lossy: Vec<Lossy>,
    pub timers: Vec<TimerSet>,
    pub outside_runs: OutsideRuns,
    pub requests: Vec<Requests>,
    pub steal: Steal,
    pub drops: Drops,
    sequences: HashMap<(u64, &'static str), u32>,
}

impl Story {
    pub fn thread(&mut self, process: u64, tid: u32) -> Script<'_> {
        self.thread_from(0, process, tid)
    }

    /// A thread that starts later than the capture.
    pub fn thread_from(&mut self, since_ms: u64, process: u64, tid: u32) -> Script<'_> {
        self.created(since_ms, process, tid, None)
    }

    /// A thread that another one creates.
    pub fn created(
        &mut self,
        since_ms: u64,
        process: u64,
        tid: u32,
        creator: impl Into<Option<u32>>,
    ) -> Script<'_> {
        let (since_ns, creator) = (since_ms * MS, creator.into());
        self.lives.push(Life { process: ProcessSerial(process), tid, creator, since_ns, end_ns: since_ns });
        Script { life: self.lives.len() - 1, story: self, at_ms: since_ms }
    }

    /// A TCP connection between two sockets, named by their cookies.
    pub fn connect(&mut self, one: u64, other: u64) {
        let address = |cookie: u64| SocketAddr::from(([10, 0, 0, 1], cookie as u16));
        self.socket(one, Protocol::Tcp, address(one), address(other));
        self.socket(other, Protocol::Tcp, address(other), address(one));
    }

    pub fn datagram_arrives(&mut self, cookie: u64, at_ms: u64) {
        self.traffic.arrivals.push(Arrival { at_ns: at_ms * MS, cookie, sequence: None });
    }

    pub fn socket(&mut self, cookie: u64, protocol: Protocol, local: SocketAddr, peer: SocketAddr) {
        self.socket_in(1, cookie, protocol, local, peer);
    }

    /// A socket of a certain network namespace.
    pub fn socket_in(
        &mut self,
        netns: u32,
        cookie: u64,
        protocol: Protocol,
        local: SocketAddr,
        peer: SocketAddr,
    ) {
        let ends =
            SocketEnds { protocol, local, peer, netns, established_ns: None, retransmits: 0, closed: None };
        self.traffic.sockets.push(Socket {
            cookie: HostId::default().of(cookie),
            ends,
            first_ns: 0,
            last_ns: u64::MAX,
        });
    }

    pub fn arrives(&mut self, cookie: u64, at_ms: u64, bytes: u32) {
        let sequence = Some(self.advance(cookie, "arrived", bytes));
        self.traffic.arrivals.push(Arrival { at_ns: at_ms * MS, cookie, sequence });
    }

    /// TCP has handed everything to the link, up to what was sent so far in the telling.
    pub fn in_flight(&mut self, cookie: u64, at_ms: u64) {
        self.holds(cookie, at_ms, 0, None);
    }

    pub fn holds(&mut self, cookie: u64, at_ms: u64, unsent_bytes: u32, held_by: impl Into<Option<HeldBy>>) {
        let write_seq = self.advance(cookie, "sent", 0);
        let held_by = held_by.into();
        let send_queue = SendQueue {
            at_ns: at_ms * MS,
            cookie,
            write_seq,
            in_flight_bytes: 0,
            unsent_bytes,
            held_by,
            smoothed_rtt_us: None,
            congestion_window_bytes: 0,
            peer_window_bytes: 0,
        };
        self.traffic.send_queues.push(send_queue);
    }

    /// TCP sends the last bytes again that were told to be sent on a socket.
    pub fn sends_again(&mut self, cookie: u64, at_ms: u64, bytes: u32) {
        let past = self.advance(cookie, "sent", 0);
        let sequence = past.wrapping_sub(bytes);
        self.traffic.retransmits.push(Retransmit { at_ns: at_ms * MS, cookie, sequence, past });
    }

    /// A datagram was dropped at a socket.
    pub fn drops(&mut self, cookie: u64, at_ms: u64, source: SocketAddr) {
        let reason = DropReason::ReceiveBuffer;
        let (at_ns, source) = (at_ms * MS, Some(source));
        let (process, drops, bytes, buffer) = (None, at_ms + 1, 0, 0);
        let record = capture::Drops { at_ns, cookie, process, reason, source, drops, bytes, buffer };
        self.drops.add(&record);
    }

    pub fn observed(&self) -> Observed {
        self.observed_of(self.traffic.clone())
    }

    fn observed_of(&self, traffic: Moved) -> Observed {
        let mut threads = threads::order(&self.lives, self.spans.iter().copied().collect());
        threads.cpus.fill(self.outside_runs.runs.clone());
        let traffic = filing::index(&threads, traffic.records());
        let timers = timers::index(&threads, self.timers.iter().copied().collect());
        Observed {
            host: HostId::default(),
            threads,
            traffic,
            timers,
            drops: self.drops.clone().in_order(),
            steal: self.steal.clone(),
            disks: Disks::of(self.requests.iter().copied().collect()),
            lossy: self.lossy.clone(),
        }
    }

    pub fn download(&self, process: u64, from_ms: u64, to_ms: u64) -> Budget {
        self.budget(process, Direction::Download, from_ms, to_ms)
    }

    pub fn upload(&self, process: u64, from_ms: u64, to_ms: u64) -> Budget {
        self.budget(process, Direction::Upload, from_ms, to_ms)
    }

    /// The budget of the story's n-th thread, which moves no payload.
    pub fn of_thread(&self, thread: usize, from_ms: u64, to_ms: u64) -> Budget {
        let observed = self.observed();
        phase::of_thread(&attribution::weigh(&observed), thread, from_ms * MS, to_ms * MS)
    }

    /// The states of the story's n-th thread over its life.
    pub fn states(&self, thread: usize) -> States {
        let observed = self.observed();
        let futexes = attribution::futex::waits(observed.threads.all.iter().flat_map(|thread| &thread.spans));
        states::of(&observed.threads.all[thread], &futexes, 0, u64::MAX)
    }

    /// With the movements as they were told, and once more with those of a millisecond in one record: cheaper probes may know
    /// no more.
    fn budget(&self, process: u64, direction: Direction, from_ms: u64, to_ms: u64) -> Budget {
        let process = ProcessSerial(process);
        let requested_ns = from_ms * MS;
        let transferred = Transferred { process, direction, requested_ns, until_ns: u64::MAX, size_bytes: 0 };
        let of = |observed: &Observed| {
            let phases = [(requested_ns, to_ms * MS)];
            let budgets = phase::budgets(&attribution::weigh(observed), transferred, &phases);
            budgets.into_iter().next().expect("one phase")
        };
        let exact = of(&self.observed());
        let mut traffic = self.traffic.clone();
        traffic.payloads =
            merged(traffic.payloads.into_iter().collect(), self.spans.iter().copied()).iter().collect();
        let merged = of(&self.observed_of(traffic));
        let apart_ms = |one: f64, other: f64| (one - other).abs() * to_ms.abs_diff(from_ms) as f64;
        for ((name, one), (_, other)) in exact.shares.named().into_iter().zip(merged.shares.named()) {
            assert!(apart_ms(one, other) < 1.001, "{name}: {one}, and {other} where movements are merged");
        }
        exact
    }

    pub fn advance(&mut self, cookie: u64, what: &'static str, bytes: u32) -> u32 {
        let sequence = self.sequences.entry((cookie, what)).or_insert(FIRST_SEQUENCE);
        *sequence = sequence.wrapping_add(bytes);
        *sequence
    }
}
