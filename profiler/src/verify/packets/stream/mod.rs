//! One direction of one TCP connection: which bytes of its sequence were seen, and how often.
//!
//! Memory is bounded: of the ranges that are apart from each other only the newest are kept.

use super::headers::{Segment, Tcp};

/// Ranges that a stream keeps apart. A receive window of 64 KiB segments with every other one lost has fewer.
pub const RANGE_LIMIT: usize = 1024;

/// Payload, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// The sequence number that offset 0 stands for: the first byte after SYN, or the first that was seen.
    origin: Option<u32>,
    /// Past the newest byte that was seen, as an offset.
    newest: i64,
    /// Offsets that were seen, in order, apart from each other.
    seen: Vec<(i64, i64)>,
    /// The offset of the first byte: 0 with SYN, otherwise of the first that was seen. `None` before any.
    begin: Option<i64>,
    /// Where FIN says that the stream ends.
    end: Option<i64>,
    unique_bytes: u64,
    pub again_bytes: u64,
    pub late_bytes: u64,
    pub syn: bool,
    pub rst: bool,
}

impl Stream {
    /// Seen at least once.
    pub fn unique_bytes(&self) -> u64 {
        self.unique_bytes
    }

    /// Not seen, though later bytes were, or FIN: the packet capture lost them.
    pub fn missing_bytes(&self) -> u64 {
        let end = self.end.map_or(self.newest, |end| end.max(self.newest));
        let bytes = self.begin.map_or(0, |begin| (end - begin).max(0) as u64);
        bytes.saturating_sub(self.unique_bytes)
    }

    pub fn has_fin(&self) -> bool {
        self.end.is_some()
    }

    /// Whether a SYN with this sequence number begins another connection with the same addresses.
    pub fn is_another(&self, tcp: &Tcp) -> bool {
        let first = tcp.sequence.wrapping_add(1);
        tcp.syn && self.origin.is_some_and(|origin| !(self.syn && origin == first))
    }

    /// Whether all of a segment was seen; `None` if it has neither SYN nor payload.
    pub fn saw(&self, segment: &Segment, tcp: &Tcp) -> Option<bool> {
        let first = tcp.sequence.wrapping_add(u32::from(tcp.syn));
        if tcp.syn {
            return Some(self.syn && self.origin == Some(first));
        }
        let (from, to) = self.offsets(first, segment.payload_bytes, self.origin?);
        (to > from).then(|| self.seen.iter().any(|seen| seen.0 <= from && to <= seen.1))
    }

    /// How many ranges are kept.
    pub fn ranges(&self) -> usize {
        self.seen.len()
    }

    /// Adds a segment; keeps no more than `range_limit` ranges (at least 1).
    #[inline]
    pub fn add(&mut self, segment: &Segment, tcp: &Tcp, range_limit: usize) {
        // RST may carry a text that is no payload (RFC 9293, 3.5.3).
        if tcp.rst {
            self.rst = true;
            return;
        }
        let first = tcp.sequence.wrapping_add(u32::from(tcp.syn));
        if tcp.syn {
            self.syn = true;
            self.begin = Some(0);
        }
        let origin = *self.origin.get_or_insert(first);
        let (from, to) = self.offsets(first, segment.payload_bytes, origin);
        if tcp.fin {
            self.end = Some(to);
        }
        if to > from {
            self.cover(from, to);
            if !self.syn {
                self.begin = Some(self.begin.map_or(from, |begin| begin.min(from)));
            }
            while self.seen.len() > range_limit.max(1) {
                // The oldest gap counts as missing, and what may still fill it as seen.
                let (from, _) = self.seen.remove(0);
                self.seen[0].0 = from;
            }
        }
    }

    /// Sequence numbers wrap; what is meant is never further than half the numbers from the newest.
    fn offsets(&self, first: u32, bytes: u32, origin: u32) -> (i64, i64) {
        let newest = origin.wrapping_add(self.newest as u32);
        let from = self.newest + i64::from(first.wrapping_sub(newest) as i32);
        (from, from + i64::from(bytes))
    }

    fn cover(&mut self, from: i64, to: i64) {
        match self.seen.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            None => self.seen.push((from, to)),
            Some(last) if last.1 < from => self.seen.push((from, to)),
            Some(_) => {
                let new_bytes = self.insert(from, to);
                self.again_bytes += (to - from) as u64 - new_bytes;
                self.unique_bytes += new_bytes;
                let ahead_bytes = (to - self.newest.max(from)).max(0) as u64;
                self.late_bytes += new_bytes.saturating_sub(ahead_bytes);
                self.newest = self.newest.max(to);
                return;
            }
        }
        self.unique_bytes += (to - from) as u64;
        self.newest = to;
    }

    /// Merges a range that begins before the last one's end; gives the bytes that were not there.
    fn insert(&mut self, from: i64, to: i64) -> u64 {
        let low = self.seen.partition_point(|range| range.1 < from);
        let high = self.seen.partition_point(|range| range.0 <= to);
        let touched = &self.seen[low..high];
        let before_bytes: i64 = touched.iter().map(|range| range.1 - range.0).sum();
        let merged_from = touched.first().map_or(from, |range| range.0.min(from));
        let merged_to = touched.last().map_or(to, |range| range.1.max(to));
        self.seen.splice(low..high, [(merged_from, merged_to)]);
        (merged_to - merged_from - before_bytes) as u64
    }
}

#[cfg(test)]
mod tests;
