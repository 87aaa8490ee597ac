//! TCP sequence numbers of one socket over time, without their wrap-around at 4 GiB.
//!
//! A number is compared with its neighbours in time only: two ends of a connection need no common start, as
//! long as fewer than 2 GiB are under way.

use crate::rows::{Codec, Row, Rows};

/// Sequence numbers "up to here, at this time"; they never decrease.
#[derive(Debug, Default)]
pub struct Sequences {
    marks: Rows<Mark>,
    last: u64,
    /// There was one without a number: then none of them says anything.
    is_void: bool,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    at_ns: u64,
    sequence: u64,
}

impl Sequences {
    /// Adds a mark, which must not be earlier than the one before.
    pub fn push(&mut self, at_ns: u64, wrapped: Option<u32>) {
        let Some(wrapped) = wrapped else {
            self.is_void = true;
            self.marks.push(Mark { at_ns, sequence: self.last });
            return;
        };
        // 1 << 32: room for a first step backwards.
        let last = if self.marks.is_empty() { u64::from(wrapped) | 1 << 32 } else { self.last };
        self.last = near(last, wrapped).max(last);
        self.marks.push(Mark { at_ns, sequence: self.last });
    }

    /// See [`Rows::seal_some`].
    pub fn seal(&mut self) {
        self.marks.seal_some();
    }

    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The first mark that lies past the byte `sequence`, which was seen at about `at_ns`.
    pub fn first_past(&self, sequence: u32, at_ns: u64) -> Option<usize> {
        let reference = self.is_numbered().then(|| self.marks.at(self.last_until(at_ns).unwrap_or(0)))?;
        let byte = near(reference.sequence, sequence);
        let past = self.marks.partition_point(|mark| mark.sequence <= byte);
        (past < self.marks.len()).then_some(past)
    }

    pub fn at_ns(&self, mark: usize) -> u64 {
        self.marks.at(mark).at_ns
    }

    /// What had been reached at `at_ns`.
    pub fn reached(&self, at_ns: u64) -> Option<u32> {
        let last = self.last_until(at_ns).filter(|_| self.is_numbered())?;
        Some(self.marks.at(last).sequence as u32)
    }

    /// The last mark at or before `at_ns`.
    pub fn last_until(&self, at_ns: u64) -> Option<usize> {
        self.marks_until(at_ns).checked_sub(1)
    }

    /// How many marks are at or before `at_ns`.
    pub fn marks_until(&self, at_ns: u64) -> usize {
        self.marks.partition_point(|mark| mark.at_ns <= at_ns)
    }

    fn is_numbered(&self) -> bool {
        !self.is_void && !self.marks.is_empty()
    }
}

impl Row for Mark {
    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn code(&mut self, before: &Self, codec: &mut impl Codec) {
        let Self { at_ns, sequence } = self;
        codec.step(at_ns, before.at_ns);
        codec.step(sequence, before.sequence);
    }
}

/// Whether the byte `sequence` lies before `bound`.
pub fn is_before(sequence: u32, bound: u32) -> bool {
    (bound.wrapping_sub(sequence) as i32) > 0
}

/// The unwrapped number next to `reference` that wraps to `wrapped`.
fn near(reference: u64, wrapped: u32) -> u64 {
    let step = wrapped.wrapping_sub(reference as u32) as i32;
    reference.saturating_add_signed(i64::from(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequences<const N: usize>(marks: [(u64, u32); N]) -> Sequences {
        let mut sequences = Sequences::default();
        marks.into_iter().for_each(|(at_ns, wrapped)| sequences.push(at_ns, Some(wrapped)));
        sequences
    }

    #[test]
    fn a_byte_is_found_across_the_wrap() {
        let sends = sequences([(10, 0xffff_ff00), (20, 0x100), (30, 0x300)]);
        let check = |byte, expected| assert_eq!(sends.first_past(byte, 25), expected, "{byte:#x}");
        check(0xffff_fe00, Some(0));
        check(0xffff_ff00, Some(1));
        check(0x0ff, Some(1));
        check(0x100, Some(2));
        check(0x300, None);
    }

    #[test]
    fn both_ends_may_have_seen_different_wraps() {
        // The receiver's first record is after the wrap, the sender's before it.
        let sends = sequences([(10, 0xffff_ff00), (20, 0x100)]);
        let arrivals = sequences([(21, 0x100)]);
        assert_eq!(sends.first_past(0x50, 21), Some(1));
        assert_eq!(arrivals.first_past(0x50, 21), Some(0));
    }

    #[test]
    fn what_was_reached_holds_until_the_next_mark() {
        let arrivals = sequences([(10, 100), (20, 200)]);
        assert_eq!(
            [9, 10, 19, 20].map(|at_ns| arrivals.reached(at_ns)),
            [None, Some(100), Some(100), Some(200)]
        );
    }

    #[test]
    fn one_without_a_number_leaves_only_times() {
        let mut arrivals = sequences([(10, 100), (20, 200)]);
        arrivals.push(30, None);
        assert_eq!((arrivals.first_past(150, 25), arrivals.reached(25)), (None, None));
        assert_eq!((arrivals.marks_until(25), arrivals.at_ns(1)), (2, 20));
    }
}
