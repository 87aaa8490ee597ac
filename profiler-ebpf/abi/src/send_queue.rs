//! TCP's send-queue state: what a socket has sent, what not yet, and what it goes by. The daemon says what held it.

use super::event::{Event, Kind};

/// Fields of `struct tcp_sock` as they stood from `at_ns` on.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SendQueue {
    pub kind: u32,
    pub write_seq: u32,
    pub cookie: u64,
    /// Monotonic ns.
    pub at_ns: u64,
    /// When TCP last looked whether it may send, and until when it paces; monotonic ns.
    pub tcp_clock_cache: u64,
    pub tcp_wstamp_ns: u64,
    pub snd_nxt: u32,
    pub snd_una: u32,
    /// The last byte that went out in a small segment.
    pub snd_sml: u32,
    pub snd_wnd: u32,
    pub mss_cache: u32,
    /// In segments, like the next four.
    pub snd_cwnd: u32,
    pub packets_out: u32,
    pub sacked_out: u32,
    pub lost_out: u32,
    pub retrans_out: u32,
    /// `enum sk_pacing`.
    pub sk_pacing_status: u32,
    /// `TCP_NAGLE_OFF`, `TCP_NAGLE_CORK`, `TCP_NAGLE_PUSH`.
    pub nonagle: u32,
    /// 8 times the smoothed round trip time; 0 before the first one was measured.
    pub srtt_us: u32,
    pub _pad: u32,
}

const _: () = assert!(size_of::<SendQueue>() == 96);

// SAFETY: plain integers without padding, `kind` first.
unsafe impl Event for SendQueue {
    const KIND: Kind = Kind::SendQueue;
}

impl SendQueue {
    /// Written by the application and not yet handed to the link. Another sender may move both between the two readings, the
    /// second beyond the first: all was sent then.
    #[inline(always)]
    pub fn unsent_bytes(&self) -> u32 {
        not_negative(self.write_seq.wrapping_sub(self.snd_nxt))
    }

    /// Handed to the link, and not acknowledged.
    #[inline(always)]
    pub fn in_flight_bytes(&self) -> u32 {
        not_negative(self.snd_nxt.wrapping_sub(self.snd_una))
    }

    /// What the peer's window has room for. A window that shrank has room for nothing.
    #[inline(always)]
    pub fn window_bytes(&self) -> u32 {
        let end = self.snd_una.wrapping_add(self.snd_wnd);
        not_negative(end.wrapping_sub(self.snd_nxt))
    }

    /// As `tcp_packets_in_flight` (6.18) has it.
    #[inline(always)]
    pub fn packets_in_flight(&self) -> u32 {
        let left_out = self.sacked_out.wrapping_add(self.lost_out);
        not_negative(self.packets_out.wrapping_sub(left_out).wrapping_add(self.retrans_out))
    }
}

/// 0 for what is below 0 in 32 bits.
#[inline(always)]
fn not_negative(difference: u32) -> u32 {
    if (difference as i32) < 0 { 0 } else { difference }
}

/// While bytes are unsent for one and the same reason, TCP's send-queue state is recorded at most this often.
pub const SEND_QUEUE_INTERVAL_NS: u64 = 100_000;

/// While bytes are in flight and nothing is unsent, at most this often.
pub const IN_FLIGHT_INTERVAL_NS: u64 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields are read one after the other, while another CPU sends.
    #[test]
    fn what_moved_on_between_two_readings_is_nothing_and_not_the_whole_range() {
        let torn = SendQueue {
            write_seq: 100,
            snd_nxt: 300,
            snd_una: 400,
            packets_out: 1,
            sacked_out: 2,
            ..SendQueue::default()
        };
        assert_eq!((torn.unsent_bytes(), torn.in_flight_bytes(), torn.packets_in_flight()), (0, 0, 0));
        let wraps = SendQueue { write_seq: 50, snd_nxt: u32::MAX - 49, snd_una: u32::MAX - 99, ..torn };
        assert_eq!((wraps.unsent_bytes(), wraps.in_flight_bytes()), (100, 50));
    }
}
