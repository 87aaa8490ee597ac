//! What each wait of a thread was for, by itself, and which waits have to be asked what ended them.
//!
//! Those are *idle* ones, which may have been for anything (multiplexers, sleeps, waits for another thread, blocking
//! receives), and waits for room to send, which are for the peer's reader or the link. Waits for one certain thing of the
//! thread's own (disk, lock, memory) are not.

use crate::attribution::{
    calls,
    cause::{self, Cause},
    futex::FutexWaits,
    observed::threads::{Thread, Threads},
};

/// The waits of one thread.
#[derive(Debug)]
pub struct Waits {
    /// Parallel to its spans; None where it did not block.
    pub causes: Vec<Option<Cause>>,
    /// Spans to be asked, in order.
    asked: Vec<u32>,
}

/// Judges every wait of the capture, in linear time; parallel to the threads.
pub fn judge(threads: &Threads, futexes: &FutexWaits) -> Vec<Waits> {
    threads.all.iter().map(|thread| judge_thread(thread, futexes)).collect()
}

fn judge_thread(thread: &Thread, futexes: &FutexWaits) -> Waits {
    let causes: Vec<Option<Cause>> = thread.spans.iter().map(|span| cause::of(span, futexes)).collect();
    let is_asked = |span: &u32| match causes[*span as usize] {
        Some(Cause::Network | Cause::Timer | Cause::Thread { .. }) => true,
        Some(Cause::Disk | Cause::OutsideWaker | Cause::Never | Cause::Unknown) => {
            calls::is_multiplexer(thread.spans[*span as usize].doing.syscall)
        }
        Some(Cause::Lock { .. } | Cause::Memory) | None => false,
    };
    let asked = (0..causes.len() as u32).filter(is_asked).collect();
    Waits { causes, asked }
}

impl Waits {
    /// The last wait to be asked among the first `spans` of the thread.
    pub fn asked_before(&self, spans: usize) -> Option<usize> {
        let place = self.asked.partition_point(|&asked| (asked as usize) < spans);
        place.checked_sub(1).map(|place| self.asked[place] as usize)
    }

    /// The waits to be asked from a span on.
    pub fn asked_from(&self, span: usize) -> impl Iterator<Item = usize> {
        let place = self.asked.partition_point(|&asked| (asked as usize) < span);
        self.asked[place..].iter().map(|&asked| asked as usize)
    }
}
