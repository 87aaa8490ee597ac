//! What TCP has not sent yet, and what it goes by: after each send, and as segments come in.
//!
//! `tcp_probe` fires before a segment is processed (`tcp_rcv_established`, 6.18), so it shows how the socket has stood
//! since TCP last looked whether it may send. The kernel keeps that time in `tcp_clock_cache`: set by the previous
//! segment, a send, or the pacing timer. Connections that are being closed do not pass `tcp_probe`.

use abi::{
    event::Event as _,
    fields::Field,
    send_queue::{IN_FLIGHT_INTERVAL_NS, SEND_QUEUE_INTERVAL_NS, SendQueue},
    sockets::with_turn,
    traffic::Traffic,
};
use aya_ebpf::{
    helpers::generated::bpf_skc_to_tcp_sock, macros::btf_tracepoint, programs::BtfTracePointContext,
};

use crate::{
    emit::emit,
    kernel::{cookie, given_cookie, load},
    probes::{context, traffic},
};

/// Where `tcp_sock.nonagle` is: a bit field of four, so the number of its first bit. Set by the daemon.
#[unsafe(no_mangle)]
static NONAGLE_BIT: u32 = 0;

/// Bits of [`Traffic::holding`]: what must differ for a record out of turn. The daemon looks closer.
const KNOWN: u32 = 1;
const UNSENT: u32 = 2;
const SMALL: u32 = 4;
const WINDOW_FULL: u32 = 8;
const CWND_FULL: u32 = 16;
const PACED: u32 = 32;

/// `tcp_probe(struct sock *sk, struct sk_buff *skb)`
#[btf_tracepoint(function = "tcp_probe")]
pub fn tcp_segment(ctx: BtfTracePointContext) -> i32 {
    let sk: *const u8 = ctx.arg(0);
    // SAFETY: argument 0 is a struct sock; a live map value.
    unsafe {
        // `sk_write_space`, which has no tracepoint, comes while the segment is processed.
        context::works_on(given_cookie(sk), false);
        if let Some(traffic) = traffic::followed(sk) {
            let tcp: *const u8 = bpf_skc_to_tcp_sock(sk.cast_mut().cast()).cast_const().cast();
            if !tcp.is_null() {
                note(sk, tcp, traffic, None);
            }
        }
    }
    0
}

/// To be called after a send, with the socket as `tcp_sock` too.
#[inline(always)]
pub unsafe fn sent(sk: *const u8, tcp: *const u8, traffic: *mut Traffic, now: u64) {
    // SAFETY: the caller's.
    unsafe { note(sk, tcp, traffic, Some(now)) }
}

/// Records the socket's state if it says something new: since `at_ns`, or since TCP last looked.
#[inline(always)]
unsafe fn note(sk: *const u8, tcp: *const u8, traffic: *mut Traffic, at_ns: Option<u64>) {
    // SAFETY: the caller's sk is a struct sock, its tcp the same as tcp_sock, its traffic a live storage.
    unsafe {
        let (write_seq, snd_nxt): (u32, u32) = (load(tcp, Field::TcpWriteSeq), load(tcp, Field::TcpSndNxt));
        let known = (*traffic).send_queue;
        if write_seq == snd_nxt && known == KNOWN {
            if load::<u32>(tcp, Field::TcpSndUna) == snd_nxt {
                return;
            }
            let looked_ns = at_ns.unwrap_or_else(|| load(tcp, Field::TcpClockCache));
            if looked_ns.saturating_sub((*traffic).send_queue_ns) < IN_FLIGHT_INTERVAL_NS {
                return;
            }
        }
        let tcp_clock_cache: u64 = load(tcp, Field::TcpClockCache);
        let nonagle_bit = (&raw const NONAGLE_BIT).read_volatile();
        let send_queue = SendQueue {
            kind: SendQueue::KIND as u32,
            write_seq,
            cookie: 0,
            // Two records of one time would be in no order.
            at_ns: at_ns.unwrap_or(tcp_clock_cache).max((*traffic).send_queue_ns + 1),
            tcp_clock_cache,
            tcp_wstamp_ns: load(tcp, Field::TcpWstampNs),
            snd_nxt,
            snd_una: load(tcp, Field::TcpSndUna),
            snd_sml: load(tcp, Field::TcpSndSml),
            snd_wnd: load(tcp, Field::TcpSndWnd),
            mss_cache: load(tcp, Field::TcpMssCache),
            snd_cwnd: load(tcp, Field::TcpSndCwnd),
            packets_out: load(tcp, Field::TcpPacketsOut),
            sacked_out: load(tcp, Field::TcpSackedOut),
            lost_out: load(tcp, Field::TcpLostOut),
            retrans_out: load(tcp, Field::TcpRetransOut),
            sk_pacing_status: load(sk, Field::SockPacingStatus),
            nonagle: u32::from(tcp.add(nonagle_bit as usize / 8).read_volatile()) >> (nonagle_bit % 8) & 0xf,
            srtt_us: load(tcp, Field::TcpSrttUs),
            _pad: 0,
        };
        let summary = summary(&send_queue);
        // Another sender may have noted a later one since.
        let passed_ns = send_queue.at_ns.saturating_sub((*traffic).send_queue_ns);
        if summary != known || passed_ns >= SEND_QUEUE_INTERVAL_NS {
            (*traffic).send_queue = summary;
            (*traffic).send_queue_ns = send_queue.at_ns;
            emit(SendQueue { cookie: with_turn(cookie(sk), (*traffic).turn), ..send_queue });
        }
    }
}

#[inline(always)]
fn summary(send_queue: &SendQueue) -> u32 {
    let unsent_bytes = send_queue.unsent_bytes();
    if unsent_bytes == 0 {
        return KNOWN;
    }
    let bit = |is_so: bool, bit: u32| if is_so { bit } else { 0 };
    KNOWN
        | UNSENT
        | bit(unsent_bytes < send_queue.mss_cache, SMALL)
        | bit(send_queue.window_bytes() < unsent_bytes.min(send_queue.mss_cache), WINDOW_FULL)
        | bit(send_queue.packets_in_flight() >= send_queue.snd_cwnd, CWND_FULL)
        | bit(send_queue.tcp_wstamp_ns > send_queue.tcp_clock_cache, PACED)
}
