//! Many walks at once.
//!
//! A walk goes a long way back, and those of other connections go through the same time: a part of the capture would be
//! unpacked anew for each. So the walk that has come least far back goes on first, and all pass a moment together.

use std::{cmp::Ordering, collections::BinaryHeap};

use super::{Found, Walk};

pub fn walk_all<F: Found>(mut begun: Vec<Walk<F>>) {
    // The latest last; of equal ones the first begins first.
    begun.reverse();
    begun.sort_by_key(|walk| walk.to_ns);
    let mut open = BinaryHeap::new();
    let mut number = 0;
    loop {
        let next_ns = |begun: &[Walk<F>]| begun.last().map(|walk| walk.to_ns);
        if next_ns(&begun) > open.peek().map(|latest: &Open<F>| latest.to_ns) {
            open.extend(begun.pop().map(|walk| Open { to_ns: walk.to_ns, number, walk: Box::new(walk) }));
            number += 1;
        }
        let Some(Open { mut walk, number, .. }) = open.pop() else { return };
        let others_ns = open.peek().map(|other| other.to_ns).max(next_ns(&begun)).unwrap_or_default();
        let goes_on = loop {
            if !walk.step() {
                break false;
            }
            walk.found.borrow_mut().passed(walk.to_ns.max(others_ns));
            if walk.to_ns < others_ns {
                break true;
            }
        };
        if goes_on {
            open.push(Open { to_ns: walk.to_ns, number, walk });
        }
    }
}

/// The latest is the greatest, of equal ones the one that began first.
struct Open<'e, F> {
    to_ns: u64,
    number: usize,
    /// A walk is large, and its place among the others changes with each step.
    walk: Box<Walk<'e, F>>,
}

impl<F: Found> Ord for Open<'_, F> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.to_ns.cmp(&other.to_ns).then(other.number.cmp(&self.number))
    }
}

impl<F: Found> PartialOrd for Open<'_, F> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<F: Found> PartialEq for Open<'_, F> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<F: Found> Eq for Open<'_, F> {}
