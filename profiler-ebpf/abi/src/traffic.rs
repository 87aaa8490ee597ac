//! What the probes remember of a socket that a target has used, in the kernel's own storage for it.

/// Of each socket that a target has used. The probes of arrivals and of TCP's send-queue state see every socket of the host:
/// what has no storage is none of theirs.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// TCP: monotonic ns of the last arrival that was recorded. UDP: of the first one after the last receive, 0 without.
    pub arrival_ns: u64,
    /// Monotonic ns of the last record of TCP's send-queue state.
    pub send_queue_ns: u64,
    /// TCP: `rcv_nxt` at the last arrival, recorded or not.
    pub arrived: u32,
    /// What that record said, in short; 0 if there was none. See `probes/send_queue.rs`.
    pub send_queue: u32,
    /// 1: it carries control traffic, which is not followed.
    pub control: u32,
    /// How often it was connected to another peer: see [`with_turn`](super::sockets::with_turn).
    pub turn: u32,
    /// Whom it was connected to when it was described, with each bit inverted: a mix of port, IPv4 address and the last 4 bytes of
    /// an IPv6 one. 0 before.
    pub peer: u64,
    /// Its element of `STREAMS`, 0 without.
    pub stream: u64,
}

const _: () = assert!(size_of::<Traffic>() == 48);
