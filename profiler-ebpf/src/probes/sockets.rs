//! Payload per process, and per socket and direction.
//!
//! `sock_send_length` and `sock_recv_length` (6.3) see the result of every send and receive call, io_uring's
//! too, in the context of the caller. Not seen: TCP splice from a socket, `tcp_read_sock`, zero-copy receive.

use aya_ebpf::{
    helpers::{bpf_get_current_pid_tgid, generated::bpf_get_socket_cookie},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use profiler_ebpf::abi::{
    event::Event as _,
    fields::Field,
    loss::Loss,
    payload::{RECEIVED, SENT},
    progress::{PROGRESS_INTERVAL_NS, Progress},
    sockets::{AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP, SocketBytes, SocketKey},
    target::Process,
};

use crate::{
    atomic,
    emit::{emit, lose, now_ns},
    kernel::load,
    maps::{NO_EXIST, SOCKET_BYTES},
    probes::{
        connections, holding,
        payload::{self, Call},
    },
    target,
};

/// Peer payload between two progress records; set by the daemon from the size of the transfer.
#[unsafe(no_mangle)]
static STRIDE_BYTES: u64 = 64 << 10;

const MSG_PEEK: i32 = 0x2;
const MSG_ERRQUEUE: i32 = 0x2000;

/// `-EAGAIN`: a receive that did not wait, and found nothing.
const NOTHING_THERE: i32 = -11;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Rx,
    Tx,
}

/// `sock_recv_length(struct sock *sk, int ret, int flags)`
#[btf_tracepoint(function = "sock_recv_length")]
pub fn sock_recv(ctx: BtfTracePointContext) -> i32 {
    returned(ctx.arg(0), ctx.arg(1), ctx.arg(2), Direction::Rx);
    0
}

/// `sock_send_length(struct sock *sk, int ret, int flags)`
#[btf_tracepoint(function = "sock_send_length")]
pub fn sock_send(ctx: BtfTracePointContext) -> i32 {
    returned(ctx.arg(0), ctx.arg(1), ctx.arg(2), Direction::Tx);
    0
}

/// Adds the result of a call to the totals of its process and of its socket: at the call's end, in the caller's
/// context. `sk` must be a pointer whose type the verifier knows.
#[inline(always)]
pub fn returned(sk: *const u8, result: i32, flags: i32, direction: Direction) {
    // MSG_PEEK leaves the bytes queued: they would count twice. MSG_ERRQUEUE gives back what was sent. The
    // kernel reports the length for both (6.18).
    if direction == Direction::Rx && flags & (MSG_PEEK | MSG_ERRQUEUE) != 0 {
        return;
    }
    let Some(process) = target::current() else { return };
    if result <= 0 && (result != NOTHING_THERE || direction == Direction::Tx) {
        return;
    }
    // SAFETY: the caller's sk is a struct sock; slots and map values are live.
    unsafe {
        // AF_UNIX and netlink fire the same tracepoints.
        let family: u16 = load(sk, Field::SockFamily);
        if family != AF_INET && family != AF_INET6 {
            return;
        }
        let protocol: u16 = load(sk, Field::SockProtocol);
        let total = match (protocol, direction) {
            (IPPROTO_TCP, Direction::Rx) => &raw mut (*process).tcp_rx_bytes,
            (IPPROTO_TCP, Direction::Tx) => &raw mut (*process).tcp_tx_bytes,
            (IPPROTO_UDP, Direction::Rx) => &raw mut (*process).udp_rx_bytes,
            (IPPROTO_UDP, Direction::Tx) => &raw mut (*process).udp_tx_bytes,
            _ => return,
        };
        if result == NOTHING_THERE {
            return payload::found_nothing();
        }
        let bytes = result as u64;
        atomic::add(total, bytes);

        let now = now_ns();
        let cookie = bpf_get_socket_cookie(sk.cast_mut().cast());
        let serial = (*process).serial;
        if direction == Direction::Rx {
            payload::received();
        }
        if !count_socket(sk, cookie, protocol, serial, direction, bytes, now) {
            count_peer(process, cookie, direction, bytes, now);
            let way = if direction == Direction::Rx { RECEIVED } else { SENT };
            if (protocol, direction) == (IPPROTO_TCP, Direction::Tx) {
                holding::sent(sk, cookie, now);
            }
            payload::moved(&Call { sk, cookie, process: serial, protocol, way, bytes, at_ns: now });
        }
    }
}

/// Adds to the socket's own count; true if it carries control traffic.
#[inline(always)]
unsafe fn count_socket(
    sk: *const u8,
    cookie: u64,
    protocol: u16,
    process: u64,
    direction: Direction,
    bytes: u64,
    now: u64,
) -> bool {
    let key = SocketKey { cookie, process };
    // SAFETY: the caller's sk is a struct sock; map values are live.
    unsafe {
        let entry = match SOCKET_BYTES.get_ptr_mut(key) {
            Some(entry) => entry,
            None => {
                let control = u8::from(connections::describe(sk, cookie, protocol, process));
                // A second thread may insert at the same time: whoever comes late finds the entry.
                let _ = SOCKET_BYTES.insert(
                    key,
                    SocketBytes { control, first_ns: now, ..SocketBytes::default() },
                    NO_EXIST,
                );
                match SOCKET_BYTES.get_ptr_mut(key) {
                    Some(entry) => entry,
                    None => {
                        lose(Loss::SocketTableFull);
                        return control != 0;
                    }
                }
            }
        };
        match direction {
            Direction::Rx => {
                atomic::add(&raw mut (*entry).rx_bytes, bytes);
                atomic::add(&raw mut (*entry).rx_calls, 1);
            }
            Direction::Tx => {
                atomic::add(&raw mut (*entry).tx_bytes, bytes);
                atomic::add(&raw mut (*entry).tx_calls, 1);
            }
        }
        (*entry).last_ns = now;
        (*entry).control != 0
    }
}

/// Adds to the peer payload of the process, and records progress when it is due.
#[inline(always)]
unsafe fn count_peer(process: *mut Process, cookie: u64, direction: Direction, bytes: u64, now: u64) {
    // SAFETY: the caller's process is a live slot.
    unsafe {
        let (total, last_ns, recorded) = match direction {
            Direction::Rx => (
                &raw mut (*process).peer_rx_bytes,
                &raw mut (*process).peer_rx_last_ns,
                &raw mut (*process).progress_rx_bytes,
            ),
            Direction::Tx => (
                &raw mut (*process).peer_tx_bytes,
                &raw mut (*process).peer_tx_last_ns,
                &raw mut (*process).progress_tx_bytes,
            ),
        };
        let there = atomic::fetch_add(total, bytes) + bytes;
        *last_ns = now;
        let stride = (&raw const STRIDE_BYTES).read_volatile();
        let due = there.wrapping_sub(*recorded) >= stride
            || now.saturating_sub((*process).progress_ns) >= PROGRESS_INTERVAL_NS;
        if due {
            (*process).progress_ns = now;
            *recorded = there;
            emit(Progress {
                kind: Progress::KIND as u32,
                tid: bpf_get_current_pid_tgid() as u32,
                at_ns: now,
                process: (*process).serial,
                cookie,
                peer_rx_bytes: (*process).peer_rx_bytes,
                peer_tx_bytes: (*process).peer_tx_bytes,
            });
        }
    }
}
