//! Which calls moved payload, and how far: put together per CPU, so that a storm of small calls makes few records.
//!
//! A CPU has one slot for each way. They belong to the thread that is on it: calls are counted in the caller's context, and
//! `sched_switch` empties the slots. Traffic of control ports is left out: an event loop that answered a question
//! about the transfer has not moved the transfer.

use abi::{
    burst::Burst,
    event::Event as _,
    fields::Field,
    payload::{Destination, Payload, RECEIVED, SENT, TOGETHER_NS},
    sched::Thread,
    sockets::{IPPROTO_TCP, IPPROTO_UDP},
};

use crate::{
    emit::{emit, emit_alone},
    kernel::load,
    maps::PENDING,
    probes::destination,
    zero::zero,
};

/// A send or receive that moved bytes.
pub struct Call {
    pub sk: *const u8,
    /// The same as `tcp_sock`; null for other protocols.
    pub tcp: *const u8,
    /// The caller.
    pub task: *const u8,
    pub tid: u32,
    pub cookie: u64,
    pub process: u64,
    pub family: u16,
    pub protocol: u16,
    /// `RECEIVED` or `SENT`.
    pub direction: u16,
    pub bytes: u64,
    pub at_ns: u64,
    /// See [`Payload::arrived_ns`].
    pub arrived_ns: u64,
}

/// Adds a call to its slot on this CPU; records what was there if it is not continued.
///
/// The kernel calls the tracepoint after it has released the socket: where several threads read one socket, its
/// sequence number may be ahead of this call's bytes.
#[inline(always)]
pub unsafe fn moved(call: &Call) {
    let Some(pending) = PENDING.get_ptr_mut(0) else { return };
    // SAFETY: this CPU's own element, which nothing else uses while a probe runs in task context; the caller's sk
    // is a struct sock.
    unsafe {
        let slot = match call.direction {
            SENT => &raw mut (*pending).sends,
            _ => &raw mut (*pending).receives,
        };
        let destination = match (call.protocol, call.direction) {
            (IPPROTO_UDP, SENT) => destination::of(call.sk, call.family, call.task),
            _ => unknown(),
        };
        if (*pending).empty_calls != 0 || !continues(slot, call, destination) {
            flush(slot, emit);
            *slot = Payload {
                kind: Payload::KIND as u32,
                tid: call.tid,
                process: call.process,
                cookie: call.cookie,
                since_ns: call.at_ns,
                protocol: call.protocol,
                direction: call.direction,
                empty_calls: (*pending).empty_calls,
                destination,
                arrived_ns: call.arrived_ns,
                ..Payload::default()
            };
        }
        (*slot).bytes += call.bytes;
        (*slot).at_ns = call.at_ns;
        if !call.tcp.is_null() {
            (*slot).sequence = match call.direction {
                SENT => load(call.tcp, Field::TcpWriteSeq),
                _ => load(call.tcp, Field::TcpCopiedSeq),
            };
            (*slot).arrived = load(call.tcp, Field::TcpRcvNxt);
        }
        (*pending).empty_calls = 0;
    }
}

/// How long the record lasts that a call was added to.
#[inline(always)]
pub fn lasts_ns(direction: u16, now: u64) -> u64 {
    let Some(pending) = PENDING.get_ptr_mut(0) else { return TOGETHER_NS };
    // SAFETY: this CPU's own element.
    unsafe {
        let slot =
            if direction == SENT { &raw const (*pending).sends } else { &raw const (*pending).receives };
        now.saturating_sub((*slot).since_ns)
    }
}

/// Adds the calls of a burst to the slot that the call before them went into; records them by themselves if it is empty.
#[inline(always)]
pub unsafe fn moved_by(burst: *const Burst, is_sent: bool, at_ns: u64) {
    let Some(pending) = PENDING.get_ptr_mut(0) else { return };
    // SAFETY: this CPU's own element; the caller's burst is live.
    unsafe {
        let slot = if is_sent { &raw mut (*pending).sends } else { &raw mut (*pending).receives };
        if (*slot).bytes == 0 || (*slot).cookie != (*burst).identity || (*slot).tid != (*burst).tid {
            flush(slot, emit);
            *slot = Payload {
                kind: Payload::KIND as u32,
                tid: (*burst).tid,
                process: (*burst).process,
                cookie: (*burst).identity,
                since_ns: (*burst).at_ns,
                protocol: IPPROTO_TCP,
                direction: if is_sent { SENT } else { RECEIVED },
                ..Payload::default()
            };
        }
        (*slot).bytes += (*burst).bytes;
        (*slot).at_ns = at_ns;
        (*slot).sequence = (*burst).sequence;
        if !is_sent {
            (*slot).arrived = (*burst).arrived;
        }
    }
}

#[inline(always)]
fn unknown() -> Destination {
    Destination { family: zero() as u16, port: zero() as u16, _pad: zero() as u32, ip: [zero(), zero()] }
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
        flush(&raw mut (*pending).receives, emit_alone);
        flush(&raw mut (*pending).sends, emit_alone);
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
unsafe fn continues(slot: *const Payload, call: &Call, destination: Destination) -> bool {
    // SAFETY: the caller's slot is live.
    unsafe {
        (*slot).bytes != 0
            && (*slot).cookie == call.cookie
            && (*slot).tid == call.tid
            && (*slot).destination == destination
            && call.at_ns.saturating_sub((*slot).since_ns) <= TOGETHER_NS
    }
}

#[inline(always)]
unsafe fn flush(slot: *mut Payload, emit: impl FnOnce(Payload)) {
    // SAFETY: the caller's slot is live.
    unsafe {
        if (*slot).bytes != 0 {
            emit(*slot);
            (*slot).bytes = 0;
        }
    }
}
