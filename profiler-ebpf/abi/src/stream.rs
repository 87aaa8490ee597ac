//! TCP sockets with so many calls that counters alone look at few of them: what the others moved is told by TCP's own sequence
//! numbers.

use crate::{Plain, sockets::SocketKey};

/// One element of `STREAMS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Stream {
    /// Where its `struct sock` is; 0: the element is nobody's.
    pub sk: u64,
    /// The kernel's own cookie, by which it is known whether that is still the same socket; 0: no call may be left out.
    pub cookie: u64,
    /// Whose it is. Its element of `SOCKET_USES` is this one as long as it has this key.
    pub key: SocketKey,
    pub used: u32,
    pub tgid: u32,
    /// The thread that made the calls as they became many.
    pub tid: u32,
    /// 1: another process uses the socket, too, and each call is looked at.
    pub shared: u32,
    /// How far its bytes are counted: a sequence number, and above its 32 bits [`BEGUN`], [`CLOSED`] and [`SEALED`].
    pub received: u64,
    pub sent: u64,
}

// SAFETY: plain integers without padding.
unsafe impl Plain for Stream {}

const _: () = assert!(size_of::<Stream>() == 64);

/// Elements of `STREAMS`. Element 0 is nobody's; of sockets that find no place each call is looked at.
pub const STREAM_SLOTS: u32 = 64;

/// Bytes are counted by sequence numbers, and no more by results of calls.
pub const BEGUN: u64 = 1 << 32;
/// The connection is closed: `copied_seq` is set anew then, and only calls that return know what they took.
pub const CLOSED: u64 = 1 << 33;
/// FIN follows, which has a place in the sequence, and is no byte.
pub const SEALED: u64 = 1 << 34;

/// How many bytes a sequence number is ahead of what is counted: another CPU may have counted more meanwhile.
#[inline(always)]
pub const fn ahead(counted: u64, sequence: u32) -> u32 {
    let ahead = sequence.wrapping_sub(counted as u32);
    if ahead < 1 << 31 { ahead } else { 0 }
}

/// The calls of the thread that is on a CPU, one way.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Calls {
    /// The kernel's cookie of the socket whose call was looked at last.
    pub cookie: u64,
    /// The tick of the kernel in which calls on it need no look; 0: each needs one.
    pub jiffies: u64,
    /// Calls since, which are in no count yet.
    pub unseen: u64,
    /// Monotonic ns of the call that was looked at.
    pub at_ns: u64,
    /// How many calls that were looked at followed each other closely.
    pub close: u32,
    /// The element of `STREAMS`.
    pub stream: u32,
}

/// One for each way, on each CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamCalls {
    pub received: Calls,
    pub sent: Calls,
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for StreamCalls {}

const _: () = assert!(size_of::<StreamCalls>() == 2 * 40);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_number_is_ahead_or_was_counted_already() {
        let check = |counted, sequence, expected| assert_eq!(ahead(counted, sequence), expected);
        check(BEGUN | 5, 5, 0);
        check(BEGUN | 5, 12, 7);
        check(BEGUN | 12, 5, 0);
        check(BEGUN | u64::from(u32::MAX), 6, 7);
        check(BEGUN | CLOSED | 6, u32::MAX, 0);
        check(BEGUN, (1 << 31) - 1, (1 << 31) - 1);
    }
}
