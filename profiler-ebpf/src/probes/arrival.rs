//! When bytes became readable: `sk_data_ready` (6.3), in softirq, or in task context from a socket's backlog.
//!
//! TCP fires it after `rcv_nxt` has moved, for every batch in order that the reader may take (6.18); UDP for every
//! datagram. A reader that has taken everything may wait for the next arrival: that one is always recorded. While
//! bytes lie unread nobody waits for more, unless for a certain number, so those are recorded at intervals; and
//! a receive that leaves bytes unread tells what has arrived by then (`Payload::arrived`).

use aya_ebpf::{
    helpers::generated::bpf_skc_to_tcp_sock, macros::btf_tracepoint, programs::BtfTracePointContext,
};
use profiler_ebpf::abi::{
    arrival::{ARRIVAL_INTERVAL_NS, Arrival},
    event::Event as _,
    fields::Field,
    sockets::IPPROTO_TCP,
    traffic::Traffic,
};

use crate::{
    emit::{emit, now_ns},
    kernel::{cookie, load},
    probes::traffic,
};

/// `sk_data_ready(const struct sock *sk)`
#[btf_tracepoint(function = "sk_data_ready")]
pub fn sock_arrive(ctx: BtfTracePointContext) -> i32 {
    let sk: *const u8 = ctx.arg(0);
    // SAFETY: argument 0 is a struct sock; a live map value.
    unsafe {
        let Some(traffic) = traffic::followed(sk) else { return 0 };
        let protocol: u16 = load(sk, Field::SockProtocol);
        let now = now_ns();
        let (sequence, drained) =
            if protocol == IPPROTO_TCP { tcp(sk, traffic) } else { (0, only_one_is_queued(sk)) };
        if drained || now.saturating_sub((*traffic).arrival_ns) >= ARRIVAL_INTERVAL_NS {
            (*traffic).arrival_ns = now;
            emit(Arrival {
                kind: Arrival::KIND as u32,
                sequence,
                cookie: cookie(sk),
                at_ns: now,
                protocol,
                ..Arrival::default()
            });
        }
    }
    0
}

/// What has arrived, and whether the reader had taken all that was there before.
#[inline(always)]
unsafe fn tcp(sk: *const u8, traffic: *mut Traffic) -> (u32, bool) {
    // SAFETY: the caller's sk is a struct sock, its traffic a live map value that the socket's lock guards.
    unsafe {
        let tcp: *const u8 = bpf_skc_to_tcp_sock(sk.cast_mut().cast()).cast_const().cast();
        if tcp.is_null() {
            return (0, false);
        }
        let (arrived, read): (u32, u32) = (load(tcp, Field::TcpRcvNxt), load(tcp, Field::TcpCopiedSeq));
        let drained = read == (*traffic).arrived;
        (*traffic).arrived = arrived;
        (arrived, drained)
    }
}

/// A reader takes over the whole queue of a UDP socket at once, and may not have read it all: then one arrival too
/// many is recorded.
#[inline(always)]
unsafe fn only_one_is_queued(sk: *const u8) -> bool {
    // SAFETY: the caller's sk is a struct sock.
    unsafe { load::<u32>(sk, Field::SockReceiveQueue) <= 1 }
}
