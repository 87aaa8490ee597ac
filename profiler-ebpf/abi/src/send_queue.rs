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
}

const _: () = assert!(size_of::<SendQueue>() == 88);

// SAFETY: plain integers without padding, `kind` first.
unsafe impl Event for SendQueue {
    const KIND: Kind = Kind::SendQueue;
}

impl SendQueue {
    /// Written by the application and not yet handed to the link.
    #[inline(always)]
    pub fn unsent_bytes(&self) -> u32 {
        self.write_seq.wrapping_sub(self.snd_nxt)
    }

    /// What the peer's window has room for. A window that shrank has room for nothing.
    #[inline(always)]
    pub fn window_bytes(&self) -> u32 {
        let end = self.snd_una.wrapping_add(self.snd_wnd);
        let room = end.wrapping_sub(self.snd_nxt);
        if (room as i32) < 0 { 0 } else { room }
    }

    /// As `tcp_packets_in_flight` (6.18) has it.
    #[inline(always)]
    pub fn packets_in_flight(&self) -> u32 {
        self.packets_out
            .wrapping_sub(self.sacked_out.wrapping_add(self.lost_out))
            .wrapping_add(self.retrans_out)
    }
}

/// While bytes are unsent for one and the same reason, TCP's send-queue state is recorded at most this often.
pub const SEND_QUEUE_INTERVAL_NS: u64 = 100_000;
