//! Counters alone, of TCP sockets with many calls: their bytes are told by TCP's own sequence numbers (`write_seq`, `copied_seq`), so
//! that most calls need no look. What is left of them is the way to the program and back, and a few instructions.
//!
//! Once 32 calls on a socket by one thread followed each other closely, one way, that way is counted so for the socket's life.
//! A call is looked at if it is the first on its socket in a tick of the kernel, by whatever thread of its CPU, and if it is on a
//! connection that is not established any more. What the others moved is counted at the next one that is looked at, as the
//! connection closes, and every time that the daemon has [`stream_settle`] run, or that [`stream_tick`] runs by itself.
//!
//! A socket of two processes is looked at as ever. One that becomes so later is, from the second one's first call on: who
//! moved what in the tick before is not known, and the loss is counted.
//!
//! Only where programs have a stack of their own (6.13), as bursts.

use abi::{
    fields::Field,
    loss::Loss,
    sockets::SocketUse,
    stream::{BEGUN, CLOSED, Calls, SEALED, STREAM_SLOTS, Stream, ahead},
};
use aya_ebpf::{
    helpers::{
        bpf_get_current_pid_tgid,
        generated::{bpf_get_current_task_btf, bpf_jiffies64, bpf_skc_to_tcp_sock},
    },
    macros::{perf_event, socket_filter},
    programs::{PerfEventContext, SkBuffContext},
};

use crate::{
    atomic, counters,
    emit::lose,
    kernel::{address, has, load, read},
    maps::{FREE_STREAMS, SOCKETS, STREAM_CALLS, STREAMS, USE_OF},
    places::NO_PLACE,
    probes::{bytes_read::SOCK_DONE, sockets, traffic},
};

const TCP_ESTABLISHED: u8 = 1;
const TCP_CLOSE: u8 = 7;

/// Calls follow each other closely if they are no further apart, on average.
const CLOSE_NS: u64 = 100_000;
/// After so many of them their socket is one with many calls.
const CLOSE_CALLS: u32 = 32;

/// A constant to the kernel's verifier.
#[inline(always)]
pub fn are_counted() -> bool {
    counters::alone() && has(Field::ProgPrivateStack)
}

/// Whether a call needs no look.
#[inline(always)]
pub unsafe fn takes(sk: *const u8, result: i32, is_sent: bool) -> bool {
    if !are_counted() || result <= 0 {
        return false;
    }
    // SAFETY: the caller's sk is a struct sock; this CPU's own element, and nothing else uses it in task context.
    unsafe {
        let Some(calls) = on_this_cpu(is_sent) else { return false };
        let cookie: u64 = load(sk, Field::SockCookie);
        if (*calls).jiffies != bpf_jiffies64()
            || (*calls).cookie != cookie
            || load::<u8>(sk, Field::SockState) != TCP_ESTABLISHED
        {
            return false;
        }
        match STREAMS.get_ptr_mut((*calls).stream) {
            // It ended, was connected again, or this is the first call of another process.
            Some(stream)
                if (*stream).cookie == cookie
                    && (*stream).shared == 0
                    && (*stream).tgid == (bpf_get_current_pid_tgid() >> 32) as u32 =>
            {
                (*calls).unseen += 1;
                true
            }
            _ => false,
        }
    }
}

/// What a call that returned has moved, and those before it that were not looked at.
#[inline(never)]
pub unsafe fn look(sk: *const u8, used: *mut SocketUse, result: u64, is_sent: u32, now: u64) -> u64 {
    // SAFETY: the caller's sk is a struct sock, its element is live, and so are map values.
    unsafe {
        let tcp: *const u8 = bpf_skc_to_tcp_sock(sk.cast_mut().cast()).cast_const().cast();
        if tcp.is_null() {
            return result;
        }
        let Some(calls) = on_this_cpu(is_sent != 0) else { return result };
        let ids = bpf_get_current_pid_tgid();
        let cookie: u64 = load(sk, Field::SockCookie);
        let tid = ids as u32;
        let last_tid = if is_sent != 0 { &raw mut (*used).sender_tid } else { &raw mut (*used).receiver_tid };
        let gap_ns = now.saturating_sub((*calls).at_ns) / ((*calls).unseen | 1);
        let follows = (*calls).cookie == cookie && last_tid.read_volatile() == tid && gap_ns <= CLOSE_NS;
        last_tid.write_volatile(tid);
        count_calls(calls, is_sent);
        (*calls).close = if follows { (*calls).close.saturating_add(1) } else { 0 };
        (*calls).cookie = cookie;
        (*calls).at_ns = now;
        (*calls).jiffies = 0;
        let is_steady = (*calls).close >= CLOSE_CALLS && load::<u8>(sk, Field::SockState) == TCP_ESTABLISHED;
        // A call that another thread is in the midst of has moved something that its result will tell.
        let is_alone =
            load::<u32>(sk, Field::SockWritePending) == 0 && load::<i32>(sk, Field::SockOwned) == 0;

        let slot = match (&raw const (*used).stream).read_volatile() as u32 {
            NO_PLACE if is_steady && is_alone => begin(sk, used, ids),
            slot => slot,
        };
        if slot == NO_PLACE {
            return result;
        }
        let Some(stream) = STREAMS.get_ptr_mut(slot) else { return result };
        let counted = way(stream, is_sent != 0);
        let sequence = sequence(sk, tcp, is_sent != 0);
        let bytes = match counted.read_volatile() & BEGUN {
            0 => result,
            _ => advance(counted, sequence, SEALED),
        };
        if is_steady && (*stream).shared == 0 {
            if is_alone {
                // Does nothing where it has begun.
                atomic::compare_exchange(counted, 0, BEGUN | u64::from(sequence));
            }
            if counted.read_volatile() & BEGUN != 0 {
                (*calls).stream = slot;
                (*calls).jiffies = bpf_jiffies64();
            }
        }
        bytes
    }
}

/// To be called for each process's first use of a socket.
#[inline(always)]
pub unsafe fn join(sk: *const u8, used: *mut SocketUse) {
    // SAFETY: the caller's sk is a struct sock, its element is live, and so are its storage and map values.
    unsafe {
        if are_counted()
            && let Some(traffic) = traffic::of(sk)
            && (*traffic).stream != 0
            && let Some(stream) = STREAMS.get_ptr_mut((*traffic).stream as u32)
        {
            (&raw mut (*stream).shared).write_volatile(1);
            (*used).stream = (*traffic).stream;
            lose(Loss::StreamShared);
        }
    }
}

/// To be called before FIN is sent, and as a connection is closed: counts what was not looked at.
#[inline(never)]
pub unsafe fn closes(sk: *const u8, is_closed: u32) -> u32 {
    // SAFETY: the caller's sk is a struct sock; its storage and map values are live.
    unsafe {
        let Some(traffic) = traffic::of(sk) else { return 0 };
        let tcp: *const u8 = bpf_skc_to_tcp_sock(sk.cast_mut().cast()).cast_const().cast();
        if (*traffic).stream == 0 || tcp.is_null() {
            return 0;
        }
        let Some(stream) = STREAMS.get_ptr_mut((*traffic).stream as u32) else { return 0 };
        let (received, sent) = (way(stream, false), way(stream, true));
        let taken = advance(received, sequence(sk, tcp, false), CLOSED);
        sockets::count_unseen(stream, taken, 0);
        let given = advance(sent, sequence(sk, tcp, true), SEALED);
        sockets::count_unseen(stream, given, 1);
        if sent.read_volatile() & BEGUN != 0 {
            atomic::exchange(sent, BEGUN | SEALED);
        }
        let counted = received.read_volatile();
        if is_closed != 0 && counted & BEGUN != 0 {
            // A call that takes more just now has moved it on: the next look is then that of another call.
            atomic::compare_exchange(received, counted, counted | CLOSED);
        }
        0
    }
}

/// Forgets a socket that is gone, or is to be connected again.
#[inline(always)]
pub unsafe fn ends(traffic: *mut abi::traffic::Traffic) {
    // SAFETY: the caller's storage is live, and so are map values.
    unsafe {
        if are_counted() && (*traffic).stream != 0 {
            let slot = (*traffic).stream as u32;
            (*traffic).stream = 0;
            if let Some(stream) = STREAMS.get_ptr_mut(slot) {
                give_back(stream, slot);
            }
        }
    }
}

/// Never attached: the daemon has the kernel run it, every now and then and when the probes are detached.
#[socket_filter]
pub fn stream_settle(_ctx: SkBuffContext) -> i64 {
    settle_all();
    0
}

/// A `cpu-clock` event of one CPU, for a daemon that may not have a program run. It interrupts what else counts on that CPU, as other
/// CPUs do.
#[perf_event]
pub fn stream_tick(_ctx: PerfEventContext) -> u32 {
    settle_all();
    0
}

#[inline(always)]
fn settle_all() {
    if are_counted() {
        for slot in 1..STREAM_SLOTS {
            // SAFETY: an element's number.
            unsafe { settle(slot) };
        }
    }
}

/// Counts what was not looked at of one socket, whose memory may be another's by now.
#[inline(never)]
unsafe fn settle(slot: u32) -> u32 {
    let Some(stream) = STREAMS.get_ptr_mut(slot) else { return 0 };
    // SAFETY: a live element; the helper checks addresses. The sequence numbers are read before it is known whose they were.
    unsafe {
        let sk = (&raw const (*stream).sk).read_volatile();
        let cookie = (&raw const (*stream).cookie).read_volatile();
        if sk == 0 || cookie == 0 {
            return 0;
        }
        let sk = sk as *const u8;
        let (received, sent) = (way(stream, false), way(stream, true));
        let (counted_received, counted_sent) = (received.read_volatile(), sent.read_volatile());
        let (Some(taken), Some(arrived), Some(flags), Some(given), Some(state), Some(whose)) = (
            read::<u32>(sk, Field::TcpCopiedSeq),
            read::<u32>(sk, Field::TcpRcvNxt),
            read::<u64>(sk, Field::SockFlags),
            read::<u32>(sk, Field::TcpWriteSeq),
            read::<u8>(sk, Field::SockState),
            read::<u64>(sk, Field::SockCookie),
        ) else {
            return 0;
        };
        if whose != cookie {
            // Closed while no probe was attached.
            give_back(stream, slot);
            return 0;
        }
        if state == TCP_CLOSE {
            return 0;
        }
        let fin = taken == arrived && flags & SOCK_DONE != 0;
        let taken = taken.wrapping_sub(fin.into());
        sockets::count_unseen(stream, advance_once(received, counted_received, taken, CLOSED), 0);
        sockets::count_unseen(stream, advance_once(sent, counted_sent, given, SEALED), 1);
        0
    }
}

/// Takes an element for a socket that one process uses alone.
#[inline(always)]
unsafe fn begin(sk: *const u8, used: *mut SocketUse, ids: u64) -> u32 {
    // SAFETY: as the caller says.
    unsafe {
        let key = (*used).key;
        let Some(socket) = SOCKETS.get_ptr_mut(key.cookie) else { return NO_PLACE };
        let (Some(slot_of_use), Some(traffic)) = (USE_OF.get(key), traffic::of(sk)) else { return NO_PLACE };
        if (*socket).used != 1 {
            return NO_PLACE;
        }
        let slot = match FREE_STREAMS.pop() {
            Ok(Some(slot)) if slot != NO_PLACE && slot < STREAM_SLOTS => slot,
            _ => return NO_PLACE,
        };
        let Some(stream) = STREAMS.get_ptr_mut(slot) else { return NO_PLACE };
        let before = atomic::compare_exchange(&raw mut (*used).stream, 0, slot.into()) as u32;
        if before != NO_PLACE {
            // Another thread's call was quicker.
            let _ = FREE_STREAMS.push(slot, 0);
            return before;
        }
        (*stream).key = key;
        (*stream).used = *slot_of_use;
        (*stream).tgid = (ids >> 32) as u32;
        (*stream).tid = ids as u32;
        (*stream).shared = 0;
        (*traffic).stream = slot.into();
        let task = bpf_get_current_task_btf().cast_const().cast();
        (&raw mut (*stream).cookie).write_volatile(load(sk, Field::SockCookie));
        (&raw mut (*stream).sk).write_volatile(address(sk, task));
        slot
    }
}

/// Both ways are 0 in an element that is nobody's.
#[inline(always)]
unsafe fn give_back(stream: *mut Stream, slot: u32) {
    // SAFETY: the caller's element is live.
    unsafe {
        if atomic::exchange(&raw mut (*stream).sk, 0) != 0 {
            (&raw mut (*stream).cookie).write_volatile(0);
            (&raw mut (*stream).received).write_volatile(0);
            (&raw mut (*stream).sent).write_volatile(0);
            let _ = FREE_STREAMS.push(slot, 0);
        }
    }
}

/// Adds calls that were not looked at to their socket's.
#[inline(always)]
unsafe fn count_calls(calls: *mut Calls, is_sent: u32) {
    // SAFETY: this CPU's own element; map values are live.
    unsafe {
        if (*calls).unseen != 0 {
            if let Some(stream) = STREAMS.get_ptr_mut((*calls).stream) {
                sockets::count_calls(stream, (*calls).unseen, is_sent != 0);
            }
            (*calls).unseen = 0;
        }
    }
}

/// Where the next byte is in the sequence that a call moves. FIN has a place there, and is no byte.
#[inline(always)]
unsafe fn sequence(sk: *const u8, tcp: *const u8, is_sent: bool) -> u32 {
    // SAFETY: the caller's sk is a struct sock, its tcp the same.
    unsafe {
        if is_sent {
            return load(tcp, Field::TcpWriteSeq);
        }
        let taken: u32 = load(tcp, Field::TcpCopiedSeq);
        let fin = taken == load(tcp, Field::TcpRcvNxt) && load::<u64>(sk, Field::SockFlags) & SOCK_DONE != 0;
        taken.wrapping_sub(fin.into())
    }
}

/// Counts up to a sequence number; gives how many bytes that are.
#[inline(always)]
unsafe fn advance(counted: *mut u64, sequence: u32, closed: u64) -> u64 {
    /// Each try that fails is another CPU's that has counted more meanwhile.
    const TRIES: u32 = 4;
    // SAFETY: the caller's word is live.
    unsafe {
        for _ in 0..TRIES {
            let there = counted.read_volatile();
            let bytes = advance_once(counted, there, sequence, closed);
            if bytes != 0 || counted.read_volatile() == there {
                return bytes;
            }
        }
        0
    }
}

#[inline(always)]
unsafe fn advance_once(counted: *mut u64, there: u64, sequence: u32, closed: u64) -> u64 {
    /// Above the sequence number.
    const FLAGS: u64 = !(u32::MAX as u64);
    let bytes = ahead(there, sequence);
    if there & BEGUN == 0 || there & closed != 0 || bytes == 0 {
        return 0;
    }
    // SAFETY: the caller's word is live.
    let before = unsafe { atomic::compare_exchange(counted, there, there & FLAGS | u64::from(sequence)) };
    if before == there { bytes.into() } else { 0 }
}

#[inline(always)]
unsafe fn way(stream: *mut Stream, is_sent: bool) -> *mut u64 {
    // SAFETY: the caller's element is live.
    unsafe { if is_sent { &raw mut (*stream).sent } else { &raw mut (*stream).received } }
}

#[inline(always)]
unsafe fn on_this_cpu(is_sent: bool) -> Option<*mut Calls> {
    let calls = STREAM_CALLS.get_ptr_mut(0)?;
    // SAFETY: this CPU's own element.
    Some(unsafe { if is_sent { &raw mut (*calls).sent } else { &raw mut (*calls).received } })
}
