//! Payload per socket and direction, peers, connections, retransmits.
//!
//! `sock_send_length` and `sock_recv_length` (6.3) see the result of every send and receive call, io_uring's
//! too, in the context of the caller. Not seen: TCP splice from a socket, `tcp_read_sock`, zero-copy receive.

use aya_ebpf::{
    helpers::generated::{bpf_get_socket_cookie, bpf_skc_to_tcp_sock},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use profiler_ebpf::abi::{
    event::Event as _,
    fields::Field,
    loss::Loss,
    progress::{PROGRESS_INTERVAL_NS, Progress},
    sockets::{AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP, Socket, SocketBytes, SocketKey},
    target::{CONTROL_PORTS as CONTROL_PORT_COUNT, Process},
};

use crate::{
    atomic,
    emit::{emit, lose, now_ns},
    kernel::{load, read_bytes},
    maps::{ESTABLISHED, NO_EXIST, SOCKET_BYTES, SOCKETS},
    target,
};

/// Peer payload between two progress records; set by the daemon from the size of the transfer.
#[unsafe(no_mangle)]
static STRIDE_BYTES: u64 = 64 << 10;

/// Ports of control traffic, 0 where unused; set by the daemon.
#[unsafe(no_mangle)]
static CONTROL_PORTS: [u16; CONTROL_PORT_COUNT] = [0; CONTROL_PORT_COUNT];

const MSG_PEEK: i32 = 0x2;
const MSG_ERRQUEUE: i32 = 0x2000;

const TCP_ESTABLISHED: i32 = 1;
const TCP_SYN_SENT: i32 = 2;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Rx,
    Tx,
}

/// `sock_recv_length(struct sock *sk, int ret, int flags)`
#[btf_tracepoint(function = "sock_recv_length")]
pub fn sock_recv(ctx: BtfTracePointContext) -> i32 {
    // MSG_PEEK leaves the bytes queued: they would count twice. MSG_ERRQUEUE gives back what was sent. The
    // kernel reports the length for both (6.18).
    if ctx.arg::<i32>(2) & (MSG_PEEK | MSG_ERRQUEUE) == 0 {
        count(&ctx, Direction::Rx);
    }
    0
}

/// `sock_send_length(struct sock *sk, int ret, int flags)`
#[btf_tracepoint(function = "sock_send_length")]
pub fn sock_send(ctx: BtfTracePointContext) -> i32 {
    count(&ctx, Direction::Tx);
    0
}

/// `inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`: in softirq as often
/// as not; a connect starts in the context of its process.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn sock_state(ctx: BtfTracePointContext) -> i32 {
    let sk: *const u8 = ctx.arg(0);
    match ctx.arg::<i32>(2) {
        TCP_ESTABLISHED => {
            // SAFETY: argument 0 is a struct sock.
            let cookie = unsafe { bpf_get_socket_cookie(sk.cast_mut().cast()) };
            let now = now_ns();
            match SOCKETS.get_ptr_mut(cookie) {
                // The port of a connecting socket is chosen after SYN_SENT.
                // SAFETY: a live map value; argument 0 is a struct sock.
                Some(socket) => unsafe {
                    (*socket).established_ns = now;
                    name_ends(sk, &mut *socket);
                },
                // An LRU map makes room: this fails only under memory pressure, and then only the time of
                // the beginning is unknown.
                None => drop(ESTABLISHED.insert(cookie, now, 0)),
            }
        }
        TCP_SYN_SENT => {
            if let Some(process) = target::current() {
                // SAFETY: argument 0 is a struct sock; a live slot.
                unsafe {
                    let cookie = bpf_get_socket_cookie(sk.cast_mut().cast());
                    describe(sk, cookie, IPPROTO_TCP, (*process).serial);
                }
            }
        }
        _ => {}
    }
    0
}

/// `tcp_retransmit_skb(const struct sock *sk, const struct sk_buff *skb, …)`: in softirq or in any task.
#[btf_tracepoint(function = "tcp_retransmit_skb")]
pub fn tcp_retransmit(ctx: BtfTracePointContext) -> i32 {
    let sk: *const u8 = ctx.arg(0);
    // SAFETY: argument 0 is a struct sock; a live map value.
    unsafe {
        if let Some(socket) = SOCKETS.get_ptr_mut(bpf_get_socket_cookie(sk.cast_mut().cast())) {
            atomic::add(&raw mut (*socket).retransmits, 1);
        }
    }
    0
}

/// `tcp_destroy_sock(struct sock *sk)`: the kernel's own totals are final here.
#[btf_tracepoint(function = "tcp_destroy_sock")]
pub fn tcp_destroy(ctx: BtfTracePointContext) -> i32 {
    let sk: *const u8 = ctx.arg(0);
    // SAFETY: argument 0 is a struct sock; a live map value; the helper checks the kind of socket.
    unsafe {
        let Some(socket) = SOCKETS.get_ptr_mut(bpf_get_socket_cookie(sk.cast_mut().cast())) else { return 0 };
        (*socket).closed_ns = now_ns();
        let tcp: *const u8 = bpf_skc_to_tcp_sock(sk.cast_mut().cast()).cast_const().cast();
        if !tcp.is_null() {
            (*socket).tcp_bytes_received = load(tcp, Field::TcpBytesReceived);
            (*socket).tcp_bytes_sent = load(tcp, Field::TcpBytesSent);
            (*socket).tcp_bytes_acked = load(tcp, Field::TcpBytesAcked);
            (*socket).tcp_bytes_retransmitted = load(tcp, Field::TcpBytesRetransmitted);
        }
    }
    0
}

/// Adds the result of a call to the totals of its process and of its socket.
#[inline(always)]
fn count(ctx: &BtfTracePointContext, direction: Direction) {
    let Some(process) = target::current() else { return };
    let result: i32 = ctx.arg(1);
    if result <= 0 {
        return;
    }
    let bytes = result as u64;
    let sk: *const u8 = ctx.arg(0);
    // SAFETY: argument 0 is a struct sock; slots and map values are live.
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
        atomic::add(total, bytes);

        let now = now_ns();
        let cookie = bpf_get_socket_cookie(sk.cast_mut().cast());
        if !count_socket(sk, cookie, protocol, (*process).serial, direction, bytes, now) {
            count_peer(process, cookie, direction, bytes, now);
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
                let control = u8::from(describe(sk, cookie, protocol, process));
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
                tid: aya_ebpf::helpers::bpf_get_current_pid_tgid() as u32,
                at_ns: now,
                process: (*process).serial,
                cookie,
                peer_rx_bytes: (*process).peer_rx_bytes,
                peer_tx_bytes: (*process).peer_tx_bytes,
            });
        }
    }
}

/// `-EEXIST`: what an insertion with `NO_EXIST` answers then.
const EXISTS: i32 = -17;

/// Notes the ends of a socket at its first use by a target; true if it carries control traffic.
#[inline(never)]
unsafe fn describe(sk: *const u8, cookie: u64, protocol: u16, process: u64) -> bool {
    // SAFETY: the caller's sk is a struct sock.
    unsafe {
        let mut socket =
            Socket { family: load(sk, Field::SockFamily), protocol, process, ..Socket::default() };
        if let Some(at) = ESTABLISHED.get(cookie) {
            socket.established_ns = *at;
            let _ = ESTABLISHED.remove(cookie);
        }
        let net: *const u8 = load(sk, Field::SockNet);
        socket.netns = load(net, Field::NetInum);
        name_ends(sk, &mut socket);
        let control = is_control(socket.local_port) || is_control(socket.peer_port);
        // The first use tells; a later process finds the entry.
        if SOCKETS.insert(cookie, socket, NO_EXIST).is_err_and(|error| error != EXISTS) {
            lose(Loss::SocketTableFull);
        }
        control
    }
}

/// Notes both addresses and ports.
#[inline(always)]
unsafe fn name_ends(sk: *const u8, socket: &mut Socket) {
    // SAFETY: the caller's sk is a struct sock.
    unsafe {
        socket.local_port = load(sk, Field::SockLocalPort);
        socket.peer_port = u16::from_be(load(sk, Field::SockPeerPort));
        if socket.family == AF_INET {
            socket.local[..4].copy_from_slice(&load::<u32>(sk, Field::SockLocalV4).to_ne_bytes());
            socket.peer[..4].copy_from_slice(&load::<u32>(sk, Field::SockPeerV4).to_ne_bytes());
        } else {
            read_bytes(sk, Field::SockLocalV6, &mut socket.local);
            read_bytes(sk, Field::SockPeerV6, &mut socket.peer);
        }
    }
}

#[inline(always)]
fn is_control(port: u16) -> bool {
    let ports = (&raw const CONTROL_PORTS).cast::<u16>();
    // SAFETY: in bounds; volatile because the daemon replaces the value that the compiler sees.
    port != 0 && (0..CONTROL_PORT_COUNT).any(|i| unsafe { ports.add(i).read_volatile() } == port)
}
