//! Calls on one TCP socket that follow each other closely: of a burst, most are only added up, by a program that looks at
//! nothing but the socket, and reads no clock. Two thirds of what a call costs are saved.
//!
//! A call is looked at as ever if it is the first on its socket since the thread came to its CPU, if calls before it were further
//! apart, after a receive that found nothing, at each tick of the kernel, and so often that a record of payload holds what
//! [`TOGETHER_NS`] allows. A receive that leaves nothing unread is counted at once, with its time: whoever has taken everything
//! may do something else next. So is the second call since the thread came to its CPU, which tells how far apart they are now. A
//! burst is added to the counts, and recorded, at the next such call or one that is looked at, as the thread leaves its CPU, and as a
//! socket is closed.
//! Until then the counts lack it: of a thread that computes after its last send, for as long as that.
//!
//! Only where programs have a stack of their own (6.13): to add a burst takes more than is left of 512 bytes where one ends.

use abi::{
    burst::{BURST_CALLS, Burst, HAS_COME, LOOKED_ONCE},
    fields::Field,
    payload::{RECEIVED, SENT, TOGETHER_NS},
};
use aya_ebpf::helpers::generated::{bpf_jiffies64, bpf_skc_to_tcp_sock};

use crate::{
    counters,
    emit::now_ns,
    kernel::{has, load},
    maps::BURSTS,
    probes::{
        payload::{self, Call},
        send_queue, sockets, traffic,
    },
};

/// Adds a call to the burst that it continues; false if it must be looked at.
///
/// The thread is the one that began it: `sched_switch` ends all bursts.
#[inline(always)]
pub unsafe fn takes(sk: *const u8, result: i32, direction: u16) -> bool {
    // SAFETY: the caller's sk is a struct sock; this CPU's own element, which nothing else uses in task context.
    unsafe {
        let Some(burst) = on_this_cpu(direction) else { return false };
        if result <= 0 || (*burst).left == 0 || (*burst).cookie != load(sk, Field::SockCookie) {
            return false;
        }
        if (*burst).jiffies != bpf_jiffies64() {
            return false;
        }
        let mut is_timed = (*burst).gap_is_old != 0;
        if direction == RECEIVED {
            let tcp: *const u8 = bpf_skc_to_tcp_sock(sk.cast_mut().cast()).cast_const().cast();
            if tcp.is_null() {
                return false;
            }
            let (arrived, read): (u32, u32) = (load(tcp, Field::TcpRcvNxt), load(tcp, Field::TcpCopiedSeq));
            is_timed |= arrived == read;
            if is_timed && !time(burst, direction, now_ns()) {
                return false;
            }
            (*burst).sequence = read;
            (*burst).arrived = arrived;
        } else {
            if is_timed && !time(burst, direction, now_ns()) {
                return false;
            }
            if is_timed {
                note_send_queue(sk, (*burst).timed_ns);
            }
            (*burst).sequence = (*burst).sequence.wrapping_add(result as u32);
        }
        (*burst).bytes += result as u64;
        (*burst).calls += 1;
        (*burst).left -= 1;
        if is_timed {
            settle((*burst).timed_ns);
        } else {
            (*burst).since += 1;
        }
        true
    }
}

#[inline(always)]
unsafe fn note_send_queue(sk: *const u8, now: u64) {
    // SAFETY: the caller's sk is a struct sock; its storage is live.
    unsafe {
        let tcp: *const u8 = bpf_skc_to_tcp_sock(sk.cast_mut().cast()).cast_const().cast();
        if !tcp.is_null()
            && let Some(traffic) = traffic::of(sk)
        {
            send_queue::sent(sk, tcp, traffic, now);
        }
    }
}

/// Notes when a call returned that may continue a burst; false if it is too late for that.
#[inline(always)]
unsafe fn time(burst: *mut Burst, direction: u16, now: u64) -> bool {
    let lasts_ns = payload::lasts_ns(direction, now);
    if lasts_ns > TOGETHER_NS {
        return false;
    }
    // SAFETY: the caller's burst is this CPU's own.
    unsafe {
        let gap_ns = now.saturating_sub((*burst).timed_ns) / (u64::from((*burst).since) + 1);
        let left = (TOGETHER_NS - lasts_ns) / (gap_ns | 1);
        (*burst).gap_ns = gap_ns;
        (*burst).timed_ns = now;
        (*burst).since = 0;
        (*burst).gap_is_old = 0;
        // This one is still to be taken off.
        if left < u64::from((*burst).left) {
            (*burst).left = left as u32 + 1;
        }
        true
    }
}

/// To be called when a call on a TCP socket was looked at: those that follow may continue it.
#[inline(always)]
pub unsafe fn begin(call: &Call, tgid: u32) {
    // SAFETY: this CPU's own element; the caller's sk is a struct sock, its tcp the same.
    unsafe {
        let Some(burst) = on_this_cpu(call.direction) else { return };
        let cookie: u64 = load(call.sk, Field::SockCookie);
        let mut left = 0;
        // Without switches nothing tells that another thread has come.
        if (*burst).cookie == cookie && (*burst).tid == call.tid && !counters::are_switches_shed() {
            if (*burst).gap_is_old == HAS_COME {
                (*burst).gap_is_old = LOOKED_ONCE;
            } else {
                (*burst).gap_is_old = 0;
                (*burst).gap_ns =
                    call.at_ns.saturating_sub((*burst).timed_ns) / (u64::from((*burst).since) + 1);
            }
            let room_ns = TOGETHER_NS.saturating_sub(payload::lasts_ns(call.direction, call.at_ns));
            left = (room_ns / ((*burst).gap_ns | 1)).min(BURST_CALLS);
        } else {
            (*burst).gap_is_old = 0;
        }
        (*burst).cookie = cookie;
        (*burst).left = left as u32;
        (*burst).since = 0;
        (*burst).at_ns = call.at_ns;
        (*burst).timed_ns = call.at_ns;
        (*burst).jiffies = bpf_jiffies64();
        (*burst).tid = call.tid;
        (*burst).tgid = tgid;
        (*burst).process = call.process;
        (*burst).identity = call.cookie;
        if call.direction == SENT {
            (*burst).sequence = load(call.tcp, Field::TcpWriteSeq);
        }
    }
}

/// Adds what this CPU has of bursts to the counts; to be called before a call is looked at.
#[inline(always)]
pub unsafe fn settle(now: u64) {
    // SAFETY: as the caller says.
    unsafe { each(|burst, direction| settle_one(burst, direction, now)) };
}

/// The same where a call moved nothing: as a rule there is nothing to add.
#[inline(always)]
pub unsafe fn settle_rest() {
    // SAFETY: as the caller says.
    unsafe {
        each(|burst, direction| {
            if (*burst).calls != 0 {
                settle_one(burst, direction, now_ns());
            }
        });
    }
}

/// The same, and the next calls are looked at: a receive found nothing.
#[inline(always)]
pub unsafe fn pause(now: u64) {
    // SAFETY: as the caller says.
    unsafe {
        each(|burst, direction| {
            settle_one(burst, direction, now);
            (*burst).left = 0;
        });
    }
}

/// The same, for good: another thread may come.
#[inline(always)]
pub unsafe fn end(now: u64) {
    // SAFETY: as the caller says.
    unsafe {
        each(|burst, direction| {
            settle_one(burst, direction, now);
            (*burst).left = 0;
            (*burst).gap_is_old = HAS_COME;
        });
    }
}

#[inline(always)]
unsafe fn settle_one(burst: *mut Burst, direction: u16, now: u64) {
    // SAFETY: the caller's burst is this CPU's own.
    unsafe {
        if (*burst).calls != 0 {
            sockets::add_burst(burst, direction.into(), now);
            (*burst).calls = 0;
            (*burst).bytes = 0;
        }
    }
}

#[inline(always)]
unsafe fn each(with: impl Fn(*mut Burst, u16)) {
    if has(Field::ProgPrivateStack)
        && let Some(bursts) = BURSTS.get_ptr_mut(0)
    {
        // SAFETY: this CPU's own element.
        unsafe {
            with(&raw mut (*bursts).received, RECEIVED);
            with(&raw mut (*bursts).sent, SENT);
        }
    }
}

#[inline(always)]
unsafe fn on_this_cpu(direction: u16) -> Option<*mut Burst> {
    let bursts = if has(Field::ProgPrivateStack) { BURSTS.get_ptr_mut(0)? } else { return None };
    // SAFETY: this CPU's own element.
    Some(unsafe { if direction == SENT { &raw mut (*bursts).sent } else { &raw mut (*bursts).received } })
}
