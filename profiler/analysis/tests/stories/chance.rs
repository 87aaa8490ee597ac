//! Captures that nobody would tell: whatever the records say, time is divided without remainder.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use analysis::{
    attribution::{
        self,
        cuts::{Cut, Transferred},
        futex,
        lineage::{self, Found},
        observed::{
            Observed, filing,
            threads::{self, Life, ThreadIndex},
            timers,
        },
        phase,
        segment::{Segment, Side},
        states,
        sums::Budget,
    },
    timeline::Lossy,
};
use capture::{
    ProcessSerial, TimerKind, TimerSet,
    span::{Futex, Softirq, Span, Stacks, TaskKind, Wake},
    traffic::{Arrival, Direction, HeldBy, Payload, SendQueue},
};

use crate::tell::{BLOCK, EPOLL, FAULT, Moved, RECV, SLEEP, Story, futex as on_futex};

const THREADS: u32 = 6;
const END_NS: u64 = 10_000;
const PAIRS: u64 = 3;

/// What walks have found, by their numbers, which stand for their rates.
#[derive(Debug, Default, PartialEq)]
struct Walked(BTreeMap<usize, Vec<(String, Range<u64>)>>);

impl Found for Walked {
    fn segment(&mut self, number: f64, segment: Segment) {
        let found = (format!("{:?}", segment.share), segment.from_ns..segment.to_ns);
        self.0.entry(number as usize).or_default().push(found);
    }

    fn own(&mut self, number: f64, _thread: (ThreadIndex, Side), between_ns: Range<u64>) {
        self.0.entry(number as usize).or_default().push(("own".to_owned(), between_ns));
    }

    fn passed(&mut self, _at_ns: u64) {}
}

/// Each walk covers its time once, and finds the same whether it is alone or goes together with all others.
#[test]
fn every_walk_covers_its_time_once() {
    let mut met = BTreeSet::new();
    for seed in 0..200 {
        let observed = if seed % 2 == 0 { anything(seed) } else { order(of_many_cuts(seed), 0) };
        let evidence = attribution::weigh(&observed);
        let mut chance = Chance(seed * 31);
        let movements = (0..observed.threads.all.len()).flat_map(|thread| observed.traffic.of_thread(thread));
        let cuts: Vec<Cut> = movements
            .map(|end| Cut { end, from_ns: chance.below(end.at_ns + 1), to_ns: end.at_ns, bytes: 1 })
            .collect();
        let numbered = || cuts.iter().enumerate().map(|(number, &cut)| (cut, number as f64));
        let (mut alone, mut together) = (Walked::default(), Walked::default());
        numbered().for_each(|walk| lineage::of_cuts(&evidence, [walk].into_iter(), &mut alone));
        lineage::of_cuts(&evidence, numbered(), &mut together);
        assert_eq!(together, alone, "seed {seed}");
        for (number, cut) in cuts.iter().enumerate() {
            let mut until_ns = cut.to_ns;
            for (share, between_ns) in together.0.remove(&number).unwrap_or_default() {
                assert_eq!(between_ns.end, until_ns, "seed {seed}");
                assert!(between_ns.start < until_ns, "seed {seed}");
                until_ns = between_ns.start;
                met.insert(share);
            }
            assert_eq!(until_ns, cut.from_ns, "seed {seed}");
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

/// A transfer of process 1 or 2, in phases that may be empty, overlap nothing, and end before it or after it.
fn any_transfer(chance: &mut Chance) -> (Transferred, Vec<(u64, u64)>) {
    let process = ProcessSerial(chance.below(2) + 1);
    let direction = chance.pick(&[capture::Direction::Download, capture::Direction::Upload]);
    let requested_ns = if chance.sometimes() { chance.below(END_NS) } else { 0 };
    let until_ns = if chance.sometimes() { chance.below(END_NS) } else { u64::MAX };
    let mut marks: Vec<u64> = (0..4).map(|_| chance.below(END_NS + END_NS / 4)).collect();
    marks.sort_unstable();
    let phases = marks.windows(2).map(|marks| (marks[0], marks[1])).collect();
    (Transferred { process, direction, requested_ns, until_ns, size_bytes: 0 }, phases)
}

fn sum(budget: &Budget) -> f64 {
    budget.shares.named().iter().map(|(_, share)| share).sum()
}

#[test]
fn every_budget_sums_to_its_phase() {
    let mut met = 0;
    for seed in 0..300 {
        let observed = order(of_many_cuts(seed), 0);
        let evidence = attribution::weigh(&observed);
        let mut chance = Chance(seed * 17);
        for _ in 0..4 {
            let (transferred, phases) = any_transfer(&mut chance);
            let budgets = phase::budgets(&evidence, transferred, &phases);
            assert_eq!(budgets.len(), phases.len());
            for (budget, &(from_ns, to_ns)) in budgets.iter().zip(&phases) {
                let what = format!("seed {seed}: {transferred:?} {from_ns} {to_ns}: {budget:?}");
                assert_eq!(budget.wall_ns, to_ns - from_ns, "{what}");
                let whole = if from_ns < to_ns { 1.0 } else { 0.0 };
                // Less than half a ns in all is not told.
                let most = 1e-6 + 0.5 / budget.wall_ns.max(1) as f64;
                assert!((sum(budget) - whole).abs() < most, "{what}");
                let network: f64 = budget.network_detail.named().iter().map(|(_, share)| share).sum();
                assert!((network - budget.shares.network).abs() < 1e-6, "{what}");
                assert!(budget.shares.named().iter().all(|(_, share)| *share >= 0.0), "{what}");
                assert!(budget.polling <= budget.shares.cpu + 1e-6, "{what}");
                met += usize::from(budget.shares.network > 0.0 && budget.shares.cpu > 0.0);
            }
        }
    }
    assert!(met > 100, "{met} with several shares");
}

#[test]
fn the_order_of_records_makes_no_difference() {
    for seed in 0..100 {
        let (transferred, phases) = any_transfer(&mut Chance(seed * 17));
        let [one, other] = [0, seed + 1].map(|shuffled| {
            let mut told = of_many_cuts(seed);
            tell_apart(&mut told);
            let observed = order(told, shuffled);
            let budgets = phase::budgets(&attribution::weigh(&observed), transferred, &phases);
            budgets.iter().map(|budget| format!("{budget:?}")).collect::<Vec<_>>()
        });
        assert_eq!(one, other, "seed {seed}");
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

    fn shuffle<T>(&mut self, records: &mut [T]) {
        for last in (1..records.len()).rev() {
            records.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// What nobody would tell, in the order in which it was made up.
struct Told {
    lives: Vec<Life>,
    spans: Vec<Span>,
    records: Moved,
    timers: Vec<TimerSet>,
    lossy: Vec<Lossy>,
}

/// Puts records in order; in which they come is a matter of chance, or 0: as they were told.
fn order(told: Told, shuffled: u64) -> Observed {
    let Told { lives, mut spans, mut records, mut timers, lossy } = told;
    if shuffled > 0 {
        let mut chance = Chance(shuffled);
        chance.shuffle(&mut spans);
        chance.shuffle(&mut records.payloads);
        chance.shuffle(&mut records.arrivals);
        chance.shuffle(&mut records.send_queues);
        chance.shuffle(&mut timers);
    }
    let threads = threads::order(&lives, spans.into_iter().collect());
    let traffic = filing::index(&threads, records.records());
    let timers = timers::index(&threads, timers.into_iter().collect());
    Observed {
        host: capture::HostId::default(),
        threads,
        traffic,
        timers,
        drops: Default::default(),
        disks: Default::default(),
        steal: Default::default(),
        lossy,
    }
}

/// As [`told`], but some movements are cuts of their own, and there is evidence of every kind.
fn of_many_cuts(seed: u64) -> Told {
    let mut told = told(seed);
    let mut chance = Chance(seed * 7);
    for life in &mut told.lives {
        life.creator = chance.sometimes().then(|| chance.below(u64::from(THREADS)) as u32);
    }
    for span in &mut told.spans {
        let socket = 10 + chance.below(PAIRS * 2);
        match chance.below(8) {
            0 => span.socket = Some(socket),
            1 => span.segment = Some(socket),
            2 => span.timer = Some(chance.below(4)),
            3 => (span.wake, span.submitted_ns) = (BLOCK, Some(chance.below(END_NS))),
            _ => {}
        }
    }
    told.timers = (0..100)
        .map(|_| {
            let (at_ns, timer, kind) = (chance.below(END_NS), chance.below(4), TimerKind::Timerfd);
            let (tid, deadline_ns) = (chance.below(u64::from(THREADS)) as u32, at_ns + chance.below(400));
            TimerSet { at_ns, process: ProcessSerial(u64::from(tid % 2) + 1), tid, timer, deadline_ns, kind }
        })
        .collect();
    if chance.sometimes() {
        let from_ns = chance.below(END_NS);
        told.lossy.push(Lossy { from_ns, to_ns: from_ns + chance.below(END_NS) });
    }
    for payload in &mut told.records.payloads {
        payload.bytes += if chance.sometimes() { 100_000 + chance.below(1_000_000) } else { 0 };
        payload.since_ns -= if chance.sometimes() { chance.below(payload.since_ns + 1) / 8 } else { 0 };
    }
    told
}

/// All times of records of one kind differ.
fn tell_apart(told: &mut Told) {
    fn each<T>(records: &mut Vec<T>, at_ns: impl Fn(&T) -> u64) {
        let mut known = BTreeSet::new();
        records.retain(|record| known.insert(at_ns(record)));
    }
    each(&mut told.spans, |span| span.off_ns);
    each(&mut told.records.payloads, |payload| payload.at_ns);
    each(&mut told.records.arrivals, |arrival| arrival.at_ns);
    each(&mut told.records.send_queues, |send_queue| send_queue.at_ns);
    each(&mut told.timers, |set| set.at_ns);
}

/// Spans that overlap, wake each other in circles, and lie outside their threads' lives.
fn anything(seed: u64) -> Observed {
    order(told(seed), 0)
}

fn told(seed: u64) -> Told {
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
    let mut records = Moved { sockets: sockets.traffic.sockets, ..Moved::default() };
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
        let send_queue = SendQueue {
            at_ns,
            cookie,
            write_seq,
            in_flight_bytes: 0,
            unsent_bytes,
            held_by,
            smoothed_rtt_us: None,
            congestion_window_bytes: 0,
            peer_window_bytes: 0,
        };
        records.send_queues.push(send_queue);
    }
    Told { lives, spans, records, timers: Vec::new(), lossy: Vec::new() }
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
