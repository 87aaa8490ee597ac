//! TCP sequence numbers of one socket over time, without their wrap-around at 4 GiB.
//!
//! A number is compared with its neighbours in time only: two ends of a connection need no common start, as
//! long as fewer than 2 GiB are under way.

/// Sequence numbers "up to here, at this time"; they never decrease.
#[derive(Debug, Default)]
pub struct Sequences {
    marks: Vec<Mark>,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    at_ns: u64,
    sequence: u64,
}

impl Sequences {
    /// From marks in order of time.
    pub fn from_marks(marks: impl IntoIterator<Item = (u64, u32)>) -> Self {
        let mut unwrapped: Vec<Mark> = Vec::new();
        for (at_ns, wrapped) in marks {
            // 1 << 32: room for a first step backwards.
            let last = unwrapped.last().map_or(u64::from(wrapped) | 1 << 32, |mark| mark.sequence);
            unwrapped.push(Mark { at_ns, sequence: near(last, wrapped).max(last) });
        }
        Self { marks: unwrapped }
    }

    /// The first mark that lies past the byte `sequence`, which was seen at about `at_ns`.
    pub fn first_past(&self, sequence: u32, at_ns: u64) -> Option<usize> {
        let reference = self.marks.get(self.marks_until(at_ns).saturating_sub(1))?;
        let byte = near(reference.sequence, sequence);
        let past = self.marks.partition_point(|mark| mark.sequence <= byte);
        (past < self.marks.len()).then_some(past)
    }

    pub fn at_ns(&self, mark: usize) -> u64 {
        self.marks[mark].at_ns
    }

    /// What had been reached at `at_ns`.
    pub fn reached(&self, at_ns: u64) -> Option<u32> {
        let last = self.marks_until(at_ns).checked_sub(1)?;
        Some(self.marks[last].sequence as u32)
    }

    /// The last mark at or before `at_ns`.
    pub fn last_until(&self, at_ns: u64) -> Option<usize> {
        self.marks_until(at_ns).checked_sub(1)
    }

    fn marks_until(&self, at_ns: u64) -> usize {
        self.marks.partition_point(|mark| mark.at_ns <= at_ns)
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

    #[test]
    fn a_byte_is_found_across_the_wrap() {
        let sends = Sequences::from_marks([(10, 0xffff_ff00), (20, 0x100), (30, 0x300)]);
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
        let sends = Sequences::from_marks([(10, 0xffff_ff00), (20, 0x100)]);
        let arrivals = Sequences::from_marks([(21, 0x100)]);
        assert_eq!(sends.first_past(0x50, 21), Some(1));
        assert_eq!(arrivals.first_past(0x50, 21), Some(0));
    }

    #[test]
    fn what_was_reached_holds_until_the_next_mark() {
        let arrivals = Sequences::from_marks([(10, 100), (20, 200)]);
        assert_eq!(
            [9, 10, 19, 20].map(|at_ns| arrivals.reached(at_ns)),
            [None, Some(100), Some(100), Some(200)]
        );
    }
}
