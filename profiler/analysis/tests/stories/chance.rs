//! Captures that nobody would tell: whatever the records say, time is divided without remainder.

use std::collections::BTreeSet;

use analysis::attribution::{
    self, futex,
    lineage::{self, Found},
    observed::{
        Observed,
        payload::TrafficRecords,
        threads::{self, Life, ThreadIndex},
        timers::Timers,
        traffic,
    },
    segment::{Segment, Side},
    states,
};
use capture::{
    ProcessSerial,
    span::{Futex, Softirq, Span, Stacks, TaskKind, Wake},
    traffic::{Arrival, Direction, HeldBy, Payload, SendQueue},
};

use crate::tell::{EPOLL, FAULT, RECV, SLEEP, Story, futex as on_futex};

const THREADS: u32 = 6;
const END_NS: u64 = 10_000;
const PAIRS: u64 = 3;

/// What a walk has found, and how far down it is.
struct Walked {
    until_ns: u64,
    met: BTreeSet<String>,
}

impl Walked {
    fn covers(&mut self, from_ns: u64, to_ns: u64) {
        assert_eq!(to_ns, self.until_ns);
        assert!(from_ns < to_ns);
        self.until_ns = from_ns;
    }
}

impl Found for Walked {
    fn segment(&mut self, segment: Segment) {
        self.covers(segment.from_ns, segment.to_ns);
        self.met.insert(format!("{:?}", segment.share));
    }

    fn own(&mut self, _thread: ThreadIndex, _side: Side, from_ns: u64, to_ns: u64) {
        self.covers(from_ns, to_ns);
        self.met.insert("own".to_owned());
    }
}

#[test]
fn every_walk_covers_its_time_once() {
    let mut met = BTreeSet::new();
    for seed in 0..200 {
        let observed = anything(seed);
        let evidence = attribution::weigh(&observed);
        let mut chance = Chance(seed * 31);
        for movement in &observed.traffic.all {
            let from_ns = chance.below(movement.at_ns + 1);
            let mut walked = Walked { until_ns: movement.at_ns, met: std::mem::take(&mut met) };
            lineage::of_movement(&evidence, movement, from_ns, movement.at_ns, &mut walked);
            assert_eq!(walked.until_ns, from_ns, "seed {seed}");
            met = walked.met;
        }
    }
    // A thread's own, disk, timer, cpu_wait and other of idle waits, and four parts of network.
    assert_eq!(met.len(), 9, "{met:?}");
}

#[test]
fn states_sum_to_every_window_of_every_life() {
    for seed in 0..200 {
        let observed = anything(seed);
        let all = &observed.threads.all;
        let futexes = futex::waits(all.iter().flat_map(|thread| &thread.spans));
        for (number, thread) in all.iter().enumerate() {
            let cut_ns = Chance(seed * 31 + number as u64).below(END_NS);
            let window_ns = |from_ns, to_ns| states::of(thread, &futexes, from_ns, to_ns).sum_ns();
            let life_ns = thread.life.end_ns - thread.life.since_ns;
            assert_eq!(window_ns(0, u64::MAX), life_ns, "seed {seed} thread {number}");
            assert_eq!(
                window_ns(0, cut_ns) + window_ns(cut_ns, u64::MAX),
                life_ns,
                "seed {seed} thread {number}"
            );
        }
    }
}

/// Linear congruential, after Knuth's MMIX: a failure names its seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn sometimes(&mut self) -> bool {
        self.below(4) == 0
    }
}

/// Spans that overlap, wake each other in circles, and lie outside their threads' lives.
fn anything(seed: u64) -> Observed {
    let mut chance = Chance(seed);
    let process = |tid: u32| ProcessSerial(u64::from(tid % 2) + 1);
    let lives: Vec<Life> = (0..THREADS)
        .map(|tid| {
            let since_ns = chance.below(END_NS / 4);
            Life {
                process: process(tid),
                tid,
                creator: None,
                since_ns,
                end_ns: END_NS - chance.below(END_NS / 4),
            }
        })
        .collect();
    let spans: Vec<Span> = (0..400).map(|_| any_span(&mut chance, process)).collect();
    let mut sockets = Story::default();
    for pair in 0..PAIRS {
        sockets.connect(pair * 2 + 10, pair * 2 + 11);
    }
    let mut records = TrafficRecords { sockets: sockets.traffic.sockets, ..TrafficRecords::default() };
    // A byte's number is about the time at which it is read; it is sent 200 ns before, and arrives in
    // between.
    for _ in 0..400 {
        let (at_ns, cookie) = (chance.below(END_NS), 10 + chance.below(PAIRS * 2));
        let tid = chance.below(u64::from(THREADS)) as u32;
        let (direction, ahead) = chance.pick(&[(Direction::Received, 0), (Direction::Sent, 200)]);
        let sequence = Some(at_ns as u32 + ahead);
        let (process, bytes) = (process(tid), chance.below(400));
        let moved = Payload {
            since_ns: at_ns,
            at_ns,
            process,
            tid,
            cookie,
            direction,
            bytes,
            sequence,
            destination: None,
            empty_calls: 0,
        };
        records.payloads.push(moved);
        let at_ns = chance.below(END_NS);
        records.arrivals.push(Arrival { at_ns, cookie, sequence: Some(at_ns as u32 + 100) });
        let (unsent_bytes, write_seq) = (chance.below(400) as u32, at_ns as u32 + 200);
        let held_by = chance.pick(&[None, Some(HeldBy::Nagle), Some(HeldBy::PeerWindow)]);
        let send_queue = SendQueue { at_ns, cookie, write_seq, in_flight_bytes: 0, unsent_bytes, held_by };
        records.send_queues.push(send_queue);
    }
    let threads = threads::order(&lives, spans);
    let traffic = traffic::index(&threads, records);
    let timers = Timers::default();
    Observed { host: capture::HostId::default(), threads, traffic, timers, lossy: Vec::new() }
}

fn any_span(chance: &mut Chance, process: impl Fn(u32) -> ProcessSerial) -> Span {
    let tid = chance.below(u64::from(THREADS)) as u32;
    let off_ns = chance.below(END_NS);
    let waker = chance.below(u64::from(THREADS) + 1) as u32;
    let by_task = Wake::Task { tid: waker, process: None, kind: TaskKind::Target };
    let by_network = Wake::Softirq(Softirq::NetRx);
    let pi_lock = Some(Futex { address: 1, operation: 6 });
    let mut doing = chance.pick(&[EPOLL, FAULT, RECV, SLEEP, on_futex(1), on_futex(2)]);
    if doing.futex.is_some() && chance.sometimes() {
        doing.futex = pi_lock;
    }
    Span {
        process: process(tid),
        tid,
        off_ns,
        woken_ns: (!chance.sometimes()).then(|| (off_ns + chance.below(300)).saturating_sub(20)),
        on_ns: (!chance.sometimes()).then(|| off_ns + chance.below(400)),
        preempted: chance.sometimes(),
        throttled: chance.sometimes(),
        iowait: chance.sometimes(),
        reclaim: chance.below(20) == 0,
        doing,
        wake: chance.pick(&[by_task, by_task, by_network, by_network, Wake::HrTimer, Wake::Unknown]),
        stacks: Stacks::default(),
        deadline_ns: chance.sometimes().then(|| off_ns + chance.below(400)),
        ..Span::default()
    }
}
