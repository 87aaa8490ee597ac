//! Packets of targets' sockets that the kernel throws away. Nothing runs here as long as nothing is dropped, of whatever socket.
//!
//! A datagram for which there is no room has a tracepoint of its own in every kernel, so that it counts also where
//! `kfree_skb` does not say whose packet it was (before 6.11, on the way in).

use abi::{
    drops::{DROPS_INTERVAL_NS, DropCounts, DropKey, DropReason, Dropped, KERNEL_REASONS},
    event::Event as _,
    fields::Field,
    loss::Loss,
    payload::Destination,
    sockets::{AF_INET, AF_INET6, IPPROTO_UDP, with_turn},
};
use aya_ebpf::{helpers::bpf_probe_read_kernel, macros::btf_tracepoint, programs::BtfTracePointContext};

use crate::{
    atomic,
    emit::{emit, lose, now_ns},
    kernel::{cookie, given_cookie, load},
    maps::{DROP_REASONS, DROPS, LISTENERS, NO_EXIST},
    probes::traffic,
};

/// `-ENOMEM`: the datagram found the receive buffer full; `-ENOBUFS`: all sockets together had too much.
const ENOMEM: i32 = -12;

/// `udp_fail_queue_rcv_skb(int rc, struct sock *sk, struct sk_buff *skb)`
#[btf_tracepoint(function = "udp_fail_queue_rcv_skb")]
pub fn udp_drop(ctx: BtfTracePointContext) -> i32 {
    let rc: i32 = ctx.arg(0);
    let reason = if rc == ENOMEM { DropReason::ReceiveBuffer } else { DropReason::Memory };
    // SAFETY: argument 1 is a struct sock, argument 2 a struct sk_buff.
    unsafe { dropped(ctx.arg(1), ctx.arg(2), reason as u32, true) };
    0
}

/// `udp_fail_queue_rcv_skb(int rc, struct sock *sk)`, before 6.10: of what size it was is not known.
#[btf_tracepoint(function = "udp_fail_queue_rcv_skb")]
pub fn udp_drop_alone(ctx: BtfTracePointContext) -> i32 {
    let rc: i32 = ctx.arg(0);
    let reason = if rc == ENOMEM { DropReason::ReceiveBuffer } else { DropReason::Memory };
    // SAFETY: argument 1 is a struct sock.
    unsafe { count(ctx.arg(1), 0, Destination::default(), reason as u32, true) };
    0
}

/// `kfree_skb(struct sk_buff *skb, void *location, enum skb_drop_reason reason, struct sock *rx_sk)`: since 6.11 with the
/// socket that a packet was for.
#[btf_tracepoint(function = "kfree_skb")]
pub fn skb_drop(ctx: BtfTracePointContext) -> i32 {
    let reason = reason(ctx.arg(2));
    if reason == 0 {
        return 0;
    }
    let (skb, receiver): (*const u8, *const u8) = (ctx.arg(0), ctx.arg(3));
    // SAFETY: argument 0 is a struct sk_buff, argument 3 a struct sock or null.
    unsafe {
        if receiver.is_null() {
            dropped(load(skb, Field::SkbSk), skb, reason, false);
        } else if !(load::<u16>(receiver, Field::SockProtocol) == IPPROTO_UDP
            && (reason == DropReason::ReceiveBuffer as u32 || reason == DropReason::Memory as u32))
        {
            dropped(receiver, skb, reason, true);
        }
    }
    0
}

/// The same without the receiver: packets that a socket sent, and that are still its own.
#[btf_tracepoint(function = "kfree_skb")]
pub fn skb_drop_sent(ctx: BtfTracePointContext) -> i32 {
    let reason = reason(ctx.arg(2));
    if reason != 0 {
        let skb: *const u8 = ctx.arg(0);
        // SAFETY: argument 0 is a struct sk_buff.
        unsafe { dropped(load(skb, Field::SkbSk), skb, reason, false) };
    }
    0
}

/// Remembers that a target listens.
#[inline(always)]
pub unsafe fn listens(sk: *const u8, process: u64) {
    // SAFETY: the caller's sk is a struct sock.
    let _ = LISTENERS.insert(unsafe { cookie(sk) }, process, 0);
}

/// The number of a [`DropReason`]; 0 for those that are none.
#[inline(always)]
fn reason(kernel: u32) -> u32 {
    if kernel >= KERNEL_REASONS {
        return 0;
    }
    DROP_REASONS.get(kernel).copied().unwrap_or(0)
}

#[inline(always)]
unsafe fn dropped(sk: *const u8, skb: *const u8, reason: u32, is_receiver: bool) {
    if sk.is_null() {
        return;
    }
    // SAFETY: the caller's sk is a struct sock, its skb a struct sk_buff.
    unsafe {
        let bytes = load::<u32>(skb, Field::SkbLen);
        let source = if is_receiver { source(sk, skb) } else { Destination::default() };
        count(sk, bytes.into(), source, reason, is_receiver);
    }
}

/// Who sent a packet, by its headers.
#[inline(always)]
unsafe fn source(sk: *const u8, skb: *const u8) -> Destination {
    /// `saddr` in `struct iphdr` and in `struct ipv6hdr`; the version is the first half of the first byte.
    const V4: usize = 12;
    const V6: usize = 8;
    // SAFETY: the caller's sk is a struct sock, its skb a struct sk_buff; the helper checks the addresses.
    unsafe {
        // Of the transport's header only a UDP socket is asked: the key of TCP's connections is the socket.
        if load::<u16>(sk, Field::SockProtocol) != IPPROTO_UDP {
            return Destination::default();
        }
        let head: *const u8 = load(skb, Field::SkbHead);
        let network = head.wrapping_add(load::<u16>(skb, Field::SkbNetworkHeader).into());
        let transport = head.wrapping_add(load::<u16>(skb, Field::SkbTransportHeader).into());
        let port = bpf_probe_read_kernel(transport.cast::<u16>()).unwrap_or(0);
        let version = bpf_probe_read_kernel(network).unwrap_or(0) >> 4;
        let (family, ip) = match version {
            4 => {
                let v4 = bpf_probe_read_kernel(network.wrapping_add(V4).cast::<u32>());
                (AF_INET, [v4.unwrap_or(0).into(), 0])
            }
            6 => {
                let v6 = bpf_probe_read_kernel(network.wrapping_add(V6).cast::<[u64; 2]>());
                (AF_INET6, v6.unwrap_or([0; 2]))
            }
            _ => return Destination::default(),
        };
        Destination { family, port: u16::from_be(port), _pad: 0, ip }
    }
}

#[inline(always)]
unsafe fn count(sk: *const u8, bytes: u64, source: Destination, reason: u32, is_receiver: bool) {
    // SAFETY: the caller's sk is a struct sock; map values and storages are live.
    unsafe {
        let (cookie, process) = match traffic::of(sk) {
            // It was given one when it was first used; the helper that gives does not take what a packet points to.
            Some(traffic) => (with_turn(given_cookie(sk), (*traffic).turn), 0),
            None => match LISTENERS.get(given_cookie(sk)) {
                Some(process) => (given_cookie(sk), *process),
                None => return,
            },
        };
        let key = DropKey { cookie, reason, _pad: 0, source };
        if DROPS.get_ptr_mut(key).is_none() {
            let _ = DROPS.insert(key, DropCounts { process, ..DropCounts::default() }, NO_EXIST);
        }
        let Some(counts) = DROPS.get_ptr_mut(key) else { return lose(Loss::DropTableFull) };
        atomic::add(&raw mut (*counts).drops, 1);
        atomic::add(&raw mut (*counts).bytes, bytes);
        // All three, so that which fields a program reads can be seen in it.
        let queue: u32 = load(sk, Field::SockMaxAckBacklog);
        let (receives, sends): (u32, u32) = (load(sk, Field::SockRcvbuf), load(sk, Field::SockSndbuf));
        (*counts).buffer = match (process, is_receiver) {
            (0, true) => receives,
            (0, false) => sends,
            _ => queue,
        };
        let now = now_ns();
        if now.saturating_sub((*counts).told_ns) >= DROPS_INTERVAL_NS {
            (*counts).told_ns = now;
            emit(Dropped { kind: Dropped::KIND as u32, _pad: 0, at_ns: now, key, counts: *counts });
        }
    }
}
