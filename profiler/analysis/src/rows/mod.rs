//! Long lists of records in little memory: packed in blocks, and beyond a limit in a temporary file.
//!
//! A list is written once, row by row, and read from anywhere. What was read last stays unpacked for a while ([`cache`]), so
//! that those who walk through a list unpack each block once.

mod block;
mod cache;
mod codec;
mod near;
mod order;
mod unreadable;

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use block::Block;
pub use codec::Codec;
pub use order::InOrder;
pub use unreadable::reading;

/// What a list can be of.
pub trait Row: Copy + Send + Sync + 'static {
    /// What rows are ordered by, monotonic ns.
    fn at_ns(&self) -> u64;

    /// Names every field to a codec.
    fn code(&mut self, before: &Self, codec: &mut impl Codec);
}

/// Rows of a block: what is unpacked at once.
const BLOCK_ROWS: usize = 128;

/// A list of records.
pub struct Rows<T> {
    /// Names its blocks in the cache.
    id: u64,
    sealed: Vec<Head<T>>,
    sealed_rows: usize,
    /// Not packed yet.
    open: Vec<T>,
}

/// A packed block. The first row is as it was, so that a list is searched without unpacking.
#[derive(Clone)]
struct Head<T> {
    /// Place of its first row.
    start: usize,
    rows: usize,
    first: T,
    /// The least time of any row.
    least_ns: u64,
    block: Arc<Block>,
}

impl<T: Row> Head<T> {
    /// `first` is the first of the rows.
    fn pack(start: usize, first: T, rows: &[T]) -> Self {
        let least_ns = rows.iter().map(T::at_ns).min().unwrap_or_default();
        Self { start, rows: rows.len(), first, least_ns, block: Arc::new(Block::pack(rows)) }
    }
}

fn next_id() -> u64 {
    static LISTS: AtomicU64 = AtomicU64::new(0);
    LISTS.fetch_add(1, Ordering::Relaxed)
}

impl<T: Row> Rows<T> {
    pub fn push(&mut self, row: T) {
        self.open.push(row);
        if self.open.len() == BLOCK_ROWS {
            self.seal();
        }
    }

    /// Changes the first row, if there is one.
    pub fn change_first(&mut self, change: impl FnOnce(&mut T)) {
        let Some(head) = self.sealed.first_mut() else {
            return if let Some(first) = self.open.first_mut() {
                change(first)
            };
        };
        let mut rows = head.block.unpack(head.first, head.rows);
        change(&mut rows[0]);
        *head = Head::pack(0, rows[0], &rows);
        self.id = next_id();
    }

    /// Packs what is not packed yet, unless that is too little for a block.
    pub fn seal_some(&mut self) {
        if self.open.len() >= BLOCK_ROWS / 4 {
            self.seal();
        }
    }

    fn seal(&mut self) {
        if let Some(&first) = self.open.first() {
            self.sealed.push(Head::pack(self.sealed_rows, first, &self.open));
            self.sealed_rows += self.open.len();
            self.open = Vec::new();
        }
    }

    pub fn len(&self) -> usize {
        self.sealed_rows + self.open.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The row at a place, which must be one of the list's.
    pub fn at(&self, place: usize) -> T {
        self.look_at(place, |row| *row)
    }

    /// The same, where little of it is wanted.
    pub fn look_at<R>(&self, place: usize, look: impl FnOnce(&T) -> R) -> R {
        if place >= self.sealed_rows {
            return look(&self.open[place - self.sealed_rows]);
        }
        let mut look = Some(look);
        let near = near::look(self.id, |start, rows: &[T]| {
            let row = rows.get(place.checked_sub(start)?)?;
            look.take().map(|look| look(row))
        });
        if let Some(found) = near {
            return found;
        }
        let look = look.expect("nothing was looked at");
        let head = self.head_of(place);
        let Head { start, first, .. } = &self.sealed[head];
        if place == *start { look(first) } else { look(&self.fetch(head)[place - start]) }
    }

    pub fn last(&self) -> Option<T> {
        self.len().checked_sub(1).map(|place| self.at(place))
    }

    /// How many rows come before the first for which `is_before` is false; all of those come first.
    pub fn partition_point(&self, is_before: impl Fn(&T) -> bool) -> usize {
        if self.open.first().is_some_and(&is_before) {
            return self.sealed_rows + self.open.partition_point(is_before);
        }
        let near = near::look(self.id, |start, rows: &[T]| {
            let is_here = is_before(rows.first()?) && !is_before(rows.last()?);
            is_here.then(|| start + rows.partition_point(&is_before))
        });
        if let Some(before) = near {
            return before;
        }
        let heads = self.sealed.partition_point(|head| is_before(&head.first));
        let Some(last) = heads.checked_sub(1) else { return 0 };
        self.sealed[last].start + self.block(last).partition_point(is_before)
    }

    pub fn iter(&self) -> Iter<'_, T> {
        self.range(0..self.len())
    }

    /// The rows at these places, as far as there are any.
    pub fn range(&self, Range { start, end }: Range<usize>) -> Iter<'_, T> {
        let end = end.min(self.len());
        Iter { rows: self, next: start.min(end), end, front: None, back: None }
    }

    /// The rows from a place on.
    pub fn from(&self, place: usize) -> Iter<'_, T> {
        self.range(place..self.len())
    }

    /// The rows ordered by their times; of equal ones the earlier in the list comes first. Blocks are given up as they are read.
    /// Memory grows with how far a row is out of place.
    pub fn into_order(mut self) -> InOrder<T> {
        self.seal();
        InOrder::new(std::mem::take(&mut self.sealed))
    }

    fn head_of(&self, place: usize) -> usize {
        self.sealed.partition_point(|head| head.start <= place) - 1
    }

    fn block(&self, head: usize) -> Arc<Vec<T>> {
        near::block(self.id, self.sealed[head].start).unwrap_or_else(|| self.fetch(head))
    }

    /// Of one that was not read last.
    fn fetch(&self, head: usize) -> Arc<Vec<T>> {
        let Head { first, rows, block, start, .. } = &self.sealed[head];
        let rows = cache::get(self.id, head, || block.unpack(*first, *rows));
        near::hold(self.id, *start, Arc::clone(&rows));
        rows
    }
}

/// Reads a list, from both ends.
pub struct Iter<'r, T> {
    rows: &'r Rows<T>,
    next: usize,
    end: usize,
    front: Option<Unpacked<T>>,
    back: Option<Unpacked<T>>,
}

impl<T> Clone for Iter<'_, T> {
    fn clone(&self) -> Self {
        Self { front: None, back: None, ..*self }
    }
}

struct Unpacked<T> {
    start: usize,
    rows: Arc<Vec<T>>,
}

impl<T: Row> Iter<'_, T> {
    fn read(rows: &Rows<T>, unpacked: &mut Option<Unpacked<T>>, place: usize) -> T {
        if place >= rows.sealed_rows {
            return rows.open[place - rows.sealed_rows];
        }
        if let Some(Unpacked { start, rows }) = unpacked
            && let Some(row) = place.checked_sub(*start).and_then(|place| rows.get(place))
        {
            return *row;
        }
        let head = rows.head_of(place);
        let start = rows.sealed[head].start;
        let block = rows.block(head);
        let row = block[place - start];
        *unpacked = Some(Unpacked { start, rows: block });
        row
    }
}

impl<T: Row> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        (self.next < self.end).then(|| {
            let row = Self::read(self.rows, &mut self.front, self.next);
            self.next += 1;
            row
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end - self.next;
        (left, Some(left))
    }
}

impl<T: Row> DoubleEndedIterator for Iter<'_, T> {
    fn next_back(&mut self) -> Option<T> {
        (self.next < self.end).then(|| {
            self.end -= 1;
            Self::read(self.rows, &mut self.back, self.end)
        })
    }
}

impl<T: Row> ExactSizeIterator for Iter<'_, T> {}

impl<'r, T: Row> IntoIterator for &'r Rows<T> {
    type Item = T;
    type IntoIter = Iter<'r, T>;

    fn into_iter(self) -> Iter<'r, T> {
        self.iter()
    }
}

impl<T: Row> Extend<T> for Rows<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, rows: I) {
        rows.into_iter().for_each(|row| self.push(row));
    }
}

impl<T: Row> FromIterator<T> for Rows<T> {
    fn from_iter<I: IntoIterator<Item = T>>(rows: I) -> Self {
        let mut list = Self::default();
        list.extend(rows);
        list
    }
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { id: next_id(), sealed: Vec::new(), sealed_rows: 0, open: Vec::new() }
    }
}

/// The blocks are shared.
impl<T: Clone> Clone for Rows<T> {
    fn clone(&self) -> Self {
        Self {
            id: next_id(),
            sealed: self.sealed.clone(),
            sealed_rows: self.sealed_rows,
            open: self.open.clone(),
        }
    }
}

impl<T: Row + PartialEq> PartialEq for Rows<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl<T: Row + fmt::Debug> fmt::Debug for Rows<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

#[cfg(test)]
mod tests;
