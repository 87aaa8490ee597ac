//! Packets of files that do not say on which interface each was seen (cooked 1): one that passes two interfaces of the host
//! looks like two.
//!
//! Packets are told by what they carry. TCP's are counted by sequence numbers anyway. Of datagrams nearly all differ, so
//! that most of those between two hosts are seen as often as there are interfaces on their way. By that number the alike
//! ones are divided too. Memory is bounded: of what was seen, the newest [`OPEN_LIMIT`] are remembered.

use std::collections::{BTreeMap, HashMap, VecDeque};

use foldhash::fast::FixedState;

/// A packet is on its next interface before this many others were seen.
const OPEN_LIMIT: usize = 1 << 16;

/// And within this time, also behind a queue that shapes.
const PAUSE_NS: u64 = 1_000_000_000;

/// What is remembered of the packets that were seen last, by flow and content.
#[derive(Default)]
pub struct Sightings {
    open: HashMap<(usize, u64), Seen, FixedState>,
    order: VecDeque<(usize, u64)>,
}

/// A content of a flow.
#[derive(Clone, Copy)]
pub struct Seen {
    pub times: u32,
    /// Payload, once.
    pub bytes: u32,
    last_ns: Option<u64>,
}

impl Sightings {
    /// A packet of the flow that has this number, with this content. Gives how often it was seen before, and what will not be seen
    /// again.
    pub fn see(
        &mut self,
        flow: usize,
        content: u64,
        bytes: u32,
        at_ns: Option<u64>,
    ) -> (u32, Option<(usize, Seen)>) {
        let key = (flow, content);
        let first = Seen { times: 1, bytes, last_ns: at_ns };
        if let Some(seen) = self.open.get_mut(&key) {
            let pause_ns = at_ns.zip(seen.last_ns).map_or(0, |(at, last)| at.abs_diff(last));
            if pause_ns > PAUSE_NS {
                return (0, Some((flow, std::mem::replace(seen, first))));
            }
            seen.times += 1;
            seen.last_ns = at_ns;
            return (seen.times - 1, None);
        }
        self.open.insert(key, first);
        self.order.push_back(key);
        let oldest = (self.order.len() > OPEN_LIMIT).then(|| self.order.pop_front()).flatten();
        (0, oldest.and_then(|key| Some((key.0, self.open.remove(&key)?))))
    }

    /// What may still be seen again.
    pub fn open(&self) -> impl Iterator<Item = (usize, Seen)> {
        self.open.iter().map(|((flow, _), seen)| (*flow, *seen))
    }
}

/// How many contents were seen how often, and their bytes, each once.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Times(BTreeMap<u32, (u64, u64)>);

impl Times {
    pub fn add(&mut self, seen: &Seen) {
        self.add_all(seen.times, 1, seen.bytes.into());
    }

    pub fn extend(&mut self, other: &Self) {
        other.0.iter().for_each(|(times, (contents, bytes))| self.add_all(*times, *contents, *bytes));
    }

    /// On how many interfaces each packet was seen: as often as most contents were, and at least two. `None`: they do not
    /// tell.
    pub fn interfaces(&self) -> Option<u32> {
        let all: u64 = self.0.values().map(|(contents, _)| contents).sum();
        let is_most = |contents: u64| contents * 2 > all;
        let most = self.0.iter().find(|(_, (contents, _))| is_most(*contents));
        let (times, (contents, _)) = most?;
        (*times == 1 || *contents > 1).then_some(*times)
    }

    /// Payload of all packets, if each was seen on so many interfaces. Where one was missed, the others stand for it.
    pub fn bytes(&self, interfaces: u32) -> u64 {
        self.0.iter().map(|(times, (_, bytes))| bytes * u64::from(times.div_ceil(interfaces))).sum()
    }

    fn add_all(&mut self, times: u32, contents: u64, bytes: u64) {
        let all = self.0.entry(times).or_default();
        all.0 += contents;
        all.1 += bytes;
    }
}
