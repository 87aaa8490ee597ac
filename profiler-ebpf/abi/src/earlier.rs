//! Events of captures up to November 2026, which no probe writes any more.

use super::{
    event::{Event, Kind},
    send_queue,
    span::{self, Waker},
};

/// Without deadline, CPU, and what the waker worked on.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    pub kind: u32,
    pub tid: u32,
    pub process: u64,
    pub off_ns: u64,
    pub woken_ns: u64,
    pub on_ns: u64,
    pub syscall: i32,
    pub flags: u32,
    pub arguments: [u64; 2],
    pub waker_process: u64,
    pub waker_tid: u32,
    pub context: u8,
    pub kernel: u8,
    pub _pad: [u8; 2],
    pub user_stack: i32,
    pub kernel_stack: i32,
}

const _: () = assert!(size_of::<Span>() == 88);

// SAFETY: plain integers without padding, `kind` first.
unsafe impl Event for Span {
    const KIND: Kind = Kind::EarlierSpan;
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SpanByOutsider {
    pub span: Span,
    pub stranger: [u8; 16],
}

const _: () = assert!(size_of::<SpanByOutsider>() == 104);

// SAFETY: plain integers without padding, `kind` first.
unsafe impl Event for SpanByOutsider {
    const KIND: Kind = Kind::EarlierSpanByOutsider;
}

impl From<Span> for span::Span {
    fn from(earlier: Span) -> Self {
        Self {
            kind: Self::KIND as u32,
            tid: earlier.tid,
            process: earlier.process,
            off_ns: earlier.off_ns,
            woken_ns: earlier.woken_ns,
            on_ns: earlier.on_ns,
            syscall: earlier.syscall,
            flags: earlier.flags as u16,
            cpu: span::NO_CPU,
            arguments: earlier.arguments,
            waker: Waker {
                process: earlier.waker_process,
                tid: earlier.waker_tid,
                context: earlier.context,
                kernel: earlier.kernel,
                ..Waker::default()
            },
            user_stack: earlier.user_stack,
            kernel_stack: earlier.kernel_stack,
            deadline_ns: 0,
        }
    }
}

/// Without the round trip time.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SendQueue {
    pub kind: u32,
    pub write_seq: u32,
    pub cookie: u64,
    pub at_ns: u64,
    pub tcp_clock_cache: u64,
    pub tcp_wstamp_ns: u64,
    pub snd_nxt: u32,
    pub snd_una: u32,
    pub snd_sml: u32,
    pub snd_wnd: u32,
    pub mss_cache: u32,
    pub snd_cwnd: u32,
    pub packets_out: u32,
    pub sacked_out: u32,
    pub lost_out: u32,
    pub retrans_out: u32,
    pub sk_pacing_status: u32,
    pub nonagle: u32,
}

const _: () = assert!(size_of::<SendQueue>() == 88);

// SAFETY: plain integers without padding, `kind` first.
unsafe impl Event for SendQueue {
    const KIND: Kind = Kind::EarlierSendQueue;
}

impl From<SendQueue> for send_queue::SendQueue {
    fn from(earlier: SendQueue) -> Self {
        Self {
            kind: Self::KIND as u32,
            write_seq: earlier.write_seq,
            cookie: earlier.cookie,
            at_ns: earlier.at_ns,
            tcp_clock_cache: earlier.tcp_clock_cache,
            tcp_wstamp_ns: earlier.tcp_wstamp_ns,
            snd_nxt: earlier.snd_nxt,
            snd_una: earlier.snd_una,
            snd_sml: earlier.snd_sml,
            snd_wnd: earlier.snd_wnd,
            mss_cache: earlier.mss_cache,
            snd_cwnd: earlier.snd_cwnd,
            packets_out: earlier.packets_out,
            sacked_out: earlier.sacked_out,
            lost_out: earlier.lost_out,
            retrans_out: earlier.retrans_out,
            sk_pacing_status: earlier.sk_pacing_status,
            nonagle: earlier.nonagle,
            srtt_us: 0,
            _pad: 0,
        }
    }
}
