//! A list in order of time.

use std::cmp::Reverse;

use super::{Head, Row};

/// Rows by their times, each with all that is before it.
pub struct InOrder<T> {
    /// The next one last.
    blocks: Vec<Head<T>>,
    /// Parallel: no row of this block, or of one that is read later, is earlier.
    least_ns: Vec<u64>,
    /// In order, the next one last.
    pending: Vec<T>,
}

impl<T: Row> InOrder<T> {
    pub(super) fn new(mut blocks: Vec<Head<T>>) -> Self {
        blocks.reverse();
        let mut least_ns = u64::MAX;
        let least = |block: &Head<T>| {
            least_ns = least_ns.min(block.least_ns);
            least_ns
        };
        Self { least_ns: blocks.iter().map(least).collect(), blocks, pending: Vec::new() }
    }

    /// Takes blocks until the first row that waits is the next one of all.
    fn fill(&mut self) {
        let mut first_ns = self.pending.last().map(T::at_ns);
        // An equal one in a later block comes later.
        let is_next =
            |first_ns: Option<u64>, least_ns: u64| first_ns.is_some_and(|first_ns| first_ns <= least_ns);
        if self.least_ns.last().is_none_or(|&least_ns| is_next(first_ns, least_ns)) {
            return;
        }
        let mut read: Vec<T> = Vec::new();
        while let Some(&least_ns) = self.least_ns.last()
            // As many as wait at least: what waits is put in order anew.
            && (!is_next(first_ns, least_ns) || read.len() < self.pending.len())
            && let Some(Head { rows, first, block, .. }) = self.blocks.pop()
        {
            self.least_ns.pop();
            let rows = block.unpack(first, rows);
            first_ns = rows.iter().map(T::at_ns).chain(first_ns).min();
            read.extend(rows);
        }
        // The last comes first, of equal ones too: they keep their order.
        read.reverse();
        read.append(&mut self.pending);
        read.sort_by_key(|row| Reverse(row.at_ns()));
        self.pending = read;
    }
}

impl<T: Row> Iterator for InOrder<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.fill();
        self.pending.pop()
    }
}
