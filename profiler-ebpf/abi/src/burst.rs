//! Calls that follow each other closely, counted without a look at anything but the socket.

use crate::Plain;

/// What a thread that stays on its CPU has moved over a TCP socket one way since its last call that was looked at. It has not been
/// added to any count yet.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Burst {
    /// The kernel's cookie; 0: the next call is looked at.
    pub cookie: u64,
    /// In calls that were not added to any count yet.
    pub bytes: u64,
    pub calls: u32,
    /// Calls that may still be taken.
    pub left: u32,
    /// Monotonic ns of the last call that was looked at.
    pub at_ns: u64,
    /// Monotonic ns of the last call whose time was asked, of these or the one that was looked at.
    pub timed_ns: u64,
    /// The kernel's ticks as the last call was looked at.
    pub jiffies: u64,
    /// How far apart the calls before the timed one were, on average.
    pub gap_ns: u64,
    /// Calls after the timed one, whether they were added to the counts meanwhile or not.
    pub since: u32,
    /// The thread's, and its process's.
    pub tid: u32,
    pub tgid: u32,
    /// [`HAS_COME`], [`LOOKED_ONCE`], or 0: the gap is as measured since the thread came to its CPU.
    pub gap_is_old: u32,
    /// As in a [`Payload`](super::payload::Payload), as of the last call.
    pub sequence: u32,
    pub arrived: u32,
    pub process: u64,
    /// The cookie with its turn.
    pub identity: u64,
}

/// One for each way, on each CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Bursts {
    pub received: Burst,
    pub sent: Burst,
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for Bursts {}

const _: () = assert!(size_of::<Bursts>() == 2 * 96);

impl Burst {
    /// When the last call returned, about: they go on as they began.
    #[inline(always)]
    pub const fn last_ns(&self, now_ns: u64) -> u64 {
        let last_ns = self.timed_ns + self.gap_ns * self.since as u64;
        if last_ns < now_ns { last_ns } else { now_ns }
    }
}

/// The thread has left its CPU since the gap was measured.
pub const HAS_COME: u32 = 2;
/// And one call was looked at since it came back: the next one's time is asked.
pub const LOOKED_ONCE: u32 = 1;

/// At most so many calls between two that are looked at.
pub const BURST_CALLS: u64 = 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_go_on_as_they_began_but_not_beyond_now() {
        let burst = Burst { timed_ns: 1_000, gap_ns: 50, since: 3, ..Burst::default() };
        assert_eq!((burst.last_ns(2_000), burst.last_ns(1_100)), (1_150, 1_100));
    }
}
