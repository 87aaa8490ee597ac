//! Sockets: who talks to whom, and how many payload bytes each process moved over each of them.

use crate::Plain;

/// A process's use of a socket. A socket that is inherited or passed to another process has an element of
/// `SOCKET_USES` for each.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SocketKey {
    /// `sock_gen_cookie`: unique for the life of the host, while `struct sock` pointers are reused. Above its bits, how often
    /// the socket was connected to another peer before: see [`with_turn`].
    pub cookie: u64,
    /// [`Process::serial`](super::target::Process::serial)
    pub process: u64,
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for SocketKey {}

/// Bits of a kernel's cookie that are used: it hands them out one after the other, from 1 up, and from the top down where it
/// is interrupted as it does (`gen_cookie_next`, 6.18).
const COOKIE_BITS: u32 = 44;

/// No socket is connected so often that more would matter; and the last one stands for all that come.
const LAST_TURN: u32 = (1 << (u64::BITS - COOKIE_BITS)) - 1;

/// A datagram socket that was connected so often is one without a peer from then on: some are connected for each datagram.
pub const ANYBODYS_TURN: u32 = 256;

/// What a socket is known by that is connected for the turn-th time, from 0: with each peer it is another one.
#[inline(always)]
pub const fn with_turn(cookie: u64, turn: u32) -> u64 {
    let turn = if turn < LAST_TURN { turn } else { LAST_TURN };
    without_turn(cookie) | (turn as u64) << COOKIE_BITS
}

/// What a socket is known by with its first peer: those bits of the kernel's cookie that are used.
#[inline(always)]
pub const fn without_turn(cookie: u64) -> u64 {
    cookie & ((1 << COOKIE_BITS) - 1)
}

/// For the how-manieth time it is connected, from 0.
#[inline(always)]
pub const fn turn_of(cookie: u64) -> u32 {
    (cookie >> COOKIE_BITS) as u32
}

/// Payload that one process moved over one socket.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SocketBytes {
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_calls: u64,
    pub tx_calls: u64,
    /// When the earliest of the calls returned, and the latest: two CPUs may count theirs in the other order.
    pub first_ns: u64,
    pub last_ns: u64,
    /// 1 if a port of the socket is one of `CONTROL_PORTS`.
    pub control: u8,
    pub _pad: [u8; 7],
}

const _: () = assert!(size_of::<SocketBytes>() == 56);

impl SocketBytes {
    /// What no call has added to yet.
    pub const fn new(control: bool) -> Self {
        Self {
            rx_bytes: 0,
            tx_bytes: 0,
            rx_calls: 0,
            tx_calls: 0,
            first_ns: u64::MAX,
            last_ns: 0,
            control: control as u8,
            _pad: [0; 7],
        }
    }

    /// Whether a call is in it as a whole. The first adds to one field after the other, while others read.
    pub const fn is_counted(&self) -> bool {
        self.rx_calls + self.tx_calls > 0 && self.first_ns <= self.last_ns
    }
}

/// One element of `SOCKET_USES`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SocketUse {
    /// Without a cookie it is free.
    pub key: SocketKey,
    pub bytes: SocketBytes,
    /// Whom the socket is connected to: see `probes/connections.rs`.
    pub peer: u64,
    /// Its element of `STREAMS`, 0 without.
    pub stream: u64,
    /// Counters alone: the thread whose call was looked at last, of receives and of sends.
    pub receiver_tid: u32,
    pub sender_tid: u32,
    /// Two cache lines: the two ends of a loopback connection must not write to the same one.
    pub _pad: [u64; 4],
}

const _: () = assert!(size_of::<SocketUse>() == 128);

/// Uses of sockets that can be counted at one time. Element 0 is nobody's.
pub const SOCKET_USE_SLOTS: u32 = 16384;

/// Slots of `LAST_USE`: a power of two. Uses with the same one are looked up by a hash, in turn.
pub const LAST_USES: u32 = 4 * SOCKET_USE_SLOTS;

/// A socket that a target used: its ends and, for TCP, its life. Addresses are in network byte order; an
/// IPv4 address stands in the first four bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Socket {
    /// Monotonic ns of ESTABLISHED; 0 if that was before the recording, or for UDP.
    pub established_ns: u64,
    /// Monotonic ns of the kernel's release of the socket, or of its next connection; 0 while it lives. UDP has no tracepoint
    /// of its release.
    pub closed_ns: u64,
    pub retransmits: u64,
    /// The kernel's own `tcp_sock` totals, read when the socket is released.
    pub tcp_bytes_received: u64,
    pub tcp_bytes_sent: u64,
    pub tcp_bytes_acked: u64,
    pub tcp_bytes_retransmitted: u64,
    /// TCP: what readers had taken of the stream before the first call that is counted.
    pub read_before_bytes: u64,
    /// TCP: what readers had taken of the stream when it was released, by whatever call.
    pub read_bytes: u64,
    /// The process that used the socket first.
    pub process: u64,
    pub netns: u32,
    pub family: u16,
    pub protocol: u16,
    pub local_port: u16,
    pub peer_port: u16,
    /// By how many processes calls have moved bytes over it.
    pub used: u32,
    pub local: [u8; 16],
    pub peer: [u8; 16],
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for Socket {}

const _: () = assert!(size_of::<Socket>() == 128);

pub const AF_INET: u16 = 2;
pub const AF_INET6: u16 = 10;
pub const IPPROTO_TCP: u16 = 6;
pub const IPPROTO_UDP: u16 = 17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_stands_above_the_cookie() {
        assert_eq!((with_turn(5, 0), without_turn(5)), (5, 5));
        assert_eq!((with_turn(5, 3), without_turn(with_turn(5, 3))), (3 << 44 | 5, 5));
        assert_eq!((turn_of(5), turn_of(with_turn(5, 3))), (0, 3));
        assert_eq!(turn_of(with_turn(5, u32::MAX)), (1 << 20) - 1);
    }

    #[test]
    fn a_cookie_from_the_top_is_known_in_each_turn() {
        // The first that is handed out in a nested context.
        let known = without_turn(u64::MAX);
        assert_eq!((known, with_turn(u64::MAX, 0)), ((1 << 44) - 1, known));
        assert_eq!((without_turn(with_turn(known, 3)), turn_of(with_turn(known, 3))), (known, 3));
    }

    #[test]
    fn a_first_call_is_counted_when_all_of_it_is_there() {
        let check = |bytes: SocketBytes, expected| assert_eq!(bytes.is_counted(), expected, "{bytes:?}");
        let new = SocketBytes::new(false);
        check(new, false);
        check(SocketBytes { tx_bytes: 7, tx_calls: 1, ..new }, false);
        check(SocketBytes { tx_bytes: 7, tx_calls: 1, first_ns: 5, ..new }, false);
        check(SocketBytes { tx_bytes: 7, tx_calls: 1, last_ns: 5, ..new }, false);
        check(SocketBytes { tx_bytes: 7, first_ns: 5, last_ns: 5, ..new }, false);
        check(SocketBytes { tx_bytes: 7, tx_calls: 1, first_ns: 5, last_ns: 5, ..new }, true);
        check(SocketBytes { rx_bytes: 7, rx_calls: 1, first_ns: 5, last_ns: 6, ..new }, true);
        // Given back.
        check(SocketBytes::default(), false);
    }
}
