//! Progress records in time order. Rings are per CPU or raced for: a record may come up to one watermark later
//! than a younger one.

use capture::Progress;

/// Cumulative peer payload of a process at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    pub at_ns: u64,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
}

/// Holds records until a watermark tells that no older one comes: as many as there are between two watermarks.
#[derive(Debug, Default)]
pub(super) struct Reorder {
    held: Vec<Progress>,
    watermark_ns: u64,
    /// Records that came after the watermark that closed their time. They are not used.
    pub late: u64,
}

/// A record that is out of order belongs a few places in front of the end, as a rule. Farther ones are sorted in
/// later: moving many records for each would take quadratic time.
const NEAR: usize = 16;

impl Reorder {
    pub fn add(&mut self, progress: Progress) {
        if progress.at_ns <= self.watermark_ns {
            self.late += 1;
        } else {
            let younger = self.held.iter().rev().take(NEAR).take_while(|held| held.at_ns > progress.at_ns);
            let place = self.held.len() - younger.count();
            self.held.insert(place, progress);
        }
    }

    /// Gives the records up to the watermark to `take`, oldest first; equal times keep their order.
    pub fn release(&mut self, watermark_ns: u64, mut take: impl FnMut(&Progress)) {
        if !self.held.is_sorted_by_key(|progress| progress.at_ns) {
            self.held.sort_by_key(|progress| progress.at_ns);
        }
        let ready = self.held.partition_point(|progress| progress.at_ns <= watermark_ns);
        self.held.drain(..ready).for_each(|progress| take(&progress));
        self.watermark_ns = self.watermark_ns.max(watermark_ns);
    }
}

impl Point {
    /// The point after this one. The probe reads the clock before it adds, so two CPUs can hand over counts in
    /// another order than their times: a count never goes back.
    pub(super) fn then(self, next: Point) -> Point {
        Point {
            at_ns: next.at_ns,
            rx_bytes: next.rx_bytes.max(self.rx_bytes),
            tx_bytes: next.tx_bytes.max(self.tx_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use capture::ProcessSerial;

    /// `arrivals` are times; `|` is a watermark at the time that follows it.
    #[track_caller]
    fn check(what: &str, arrivals: &str, order: &[u64], late: u64) {
        let mut reorder = Reorder::default();
        let mut got = Vec::new();
        let mut words = arrivals.split_whitespace();
        while let Some(word) = words.next() {
            if word == "|" {
                let watermark = words.next().and_then(|time| time.parse().ok()).expect("a time follows |");
                reorder.release(watermark, |progress| got.push(progress.at_ns));
            } else {
                reorder.add(at(word.parse().expect("a time")));
            }
        }
        reorder.release(u64::MAX, |progress| got.push(progress.at_ns));
        assert_eq!((got.as_slice(), reorder.late), (order, late), "{what}");
    }

    #[test]
    fn a_record_far_out_of_place_is_sorted_in_too() {
        let late_by = 3 * NEAR as u64;
        let arrivals: Vec<_> = (2..=late_by).chain([1]).map(|time| time.to_string()).collect();
        check("many places", &arrivals.join(" "), &(1..=late_by).collect::<Vec<_>>(), 0);
    }

    #[test]
    fn equal_times_keep_their_order() {
        let mut reorder = Reorder::default();
        (1..=3).for_each(|tid| reorder.add(Progress { tid, ..at(5) }));
        let mut got = Vec::new();
        reorder.release(5, |progress| got.push(progress.tid));
        assert_eq!(got, [1, 2, 3]);
    }

    fn at(at_ns: u64) -> Progress {
        Progress { at_ns, process: ProcessSerial(1), cookie: 0, tid: 0, rx_bytes: 0, tx_bytes: 0 }
    }

    #[test]
    fn records_come_out_in_time_order() {
        check("in order", "1 2 3 | 3 4 5 | 5", &[1, 2, 3, 4, 5], 0);
        check("swapped between two watermarks", "2 1 3 | 3 5 4 | 5", &[1, 2, 3, 4, 5], 0);
        check("younger than the watermark is held", "1 4 | 2 3 | 5", &[1, 3, 4], 0);
        check("no watermark at all", "3 1 2", &[1, 2, 3], 0);
        check("after its watermark is late", "1 5 | 5 4 6 | 6", &[1, 5, 6], 1);
        check("at its watermark is late", "1 | 5 5 6", &[1, 6], 1);
        check("a watermark that goes back opens nothing", "1 | 5 | 2 4 6", &[1, 6], 1);
    }

    #[test]
    fn counts_never_go_back() {
        let earlier = Point { at_ns: 1, rx_bytes: 10, tx_bytes: 3 };
        let later = Point { at_ns: 2, rx_bytes: 9, tx_bytes: 4 };
        assert_eq!(earlier.then(later), Point { at_ns: 2, rx_bytes: 10, tx_bytes: 4 });
    }
}
