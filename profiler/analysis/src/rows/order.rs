//! A list in order of time.

use std::{cmp::Reverse, collections::VecDeque};

use super::{Head, Row};

/// Rows by their times, each with all that is before it.
pub struct InOrder<T> {
    /// The next one last.
    blocks: Vec<Head<T>>,
    /// Parallel: no row of this block, or of one that is read later, is earlier.
    least_ns: Vec<u64>,
    /// Blocks of which not every row was given yet, from `first` on.
    read: VecDeque<Read<T>>,
    first: usize,
    /// In order, the next one last.
    pending: Vec<Pending>,
}

struct Read<T> {
    rows: Vec<T>,
    left: usize,
}

/// Rows are large, and stay where they are while they are put in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pending {
    at_ns: u64,
    /// An equal one in a later block comes later.
    block: usize,
    place: usize,
}

impl<T: Row> InOrder<T> {
    pub(super) fn new(mut blocks: Vec<Head<T>>) -> Self {
        blocks.reverse();
        let mut least_ns = u64::MAX;
        let least = |block: &Head<T>| {
            least_ns = least_ns.min(block.least_ns);
            least_ns
        };
        let least_ns = blocks.iter().map(least).collect();
        Self { blocks, least_ns, read: VecDeque::new(), first: 0, pending: Vec::new() }
    }

    /// Takes blocks until the first row that waits is the next one of all.
    fn fill(&mut self) {
        let mut first_ns = self.pending.last().map(|first| first.at_ns);
        let is_next =
            |first_ns: Option<u64>, least_ns: u64| first_ns.is_some_and(|first_ns| first_ns <= least_ns);
        if self.least_ns.last().is_none_or(|&least_ns| is_next(first_ns, least_ns)) {
            return;
        }
        // As many as wait at least: what waits is put in order anew.
        let (waited, mut taken) = (self.pending.len(), 0);
        while let Some(&least_ns) = self.least_ns.last()
            && (!is_next(first_ns, least_ns) || taken < waited)
            && let Some(Head { rows, first, block, .. }) = self.blocks.pop()
        {
            self.least_ns.pop();
            let rows = block.unpack(first, rows);
            first_ns = rows.iter().map(T::at_ns).chain(first_ns).min();
            taken += rows.len();
            let block = self.first + self.read.len();
            let pending = |(place, row): (usize, &T)| Pending { at_ns: row.at_ns(), block, place };
            self.pending.extend(rows.iter().enumerate().map(pending));
            self.read.push_back(Read { left: rows.len(), rows });
        }
        self.pending.sort_unstable_by_key(|pending| Reverse(*pending));
    }
}

impl<T: Row> Iterator for InOrder<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.fill();
        let Pending { block, place, .. } = self.pending.pop()?;
        let read = &mut self.read[block - self.first];
        let row = read.rows[place];
        read.left -= 1;
        while self.read.pop_front_if(|read| read.left == 0).is_some() {
            self.first += 1;
        }
        Some(row)
    }
}
