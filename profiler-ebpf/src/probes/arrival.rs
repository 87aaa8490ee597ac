//! When bytes became readable: `sk_data_ready` (6.3), in softirq, or in task context from a socket's backlog.
//!
//! TCP fires it after `rcv_nxt` has moved, for every batch in order that the reader may take (6.18); UDP for every
//! datagram. A reader that has taken everything may wait for the next arrival: that one is recorded, unless a softirq comes upon
//! this program as it looks at a backlog in task context, and brings an arrival, too: the kernel skips the inner run, and
//! counts it. While
//! bytes lie unread nobody waits for more, unless for a certain number, so those are recorded at intervals; and
//! a receive that leaves bytes unread tells what has arrived by then (`Payload::arrived`).
//!
//! Of datagrams, which have no numbers, only the first after a receive matters. The next receive carries its time
//! (`Payload::arrived_ns`): a record of its own for nearly every datagram is saved.

use abi::{
    arrival::{ARRIVAL_INTERVAL_NS, Arrival},
    event::Event as _,
    fields::Field,
    sockets::{IPPROTO_TCP, with_turn},
    traffic::Traffic,
};
use aya_ebpf::{
    helpers::generated::bpf_skc_to_tcp_sock, macros::btf_tracepoint, programs::BtfTracePointContext,
};

use crate::{
    atomic,
    emit::{emit, now_ns},
    kernel::{cookie, given_cookie, load},
    probes::{context, traffic},
};

/// `sk_data_ready(const struct sock *sk)`
#[btf_tracepoint(function = "sk_data_ready")]
pub fn sock_arrive(ctx: BtfTracePointContext) -> i32 {
    let sk: *const u8 = ctx.arg(0);
    // SAFETY: argument 0 is a struct sock; a live map value.
    unsafe {
        // Of any socket: what it wakes is not woken for an earlier one. Nobody has asked for a cookie of one that no
        // target has used.
        context::works_on(given_cookie(sk), true);
        let Some(traffic) = traffic::followed(sk) else { return 0 };
        let now = now_ns();
        if load::<u16>(sk, Field::SockProtocol) == IPPROTO_TCP {
            tcp(sk, traffic, now);
        } else if (&raw const (*traffic).arrival_ns).read_volatile() == 0 {
            (&raw mut (*traffic).arrival_ns).write_volatile(now);
        }
    }
    0
}

/// When the first datagram arrived since the last receive, 0 without one; to be called at each receive.
#[inline(always)]
pub unsafe fn take(traffic: *mut Traffic) -> u64 {
    // SAFETY: the caller's storage is live.
    unsafe { atomic::exchange(&raw mut (*traffic).arrival_ns, 0) }
}

/// Records what has arrived, where the reader had taken all that was there before, or now and then.
#[inline(always)]
unsafe fn tcp(sk: *const u8, traffic: *mut Traffic, now: u64) {
    // SAFETY: the caller's sk is a struct sock, its traffic a live map value that the socket's lock guards.
    unsafe {
        let tcp: *const u8 = bpf_skc_to_tcp_sock(sk.cast_mut().cast()).cast_const().cast();
        if tcp.is_null() {
            return;
        }
        let (arrived, read): (u32, u32) = (load(tcp, Field::TcpRcvNxt), load(tcp, Field::TcpCopiedSeq));
        let drained = read == (*traffic).arrived;
        (*traffic).arrived = arrived;
        if drained || now.saturating_sub((*traffic).arrival_ns) >= ARRIVAL_INTERVAL_NS {
            (*traffic).arrival_ns = now;
            emit(Arrival {
                kind: Arrival::KIND as u32,
                sequence: arrived,
                cookie: with_turn(cookie(sk), (*traffic).turn),
                at_ns: now,
            });
        }
    }
}
