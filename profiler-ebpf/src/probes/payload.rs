//! Which calls moved payload, and how far: put together per CPU, so that a storm of small calls makes few records.
//!
//! The slot of a CPU belongs to the thread that is on it: calls are counted in the caller's context, and
//! `sched_switch` empties the slot. Traffic of control ports is left out: an event loop that answered a question
//! about the transfer has not moved the transfer.

use profiler_ebpf::abi::{
    event::Event as _,
    fields::Field,
    payload::{Destination, Payload, Pending, SENT, TOGETHER_NS},
    sched::Thread,
    sockets::IPPROTO_UDP,
};

use crate::{emit::emit, kernel::load, maps::PENDING, probes::destination};

/// A send or receive that moved bytes.
pub struct Call {
    pub sk: *const u8,
    /// The same as `tcp_sock`; null for other protocols.
    pub tcp: *const u8,
    pub tid: u32,
    pub cookie: u64,
    pub process: u64,
    pub protocol: u16,
    /// `RECEIVED` or `SENT`.
    pub way: u16,
    pub bytes: u64,
    pub at_ns: u64,
}

/// Adds a call to the slot of this CPU; records what was there if it is not continued.
///
/// The kernel calls the tracepoint after it has released the socket: where several threads read one socket, its
/// sequence number may be ahead of this call's bytes.
#[inline(always)]
pub unsafe fn moved(call: &Call) {
    let Some(pending) = PENDING.get_ptr_mut(0) else { return };
    // SAFETY: this CPU's own element, which nothing else uses while a probe runs in task context; the caller's sk
    // is a struct sock.
    unsafe {
        let destination = match (call.protocol, call.way) {
            (IPPROTO_UDP, SENT) => destination::of(call.sk),
            _ => Destination::default(),
        };
        if !continues(pending, call, destination) {
            flush(pending);
            (*pending).since_ns = call.at_ns;
            (*pending).payload = Payload {
                kind: Payload::KIND as u32,
                tid: call.tid,
                process: call.process,
                cookie: call.cookie,
                protocol: call.protocol,
                way: call.way,
                empty_calls: (*pending).empty_calls,
                destination,
                ..Payload::default()
            };
        }
        (*pending).payload.bytes += call.bytes;
        (*pending).payload.at_ns = call.at_ns;
        if !call.tcp.is_null() {
            (*pending).payload.sequence = match call.way {
                SENT => load(call.tcp, Field::TcpWriteSeq),
                _ => load(call.tcp, Field::TcpCopiedSeq),
            };
            (*pending).payload.arrived = load(call.tcp, Field::TcpRcvNxt);
        }
        (*pending).empty_calls = 0;
    }
}

/// Notes that a receive got something, of whatever traffic.
#[inline(always)]
pub fn received() {
    if let Some(pending) = PENDING.get_ptr_mut(0) {
        // SAFETY: this CPU's own element.
        unsafe { (*pending).received = 1 };
    }
}

/// Notes a receive that found nothing.
#[inline(always)]
pub fn found_nothing() {
    let Some(pending) = PENDING.get_ptr_mut(0) else { return };
    // SAFETY: this CPU's own element.
    unsafe {
        if (*pending).received != 0 {
            (*pending).received = 0;
        } else {
            (*pending).empty_calls += 1;
        }
    }
}

/// Records what the thread has moved that leaves this CPU. Its empty calls are kept where it only gives way: what
/// follows a sleep is no polling.
#[inline(always)]
pub unsafe fn leave_cpu(thread: *mut Thread, asleep: bool) {
    let Some(pending) = PENDING.get_ptr_mut(0) else { return };
    // SAFETY: this CPU's own element; the caller's thread is a live map value.
    unsafe {
        flush(pending);
        (*thread).empty_calls = if asleep { 0 } else { (*pending).empty_calls };
        (*thread).received = if asleep { 0 } else { (*pending).received as u16 };
    }
}

/// Gives the slot of this CPU to the thread that comes.
#[inline(always)]
pub unsafe fn enter_cpu(thread: *const Thread) {
    let Some(pending) = PENDING.get_ptr_mut(0) else { return };
    // SAFETY: this CPU's own element; the caller's thread is a live map value.
    unsafe {
        (*pending).empty_calls = (*thread).empty_calls;
        (*pending).received = (*thread).received.into();
    }
}

#[inline(always)]
unsafe fn continues(pending: *const Pending, call: &Call, destination: Destination) -> bool {
    // SAFETY: the caller's element is live.
    unsafe {
        let payload = &(*pending).payload;
        payload.bytes != 0
            && payload.cookie == call.cookie
            && payload.way == call.way
            && payload.tid == call.tid
            && payload.destination == destination
            && (*pending).empty_calls == 0
            && call.at_ns.saturating_sub((*pending).since_ns) <= TOGETHER_NS
    }
}

#[inline(always)]
unsafe fn flush(pending: *mut Pending) {
    // SAFETY: the caller's element is live.
    unsafe {
        if (*pending).payload.bytes != 0 {
            emit((*pending).payload);
            (*pending).payload.bytes = 0;
        }
    }
}
