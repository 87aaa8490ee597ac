//! Connections: their ends, when they began and ended, and what was sent again.

use abi::{
    fields::Field,
    loss::Loss,
    sockets::{AF_INET, ANYBODYS_TURN, IPPROTO_TCP, IPPROTO_UDP, Socket, SocketKey, turn_of, with_turn},
    target::CONTROL_PORTS as CONTROL_PORT_COUNT,
    traffic::Traffic,
};
use aya_ebpf::{
    helpers::generated::bpf_skc_to_tcp_sock, macros::btf_tracepoint, programs::BtfTracePointContext,
};

use crate::{
    atomic, counters,
    emit::{lose, now_ns},
    kernel::{cookie, given_cookie, load, read_bytes},
    maps::{ESTABLISHED, NEW_SOCKET, NEW_SOCKETS, NO_EXIST, SOCKETS},
    probes::{burst, bytes_read::bytes_read, context, drops, retransmits, socket_uses, stream, traffic},
    target,
    zero::zero,
};

/// Ports of control traffic, 0 where unused; set by the daemon.
#[unsafe(no_mangle)]
static CONTROL_PORTS: [u16; CONTROL_PORT_COUNT] = [0; CONTROL_PORT_COUNT];

const TCP_ESTABLISHED: i32 = 1;
const TCP_SYN_SENT: i32 = 2;
const TCP_FIN_WAIT1: i32 = 4;
const TCP_CLOSE: i32 = 7;
const TCP_LAST_ACK: i32 = 9;
const TCP_LISTEN: i32 = 10;

/// `inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`: in softirq as often
/// as not; a connect starts in the context of its process.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn sock_state(ctx: BtfTracePointContext) -> i32 {
    let sk: *const u8 = ctx.arg(0);
    let state: i32 = ctx.arg(2);
    // Segments of connections that begin or end do not pass `tcp_probe`.
    // SAFETY: argument 0 is a struct sock.
    context::works_on(unsafe { given_cookie(sk) }, false);
    if !counters::alone() && matches!(state, TCP_SYN_SENT | TCP_FIN_WAIT1 | TCP_LAST_ACK | TCP_CLOSE) {
        // SAFETY: argument 0 is a struct sock. Where a task holds it, this is not the softirq that comes upon one.
        unsafe {
            if load::<i32>(sk, Field::SockOwned) != 0 && target::current().is_some() {
                burst::end(now_ns());
            }
        }
    }
    if stream::are_counted() && matches!(state, TCP_FIN_WAIT1 | TCP_LAST_ACK | TCP_CLOSE) {
        // SAFETY: argument 0 is a struct sock, in its state before.
        unsafe { stream::closes(sk, (state == TCP_CLOSE).into()) };
    }
    if state == TCP_CLOSE {
        // SAFETY: argument 0 is a struct sock; a live map value.
        unsafe {
            if let Some(socket) = SOCKETS.get_ptr_mut(identity(sk, cookie(sk))) {
                note_totals(sk, socket);
            }
        }
    }
    match state {
        TCP_ESTABLISHED => {
            // SAFETY: argument 0 is a struct sock.
            let cookie = unsafe { identity(sk, cookie(sk)) };
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
                    let cookie = cookie(sk);
                    connect_again(sk, cookie, (*process).serial);
                    describe(sk, identity(sk, cookie), IPPROTO_TCP, (*process).serial, 0);
                }
            }
        }
        TCP_LISTEN => {
            if let Some(process) = target::current() {
                // SAFETY: argument 0 is a struct sock; a live slot.
                unsafe { drops::listens(sk, (*process).serial) };
            }
        }
        // It closes the connection: an owner that is not known otherwise if it only spliced. A connection may also
        // end in interrupt context, where nobody holds the socket, and the current task is a bystander.
        TCP_FIN_WAIT1 | TCP_LAST_ACK | TCP_CLOSE => {
            // SAFETY: argument 0 is a struct sock; a live slot.
            unsafe {
                if load::<i32>(sk, Field::SockOwned) != 0
                    && let Some(process) = target::current()
                {
                    let cookie = identity(sk, cookie(sk));
                    if ESTABLISHED.get(cookie).is_some() {
                        describe(sk, cookie, IPPROTO_TCP, (*process).serial, 0);
                    }
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
        if let Some(socket) = SOCKETS.get_ptr_mut(identity(sk, cookie(sk))) {
            atomic::add(&raw mut (*socket).retransmits, 1);
            retransmits::note(sk, ctx.arg(1));
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
        let Some(socket) = SOCKETS.get_ptr_mut(identity(sk, cookie(sk))) else { return 0 };
        note_totals(sk, socket);
        if let Some(traffic) = traffic::of(sk) {
            stream::ends(traffic);
        }
        // Last: the daemon takes what is closed for final.
        (&raw mut (*socket).closed_ns).write_volatile(now_ns());
    }
    0
}

/// Notes TCP's own totals, which only grow, but for `tcp_disconnect`: a close with `SO_LINGER` of 0 s goes through it, and
/// sets them to 0 between TCP_CLOSE and the socket's end.
#[inline(always)]
unsafe fn note_totals(sk: *const u8, socket: *mut Socket) {
    // SAFETY: the caller's sk is a struct sock, its socket a live map value; the helper checks the kind of socket.
    unsafe {
        let tcp: *const u8 = bpf_skc_to_tcp_sock(sk.cast_mut().cast()).cast_const().cast();
        if tcp.is_null() {
            return;
        }
        let grow = |total: *mut u64, now: u64| total.write_volatile(now.max(total.read_volatile()));
        grow(&raw mut (*socket).tcp_bytes_received, load(tcp, Field::TcpBytesReceived));
        grow(&raw mut (*socket).tcp_bytes_sent, load(tcp, Field::TcpBytesSent));
        grow(&raw mut (*socket).tcp_bytes_acked, load(tcp, Field::TcpBytesAcked));
        grow(&raw mut (*socket).tcp_bytes_retransmitted, load(tcp, Field::TcpBytesRetransmitted));
        grow(&raw mut (*socket).read_bytes, bytes_read(sk));
    }
}

/// `-EEXIST`: what an insertion with `NO_EXIST` answers then.
const EXISTS: i32 = -17;

/// Notes the ends of a socket at its first use by a target, which has just received so many bytes; true if it carries
/// control traffic.
#[inline(never)]
pub unsafe fn describe(sk: *const u8, cookie: u64, protocol: u16, process: u64, received: u64) -> bool {
    // SAFETY: the caller's sk is a struct sock.
    unsafe {
        let Some(socket) = NEW_SOCKET.get_ptr_mut(0) else { return false };
        let socket = &mut *socket;
        *socket = Socket { family: load(sk, Field::SockFamily), protocol, process, ..Socket::default() };
        if let Some(at) = ESTABLISHED.get(cookie) {
            socket.established_ns = *at;
            let _ = ESTABLISHED.remove(cookie);
        } else if protocol == IPPROTO_TCP {
            socket.read_before_bytes = bytes_read(sk).saturating_sub(received);
        }
        let net: *const u8 = load(sk, Field::SockNet);
        socket.netns = load(net, Field::NetInum);
        name_ends(sk, socket);
        if protocol == IPPROTO_UDP && turn_of(cookie) >= ANYBODYS_TURN {
            socket.peer_port = 0;
            socket.peer = [0; 16];
        }
        let control = is_control(socket.local_port) || is_control(socket.peer_port);
        // The first use tells; a later process finds the entry.
        #[expect(clippy::needless_borrows_for_generic_args, reason = "by value it does not fit 6.1's stack")]
        let inserted = SOCKETS.insert(cookie, &*socket, NO_EXIST);
        match inserted {
            Ok(()) => {
                if let Some(count) = NEW_SOCKETS.get_ptr_mut(0) {
                    *count += 1;
                }
            }
            Err(EXISTS) => {}
            Err(_) => lose(Loss::SocketTableFull),
        }
        match traffic::begin(sk) {
            // Where its own port decides: a connecting socket has none yet when it is described first.
            Some(traffic) => {
                (*traffic).control = u32::from(control);
                (&raw mut (*traffic).peer).write_volatile(!peer(sk));
            }
            None => lose(Loss::TrafficTableFull),
        }
        control
    }
}

/// Notes that calls of one more process have moved bytes over a socket.
#[inline(always)]
pub fn note_use(cookie: u64) {
    if let Some(socket) = SOCKETS.get_ptr_mut(cookie) {
        // SAFETY: a live map value.
        unsafe { (*socket).used += 1 };
    }
}

/// Whom a socket is connected to, in short: see [`Traffic::peer`](abi::traffic::Traffic::peer).
#[inline(always)]
pub unsafe fn peer(sk: *const u8) -> u64 {
    /// Of an IPv6 address, to its last 4 bytes.
    const LAST: usize = 12;
    // A choice by the family takes longer than both, and could not be followed in the object.
    // SAFETY: the caller's sk is a struct sock.
    unsafe {
        let port: u16 = load(sk, Field::SockPeerPort);
        let (v4, v6): (u32, u32) = (load(sk, Field::SockPeerV4), load(sk.add(LAST), Field::SockPeerV6));
        u64::from(port) ^ u64::from(v4) << 16 ^ u64::from(v6) << 32
    }
}

/// What a socket of this cookie is known by.
#[inline(always)]
pub unsafe fn identity(sk: *const u8, cookie: u64) -> u64 {
    // SAFETY: the caller's sk is a struct sock; its storage is live.
    unsafe { traffic::of(sk).map_or(cookie, |traffic| with_turn(cookie, (*traffic).turn)) }
}

/// Makes a datagram socket another one that was connected to another peer since it was described, unless that was often.
#[inline(always)]
pub unsafe fn turn_to(sk: *const u8, cookie: u64, peer: u64) {
    // SAFETY: the caller's sk is a struct sock; its storage is live.
    unsafe {
        let Some(traffic) = traffic::of(sk) else { return };
        // 0: another CPU is just about to describe it.
        let described = (&raw const (*traffic).peer).read_volatile();
        if described != 0 && described != !peer && (*traffic).turn < ANYBODYS_TURN {
            // First the turn: who sees the new peer must not go on with the former one's.
            turn(traffic, cookie);
            (&raw mut (*traffic).peer).write_volatile(!peer);
        }
    }
}

/// Makes a TCP socket another one that was connected before, and whose process has disconnected it (`AF_UNSPEC`).
#[inline(always)]
unsafe fn connect_again(sk: *const u8, cookie: u64, process: u64) {
    // SAFETY: the caller's sk is a struct sock; its storage and a map value are live.
    unsafe {
        if let Some(traffic) = traffic::of(sk)
            && let Some(socket) = SOCKETS.get_ptr_mut(with_turn(cookie, (*traffic).turn))
            // A connection that is older than the recording is known by its use, and one that failed by neither.
            && ((*socket).established_ns != 0 || (*socket).used != 0)
        {
            socket_uses::forget(&SocketKey { cookie, process });
            stream::ends(traffic);
            turn(traffic, cookie);
            // Times and sequence numbers are those of the connection before.
            (*traffic).arrival_ns = zero();
            (*traffic).send_queue_ns = zero();
            (*traffic).arrived = zero() as u32;
            (*traffic).send_queue = zero() as u32;
        }
    }
}

#[inline(always)]
unsafe fn turn(traffic: *mut Traffic, cookie: u64) {
    // SAFETY: the caller's storage is live, and so is a map value.
    unsafe {
        if let Some(socket) = SOCKETS.get_ptr_mut(with_turn(cookie, (*traffic).turn)) {
            (&raw mut (*socket).closed_ns).write_volatile(now_ns());
        }
        (*traffic).turn += 1;
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
