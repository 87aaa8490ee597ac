//! Payload per process, and per socket and direction.
//!
//! `sock_send_length` and `sock_recv_length` (6.3) see the result of every send and receive call, io_uring's
//! too, in the context of the caller. Not seen: TCP splice from a socket, `tcp_read_sock`, zero-copy receive; see
//! `bytes_read.rs`.

use core::ptr::null;

use abi::{
    burst::Burst,
    event::Event as _,
    fields::Field,
    loss::Loss,
    payload::{RECEIVED, SENT},
    progress::{NO_PROGRESS, PROGRESS_INTERVAL_NS, Progress},
    sockets::{AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP, SocketKey, SocketUse},
    stream::Stream,
    target::Process,
};
use aya_ebpf::{
    helpers::generated::{bpf_get_current_task_btf, bpf_skc_to_tcp_sock},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};

use crate::{
    atomic, counters,
    emit::{emit, lose, now_ns},
    kernel::{cookie, load},
    maps::SOCKET_USES,
    probes::{
        arrival, burst, connections,
        payload::{self, Call},
        send_queue, socket_uses, stream, traffic,
    },
    target,
};

/// Peer payload between two progress records; set by the daemon from the size of the transfer.
#[unsafe(no_mangle)]
static STRIDE_BYTES: u64 = 64 << 10;

const MSG_PEEK: i32 = 0x2;
const MSG_ERRQUEUE: i32 = 0x2000;
/// MSG_PEEK leaves the bytes queued: they would count twice. MSG_ERRQUEUE gives back what was sent. The kernel reports the
/// length for both (6.18).
const NO_RECEIVE: i32 = MSG_PEEK | MSG_ERRQUEUE;

/// `-EAGAIN`: a receive that did not wait, and found nothing.
const NOTHING_THERE: i32 = -11;

/// `-EFAULT`: the datagram is gone all the same (6.18).
const COPY_FAILED: i32 = -14;

/// A progress record is not older than this: the daemon would take it for one that comes too late.
const OLDEST_NS: u64 = 10_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Rx,
    Tx,
}

/// `sock_recv_length(struct sock *sk, int ret, int flags)`
#[btf_tracepoint(function = "sock_recv_length")]
pub fn sock_recv(ctx: BtfTracePointContext) -> i32 {
    let (sk, result, flags): (*const u8, i32, i32) = (ctx.arg(0), ctx.arg(1), ctx.arg(2));
    // SAFETY: argument 0 is a struct sock.
    let is_counted = flags & NO_RECEIVE == 0
        && unsafe {
            if counters::alone() {
                stream::takes(sk, result, false)
            } else {
                burst::takes(sk, result, RECEIVED)
            }
        };
    if !is_counted {
        returned(sk, result, flags, Direction::Rx, true);
    }
    0
}

/// `sock_send_length(struct sock *sk, int ret, int flags)`
#[btf_tracepoint(function = "sock_send_length")]
pub fn sock_send(ctx: BtfTracePointContext) -> i32 {
    let (sk, result, flags): (*const u8, i32, i32) = (ctx.arg(0), ctx.arg(1), ctx.arg(2));
    // SAFETY: argument 0 is a struct sock.
    let is_counted = unsafe {
        if counters::alone() { stream::takes(sk, result, true) } else { burst::takes(sk, result, SENT) }
    };
    if !is_counted {
        returned(sk, result, flags, Direction::Tx, true);
    }
    0
}

/// Adds the result of a call to the totals of its process and of its socket: at the call's end, in the caller's
/// context. `sk` must be a pointer whose type the verifier knows. With `bursts`, calls that follow may be taken by
/// [`burst::takes`] and [`stream::takes`]: not where the program can be preempted (fexit).
#[inline(always)]
pub fn returned(sk: *const u8, result: i32, flags: i32, direction: Direction, bursts: bool) {
    if direction == Direction::Rx && flags & NO_RECEIVE != 0 {
        return;
    }
    // SAFETY: the current task always exists.
    let task: *const u8 = unsafe { bpf_get_current_task_btf() }.cast_const().cast();
    // SAFETY: a task_struct.
    let tgid = unsafe { load(task, Field::TaskTgid) };
    let Some(process) = target::of(tgid) else {
        // One that has the socket, too, and is no target.
        if direction == Direction::Rx && (result >= 0 || result == COPY_FAILED) && !counters::alone() {
            // SAFETY: the caller's sk is a struct sock.
            unsafe { took_a_datagram(sk) };
        }
        return;
    };
    if result <= 0 && (result != NOTHING_THERE || direction == Direction::Tx) {
        if !counters::alone() {
            // SAFETY: in task context. The end of a stream: what follows may be another thing.
            unsafe { burst::settle_rest() };
        }
        if direction == Direction::Rx && matches!(result, 0 | COPY_FAILED) && !counters::alone() {
            // SAFETY: the caller's sk is a struct sock.
            unsafe { took_a_datagram(sk) };
        }
        return;
    }
    // SAFETY: the caller's sk is a struct sock; slots, elements and storages are live.
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
            if !counters::alone() {
                burst::pause(now_ns());
                payload::found_nothing();
            }
            return;
        }
        let mut bytes = result as u64;
        let now = now_ns();
        if !counters::alone() {
            burst::settle(now);
        }
        let cookie = cookie(sk);
        let serial = (*process).serial;
        if !counters::alone() && direction == Direction::Rx {
            payload::received();
        }
        let key = SocketKey { cookie, process: serial };
        let peer = connections::peer(sk);
        let used = socket_uses::known(&key, peer).ok_or(false).or_else(|_| {
            let received = if direction == Direction::Rx { bytes } else { 0 };
            socket_uses::find(sk, &key, protocol, received)
        });
        let cookie = used.map_or(cookie, |used| (*used).key.cookie);
        if bursts
            && stream::are_counted()
            && protocol == IPPROTO_TCP
            && let Ok(used) = used
        {
            bytes = stream::look(sk, used, bytes, (direction == Direction::Tx).into(), now);
        }
        atomic::add(total, bytes);
        let control = match used {
            Ok(used) => add(used, direction, bytes, 1, now),
            Err(control) => control,
        };
        if control {
            return;
        }
        let tid = load(task, Field::TaskPid);
        count_peer(process, tid, cookie, direction, bytes, now);
        if counters::alone() {
            return;
        }
        let moved = if direction == Direction::Rx { RECEIVED } else { SENT };
        let tcp: *const u8 = match protocol {
            IPPROTO_TCP => bpf_skc_to_tcp_sock(sk.cast_mut().cast()).cast_const().cast(),
            _ => null(),
        };
        let mut arrived_ns = 0;
        match (protocol, direction) {
            (IPPROTO_TCP, Direction::Tx) if !tcp.is_null() => {
                if let Some(traffic) = traffic::of(sk) {
                    send_queue::sent(sk, tcp, traffic, now);
                }
            }
            (IPPROTO_UDP, Direction::Rx) => {
                if let Some(traffic) = traffic::of(sk) {
                    arrived_ns = arrival::take(traffic);
                }
            }
            _ => {}
        }
        let call = Call {
            sk,
            tcp,
            task,
            tid,
            cookie,
            process: serial,
            family,
            protocol,
            direction: moved,
            bytes,
            at_ns: now,
            arrived_ns,
        };
        payload::moved(&call);
        if bursts && !tcp.is_null() {
            burst::begin(&call, tgid);
        }
    }
}

/// Adds the calls of a burst to the totals of its process and of its socket, and to the record of its payload.
#[inline(never)]
pub unsafe fn add_burst(burst: *mut Burst, direction: u32, now: u64) -> u32 {
    // SAFETY: the caller's burst is this CPU's own; slots and elements are live.
    unsafe {
        let Some(process) = target::of((*burst).tgid) else { return 0 };
        if (*process).serial != (*burst).process {
            return 0;
        }
        let (bytes, calls, at_ns) = ((*burst).bytes, (*burst).calls, (*burst).last_ns(now));
        let is_sent = direction == u32::from(SENT);
        atomic::add(
            if is_sent { &raw mut (*process).tcp_tx_bytes } else { &raw mut (*process).tcp_rx_bytes },
            bytes,
        );
        let way = if is_sent { Direction::Tx } else { Direction::Rx };
        match socket_uses::of_burst((*burst).identity, (*burst).process) {
            Some(used) => drop(add(used, way, bytes, calls.into(), at_ns)),
            // It was closed meanwhile, by another thread.
            None => lose(Loss::SocketTableFull),
        }
        count_peer(
            process,
            (*burst).tid,
            (*burst).identity,
            way,
            bytes,
            at_ns.max(now.saturating_sub(OLDEST_NS)),
        );
        payload::moved_by(burst, is_sent, at_ns);
    }
    0
}

/// Adds what calls on a TCP socket have moved that were not looked at.
#[inline(never)]
pub unsafe fn count_unseen(stream: *mut Stream, bytes: u64, is_sent: u32) -> u32 {
    if bytes == 0 {
        return 0;
    }
    let direction = if is_sent != 0 { Direction::Tx } else { Direction::Rx };
    // SAFETY: the caller's element is live, and so are slots and elements.
    unsafe {
        let now = now_ns();
        let Some(used) = use_of(stream) else { return 0 };
        let control = add(used, direction, bytes, 0, now);
        let Some(process) = target::of((*stream).tgid) else { return 0 };
        if (*process).serial != (*stream).key.process {
            return 0;
        }
        let total = match direction {
            Direction::Rx => &raw mut (*process).tcp_rx_bytes,
            Direction::Tx => &raw mut (*process).tcp_tx_bytes,
        };
        atomic::add(total, bytes);
        if !control {
            count_peer(process, (*stream).tid, (*stream).key.cookie, direction, bytes, now);
        }
    }
    0
}

/// Adds calls whose bytes are counted otherwise.
#[inline(always)]
pub unsafe fn count_calls(stream: *mut Stream, calls: u64, is_sent: bool) {
    // SAFETY: the caller's element is live, and so are elements.
    unsafe {
        if let Some(used) = use_of(stream) {
            let counts = &raw mut (*used).bytes;
            atomic::add(
                if is_sent { &raw mut (*counts).tx_calls } else { &raw mut (*counts).rx_calls },
                calls,
            );
        }
    }
}

#[inline(always)]
unsafe fn use_of(stream: *mut Stream) -> Option<*mut SocketUse> {
    // SAFETY: as the caller says.
    unsafe {
        let key = (*stream).key;
        SOCKET_USES
            .get_ptr_mut((*stream).used)
            .filter(|used| (**used).key.cookie == key.cookie && (**used).key.process == key.process)
    }
}

/// Forgets when a datagram arrived that a receive has taken without a record of it: the next one has its own time.
#[inline(always)]
unsafe fn took_a_datagram(sk: *const u8) {
    // SAFETY: the caller's sk is a struct sock; its storage is live.
    unsafe {
        if load::<u16>(sk, Field::SockProtocol) == IPPROTO_UDP
            && let Some(traffic) = traffic::of(sk)
        {
            arrival::take(traffic);
        }
    }
}

/// Adds to the socket's own count; true if it carries control traffic.
#[inline(always)]
unsafe fn add(used: *mut SocketUse, direction: Direction, bytes: u64, calls: u64, now: u64) -> bool {
    // SAFETY: the caller's element is live.
    unsafe {
        let counts = &raw mut (*used).bytes;
        match direction {
            Direction::Rx => {
                atomic::add(&raw mut (*counts).rx_bytes, bytes);
                atomic::add(&raw mut (*counts).rx_calls, calls);
            }
            Direction::Tx => {
                atomic::add(&raw mut (*counts).tx_bytes, bytes);
                atomic::add(&raw mut (*counts).tx_calls, calls);
            }
        }
        atomic::lower(&raw mut (*counts).first_ns, now);
        atomic::raise(&raw mut (*counts).last_ns, now);
        (*counts).control != 0
    }
}

/// Adds to the peer payload of the process, and records progress when it is due.
#[inline(always)]
unsafe fn count_peer(
    process: *mut Process,
    tid: u32,
    cookie: u64,
    direction: Direction,
    bytes: u64,
    now: u64,
) {
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
        if stride == NO_PROGRESS {
            return;
        }
        // Another CPU may have recorded more by now.
        let due = there.saturating_sub(*recorded) >= stride
            || now.saturating_sub((*process).progress_ns) >= PROGRESS_INTERVAL_NS;
        if due {
            (*process).progress_ns = now;
            *recorded = there;
            emit(Progress {
                kind: Progress::KIND as u32,
                tid,
                at_ns: now,
                process: (*process).serial,
                cookie,
                peer_rx_bytes: (*process).peer_rx_bytes,
                peer_tx_bytes: (*process).peer_tx_bytes,
            });
        }
    }
}
