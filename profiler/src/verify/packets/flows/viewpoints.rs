//! Which files, and sections of pcapng, are slices of one viewpoint: files that rotate follow each other, two viewpoints of
//! one run overlap.
//!
//! A short run is over at one host before it begins at another, by the delay or by their clocks. So what a slice begins with
//! decides too: what was seen already comes from another viewpoint.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, Hash},
};

use foldhash::fast::FixedState;

/// Packets of a slice that are looked at before it is decided where it belongs.
pub const HELD_LIMIT: usize = 32;

/// Packets of several CPUs are not quite in the order of time in a file.
const DISORDER_NS: u64 = 10_000_000;

/// Datagrams that a viewpoint remembers, its first ones: what a second one begins with.
const CONTENT_LIMIT: usize = 1 << 12;

/// Where packets are seen from, for as long as there are any.
#[derive(Default)]
pub struct Viewpoint {
    first_ns: Option<u64>,
    last_ns: Option<u64>,
    /// Datagrams, and the place that saw each first; `None` if it saw it again: others are alike.
    contents: HashMap<u64, Option<Place>, FixedState>,
}

/// Interface, its index, and whether the packet left.
pub type Place = (u32, u32, bool);

/// How the first packets of a slice relate to what a viewpoint saw.
#[derive(Clone, Copy, Default)]
pub struct Evidence {
    /// Of a flow that the viewpoint knows.
    pub known: usize,
    /// Seen there, once.
    pub again: usize,
    /// Not seen there.
    pub new: usize,
}

/// The viewpoint that a slice continues which begins at `begin_ns`: one that ended before, and saw nothing of it yet. Of
/// several, the one that knows most of its flows, or ended last. `None`: it is from a new one.
pub fn continued(
    viewpoints: &[Viewpoint],
    begin_ns: u64,
    evidence: impl Fn(usize) -> Evidence,
) -> Option<usize> {
    let ended = viewpoints.iter().enumerate().filter_map(|(number, viewpoint)| {
        let last_ns = viewpoint.last_ns.filter(|last_ns| *last_ns <= begin_ns.saturating_add(DISORDER_NS))?;
        let Evidence { known, again, new } = evidence(number);
        (again <= new).then_some(((known, last_ns), number))
    });
    ended.max().map(|(_, number)| number)
}

/// Whether a viewpoint is over before one that came earlier in the files begins: its packets are out of order then, and may
/// be a slice of the other's.
pub fn are_out_of_order(viewpoints: &[Viewpoint]) -> bool {
    viewpoints.iter().enumerate().any(|(number, earlier)| {
        let is_over =
            |later: &Viewpoint| later.last_ns.zip(earlier.first_ns).is_some_and(|(last, first)| last < first);
        viewpoints[number + 1..].iter().any(is_over)
    })
}

impl Viewpoint {
    /// Whether contents are still remembered.
    pub fn remembers(&self) -> bool {
        self.contents.len() < CONTENT_LIMIT
    }

    /// Of each packet.
    #[inline]
    pub fn see(&mut self, content: Option<u64>, place: Place, at_ns: Option<u64>) {
        if at_ns > self.last_ns {
            self.last_ns = at_ns;
            self.first_ns = self.first_ns.or(at_ns);
        }
        if let Some(content) = content
            && self.remembers()
        {
            let first = self.contents.entry(content);
            first.and_modify(|first| *first = first.filter(|first| *first != place)).or_insert(Some(place));
        }
    }

    /// Whether a datagram was seen before; `None` if others are alike.
    pub fn saw(&self, content: u64) -> Option<bool> {
        match self.contents.get(&content) {
            None => Some(false),
            Some(Some(_)) => Some(true),
            Some(None) => None,
        }
    }
}

/// A datagram's content with its flow.
pub fn content_of(flow: impl Hash, content: u64) -> u64 {
    FixedState::default().hash_one((flow, content))
}
