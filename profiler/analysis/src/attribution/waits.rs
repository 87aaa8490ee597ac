//! What each wait of a thread was for, by itself, and which waits have to be asked what ended them.
//!
//! Those are *idle* ones, which may have been for anything (multiplexers, sleeps, waits for another thread, blocking
//! receives), and waits for room to send, which are for the peer's reader or the link. Waits for one certain thing of the
//! thread's own (disk, lock, memory) are not.

use rayon::prelude::*;

use crate::attribution::{
    calls,
    cause::{self, Cause},
    futex::FutexWaits,
    observed::threads::{Thread, Threads},
};
use capture::span::Span;

/// The waits of one thread.
#[derive(Debug)]
pub struct Waits {
    /// A bit for each span: whether it is to be asked.
    asked: Vec<u64>,
}

/// Judges every wait of the capture, in linear time; parallel to the threads.
pub fn judge(threads: &Threads, futexes: &FutexWaits) -> Vec<Waits> {
    threads.all.par_iter().map(|thread| judge_thread(thread, futexes)).collect()
}

fn judge_thread(thread: &Thread, futexes: &FutexWaits) -> Waits {
    let mut asked = vec![0; thread.spans.len().div_ceil(64)];
    for (place, span) in thread.spans.iter().enumerate() {
        if is_asked(&span, futexes) {
            asked[place / 64] |= 1 << (place % 64);
        }
    }
    Waits { asked }
}

fn is_asked(span: &Span, futexes: &FutexWaits) -> bool {
    match cause::of(span, futexes) {
        Some(Cause::Network | Cause::Timer | Cause::Thread { .. }) => true,
        Some(Cause::Disk | Cause::OutsideWaker | Cause::Never | Cause::Unknown) => {
            calls::is_multiplexer(span.doing.syscall)
        }
        Some(Cause::Lock { .. } | Cause::Memory) | None => false,
    }
}

impl Waits {
    pub fn is_asked(&self, span: usize) -> bool {
        self.asked[span / 64] & (1 << (span % 64)) != 0
    }

    /// The last wait to be asked among the first `spans` of the thread.
    pub fn asked_before(&self, spans: usize) -> Option<usize> {
        let part = self.asked.get(spans / 64).map_or(0, |word| word & ((1 << (spans % 64)) - 1));
        let whole = self.asked.iter().take(spans / 64);
        let words = std::iter::once(&part).chain(whole.rev());
        let (back, word) = words.enumerate().find(|(_, word)| **word != 0)?;
        Some((spans / 64 - back) * 64 + word.ilog2() as usize)
    }

    /// The waits to be asked from a span on.
    pub fn asked_from(&self, span: usize) -> impl Iterator<Item = usize> {
        let words = self.asked.iter().enumerate().skip(span / 64);
        words.flat_map(move |(place, word)| {
            let mut left = if place == span / 64 { word & (!0 << (span % 64)) } else { *word };
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(place * 64 + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_found_from_both_sides() {
        let asked = [3, 63, 64, 200, 255];
        let mut words = vec![0; 4];
        asked.iter().for_each(|place| words[place / 64] |= 1 << (place % 64));
        let waits = Waits { asked: words };
        for spans in 0..=256 {
            let before = asked.iter().rev().find(|asked| **asked < spans).copied();
            assert_eq!(waits.asked_before(spans), before, "among the first {spans}");
            let from = asked.iter().filter(|asked| **asked >= spans).copied();
            assert!(waits.asked_from(spans).eq(from), "from {spans}");
        }
        assert_eq!(Waits { asked: Vec::new() }.asked_before(0), None);
    }
}
