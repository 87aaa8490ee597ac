//! What the shares of a run are, by its programs' own logs, from when the first block had come.
//!
//! Each block has the time since the block before it had come, and that time is told backwards: the block
//! was handed over when its sender had done its work for it; that began when the sender had been asked, or was free;
//! the request was sent when the receiver had done its work, or ticked. Where the receiver was still at work on the
//! block before when this one was handed over, the time is the receiver's: whoever was later held the block back. What
//! is between these moments (waking up, copying) is the CPU's as far as the threads' own clocks say so, a wait for
//! it as far as the kernel's account of them does, and else left open: too little to decide.

use std::{collections::BTreeMap, ptr};

use super::{
    judge::TOLERANCE,
    list::{Base, LINK_BITS_PER_S, Nodes},
    programs::Ask,
    run::{LEECHER, RELAY, SECOND, SECOND_FIRST, SEEDER, STORER, UPLOADER},
};
use crate::{
    log::{Interval, State},
    truth::Truth,
};

/// Parts of the time from the first block to the last, by the names that the report has for them.
pub type Shares = BTreeMap<String, f64>;

/// What the logs do not say.
pub const LEFT_OPEN: &str = "left_open";

pub fn shares(base: &Base, programs: &BTreeMap<String, Truth>) -> Shares {
    let node = |name: &str, names| Node { log: &programs[name].intervals, names };
    let windows = match base.nodes {
        Nodes::Upload => uploaded(base, &node(UPLOADER, OWN), &node(STORER, PEERS)),
        _ => {
            let between = programs.contains_key(RELAY).then(|| node(RELAY, PEERS));
            let leecher = node(LEECHER, OWN);
            let of_peer = downloaded(base, 0, &leecher, &node(SEEDER, PEERS), between.as_ref());
            let second = programs.contains_key(SECOND).then(|| node(SECOND, PEERS));
            let of_second =
                second.map(|second| downloaded(base, SECOND_FIRST, &leecher, &second, None)).into_iter();
            of_second.flatten().chain(of_peer).collect()
        }
    };
    let first_ns = windows.iter().map(|window| window.to_ns).min().expect("there are blocks");
    weighted(&windows, first_ns)
}

/// Where the programs were not what they were meant to be: a work took longer than it should have, or what lies between
/// the works is more than a trifle.
pub fn off_plan(base: &Base, programs: &BTreeMap<String, Truth>) -> Option<String> {
    let names = if base.nodes == Nodes::Upload { [STORER, UPLOADER] } else { [SEEDER, LEECHER] };
    let late = names.into_iter().zip([base.peer, base.own]).find_map(|(name, work)| {
        let planned_ms = base.planned(work).as_secs_f64() * 1e3;
        let works = programs[name].intervals.iter().filter(|did| is_work(did));
        let took: Vec<f64> = works.map(|did| (did.to_ns - did.from_ns) as f64 / 1e6).collect();
        let mean_ms = took.iter().sum::<f64>() / took.len() as f64;
        // Nothing is worked where nothing is planned: no number is more than that.
        (mean_ms > planned_ms * MOST_OF_PLAN)
            .then(|| format!("{name} took {mean_ms:.2} ms for what should take {planned_ms:.2}"))
    });
    let idle = || {
        let leecher = programs.get(LEECHER).filter(|_| base.nodes == Nodes::Linked)?;
        let mut received = leecher.intervals.iter().filter(|did| did.state == State::Receive);
        let (first, last) = (received.next()?, received.next_back()?);
        let bytes = base.block_bytes as u64 * u64::from(base.blocks - 1);
        let took = bytes as f64 * 8e9 / f64::from(LINK_BITS_PER_S) / (last.to_ns - first.to_ns) as f64;
        (took < LEAST_OF_LINK).then(|| format!("the link was used for {:.1} % of the time", took * 100.0))
    };
    let left_open = shares(base, programs).get(LEFT_OPEN).copied().unwrap_or(0.0);
    let unknown = || {
        (left_open > MOST_LEFT_OPEN).then(|| format!("{:.1} % of the time is left open", left_open * 100.0))
    };
    late.or_else(idle).or_else(unknown)
}

/// By how much more than its plan a work may take, on average.
const MOST_OF_PLAN: f64 = 1.3;
/// Of its rate, by payload: headers take 4 %.
const LEAST_OF_LINK: f64 = 0.93;
/// As much as a share may be off by.
const MOST_LEFT_OPEN: f64 = TOLERANCE;

/// The time that one block of a connection took.
struct Window {
    from_ns: u64,
    to_ns: u64,
    bytes: usize,
    parts: Parts,
}

/// Ns by share.
type Parts = Vec<(&'static str, f64)>;

/// A program, and how the report calls what it does.
struct Node<'l> {
    log: &'l [Interval],
    names: Names,
}

#[derive(Clone, Copy)]
struct Names {
    cpu: &'static str,
    cpu_wait: &'static str,
    disk: &'static str,
    timer: &'static str,
}

const OWN: Names = Names { cpu: "cpu", cpu_wait: "cpu_wait", disk: "disk", timer: "timer" };
const PEERS: Names =
    Names { cpu: "peer_cpu", cpu_wait: "peer_cpu_wait", disk: "peer_disk", timer: "peer_timer" };

fn downloaded(base: &Base, first: u32, own: &Node, peer: &Node, between: Option<&Node>) -> Vec<Window> {
    let bytes = if first == 0 { base.block_bytes } else { base.block_bytes / 9 };
    let between_them = if base.nodes == Nodes::Linked { "link" } else { LEFT_OPEN };
    let windows = (first..first + base.blocks).map(|block| {
        let before = block.checked_sub(1).filter(|_| block > first);
        let from_ns = before.map_or(own.began_ns(), |before| own.end(State::Receive, before));
        let to_ns = own.end(State::Receive, block);
        let sent = peer.find(State::Send, block);
        let handed_over_ns = sent.from_ns.clamp(from_ns, to_ns);
        let work = before.and_then(|before| own.work(before));
        let was_busy = work.is_some_and(|work| work.to_ns > handed_over_ns);
        let mut parts = Parts::new();
        if was_busy {
            own.tell(from_ns, to_ns, LEFT_OPEN, &mut parts);
        } else {
            let asked_ns = match base.ask {
                Ask::Never => from_ns,
                // Who shares its CPU with the asked may not go on before that has done its work.
                _ => own.find(State::Ask, block).from_ns.clamp(from_ns, handed_over_ns),
            };
            let idle = if let Ask::EveryTick(_) = base.ask { own.names.timer } else { LEFT_OPEN };
            own.tell(from_ns, asked_ns, idle, &mut parts);
            peer.tell(asked_ns, handed_over_ns, LEFT_OPEN, &mut parts);
            let mut left_ns = (to_ns - handed_over_ns) as f64;
            // On a link that is never idle the next bytes are under way while the ends work.
            let ends = [Some(peer), between, Some(own)].into_iter().flatten();
            // What the peer does once it has sent the block is for others.
            let until_ns = |node: &Node| if ptr::eq(node, peer) { sent.to_ns.min(to_ns) } else { to_ns };
            let ends = ends.filter(|_| base.nodes != Nodes::Linked).map(|node| (node, until_ns(node)));
            let runs =
                ends.clone().map(|(node, until_ns)| (node.names.cpu, node.cpu_ns(handed_over_ns, until_ns)));
            // Of two on one CPU, one runs while the other waits.
            let waits = ends
                .map(|(node, until_ns)| (node.names.cpu_wait, node.cpu_wait_ns(handed_over_ns, until_ns)));
            for (share, ns) in runs.chain(waits) {
                let ns = ns.min(left_ns);
                parts.push((share, ns));
                left_ns -= ns;
            }
            parts.push((between_them, left_ns));
        }
        Window { from_ns, to_ns, bytes, parts }
    });
    windows.collect()
}

/// The same from the sender's side: a block is sent when the one before was done with, and after the own work.
fn uploaded(base: &Base, own: &Node, peer: &Node) -> Vec<Window> {
    let windows = (0..base.blocks).map(|block| {
        let before = block.checked_sub(1);
        let from_ns = before.map_or(own.began_ns(), |before| own.end(State::Send, before));
        let done_ns = before.map_or(from_ns, |before| own.end(State::Receive, before));
        let to_ns = own.end(State::Send, block);
        let mut parts = Parts::new();
        peer.tell(from_ns, done_ns, LEFT_OPEN, &mut parts);
        own.tell(done_ns, to_ns, LEFT_OPEN, &mut parts);
        Window { from_ns, to_ns, bytes: base.block_bytes, parts }
    });
    windows.collect()
}

impl Node<'_> {
    fn find(&self, state: State, block: u32) -> &Interval {
        let found = self.log.iter().find(|did| did.state == state && did.block == Some(block));
        found.unwrap_or_else(|| panic!("the log has no {state:?} of block {block}"))
    }

    fn began_ns(&self) -> u64 {
        self.log.iter().map(|did| did.from_ns).min().expect("it did something")
    }

    fn end(&self, state: State, block: u32) -> u64 {
        self.find(state, block).to_ns
    }

    /// Of the thread that did it.
    fn work(&self, block: u32) -> Option<&Interval> {
        self.log.iter().find(|did| is_work(did) && did.block == Some(block))
    }

    /// What the node did in that time; `idle` is what it was when it did nothing.
    fn tell(&self, from_ns: u64, to_ns: u64, idle: &'static str, parts: &mut Parts) {
        let mut left_ns = to_ns.saturating_sub(from_ns) as f64;
        let mut push = |share, ns: f64| {
            let ns = ns.min(left_ns);
            left_ns -= ns;
            parts.push((share, ns));
        };
        push(self.names.cpu, self.cpu_ns(from_ns, to_ns));
        push(self.names.cpu_wait, self.cpu_wait_ns(from_ns, to_ns));
        for work in self.log.iter().filter(|did| is_work(did)) {
            let share = match work.state {
                State::Compute => self.names.cpu_wait,
                State::Write => self.names.disk,
                _ => self.names.timer,
            };
            let ready_ns = work.cpu_ns + work.cpu_wait_ns.unwrap_or(0);
            let off_cpu_ns = (work.to_ns - work.from_ns).saturating_sub(ready_ns);
            push(share, off_cpu_ns as f64 * inside(work, from_ns, to_ns));
        }
        push(idle, f64::INFINITY);
    }

    /// By the clocks of its threads.
    fn cpu_ns(&self, from_ns: u64, to_ns: u64) -> f64 {
        self.log.iter().map(|did| did.cpu_ns as f64 * inside(did, from_ns, to_ns)).sum()
    }

    /// In which its threads could run and did not, by the kernel's account. Who computes may lose the CPU at any time; who
    /// waited for something waits for the CPU at last.
    fn cpu_wait_ns(&self, from_ns: u64, to_ns: u64) -> f64 {
        let waited = self.log.iter().filter_map(|did| {
            let waited_ns = did.cpu_wait_ns.filter(|ns| *ns > 0)?;
            if did.state == State::Compute {
                return Some(waited_ns as f64 * inside(did, from_ns, to_ns));
            }
            let ran_ns = did.to_ns.saturating_sub(did.cpu_ns).max(did.from_ns);
            let began_ns = ran_ns.saturating_sub(waited_ns);
            Some(ran_ns.min(to_ns).saturating_sub(began_ns.max(from_ns)) as f64)
        });
        waited.sum()
    }
}

fn is_work(did: &Interval) -> bool {
    matches!(did.state, State::Compute | State::Write | State::Sleep | State::Timer)
}

/// The part of an interval that lies in that time.
fn inside(did: &Interval, from_ns: u64, to_ns: u64) -> f64 {
    let overlap_ns = did.to_ns.min(to_ns).saturating_sub(did.from_ns.max(from_ns));
    if overlap_ns == 0 { 0.0 } else { overlap_ns as f64 / (did.to_ns - did.from_ns) as f64 }
}

/// At each moment the connections count by their rates. Before `since_ns` the first of them waited for its first block.
fn weighted(windows: &[Window], since_ns: u64) -> Shares {
    let rate = |window: &Window| window.bytes as f64 / (window.to_ns - window.from_ns) as f64;
    let mut edges: Vec<u64> = windows.iter().flat_map(|window| [window.from_ns, window.to_ns]).collect();
    edges.sort_unstable();
    edges.dedup();
    edges.retain(|edge_ns| *edge_ns >= since_ns);
    let mut shares = Shares::new();
    let mut whole_ns = 0.0;
    for edge in edges.windows(2) {
        let (from_ns, to_ns) = (edge[0], edge[1]);
        let here: Vec<_> =
            windows.iter().filter(|window| window.from_ns <= from_ns && window.to_ns >= to_ns).collect();
        let all: f64 = here.iter().map(|window| rate(window)).sum();
        let ns = (to_ns - from_ns) as f64;
        whole_ns += if here.is_empty() { 0.0 } else { ns };
        for window in here {
            let weight = ns * rate(window) / all / (window.to_ns - window.from_ns) as f64;
            for (share, part_ns) in &window.parts {
                *shares.entry((*share).to_owned()).or_default() += weight * part_ns;
            }
        }
    }
    shares.values_mut().for_each(|share| *share /= whole_ns);
    let network = shares.iter().filter(|(name, _)| name.starts_with("peer_") || *name == "link");
    let network = network.map(|(_, share)| share).sum();
    shares.insert("network".to_owned(), network);
    shares
}
