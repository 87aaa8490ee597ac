//! What attribution works on, as recorded: every off-CPU interval, every movement of payload. Not folded, and not
//! ordered; packed, because there may be millions.

use std::collections::{HashMap, HashSet};

use capture::{
    DiskRequests, ProcessSerial, Retransmit, Stack, TimerSet,
    span::Span,
    traffic::{Arrival, Payload, SendQueue},
};

use super::{DeviceId, OutsideRuns, Outsider, Requester, Requests};
use crate::rows::{Codec, Row, Rows};

/// A time in which records were lost: a thread whose off-CPU interval is missing looks as if it had run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lossy {
    pub from_ns: u64,
    pub to_ns: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Events {
    pub spans: Rows<Span>,
    /// The threads of spans that had not ended.
    pub off_at_end: HashSet<(ProcessSerial, u32)>,
    /// Command names of wakers that are no targets, by thread id.
    pub outside_wakers: HashMap<u32, String>,
    /// By id.
    pub stacks: HashMap<u32, Stack>,
    pub payloads: Rows<Payload>,
    pub arrivals: Rows<Arrival>,
    pub send_queues: Rows<SendQueue>,
    pub timers: Rows<TimerSet>,
    pub retransmits: Rows<Retransmit>,
    pub outside_runs: OutsideRuns,
    pub requests: Rows<Requests>,
}

impl Events {
    /// Who is no target is one of those of `outside_runs`.
    pub fn add_requests(&mut self, requests: DiskRequests) {
        let DiskRequests { major, minor, bytes, queued_ns, issued_ns, last_ns, by_kernel, .. } = requests;
        let by = match requests.process {
            Some(process) => Requester::Process(process),
            None => {
                let outsider = self.outside_runs.index(Outsider { pid: requests.pid, comm: requests.comm });
                if by_kernel { Requester::Kernel(outsider) } else { Requester::Outsider(outsider) }
            }
        };
        let device = DeviceId { major, minor };
        self.requests.push(Requests { device, by, bytes, queued_ns, issued_ns, last_ns });
    }
}

/// By when they ended: threads that slept for long are not far out of place.
impl Row for Span {
    fn at_ns(&self) -> u64 {
        self.on_ns.or(self.woken_ns).unwrap_or(u64::MAX)
    }

    fn code(&mut self, before: &Self, codec: &mut impl Codec) {
        let Self {
            process,
            tid,
            off_ns,
            woken_ns,
            on_ns,
            preempted,
            throttled,
            iowait,
            reclaim,
            doing,
            wake,
            stacks,
            deadline_ns,
            timer,
            socket,
            cpu,
            submitted_ns,
            submitter_tid,
            segment,
            by_kernel,
        } = self;
        codec.like(process, before.process);
        codec.like(tid, before.tid);
        codec.step(off_ns, before.off_ns);
        codec.some(woken_ns, before.off_ns);
        codec.some(on_ns, before.off_ns);
        codec.like(preempted, before.preempted);
        codec.like(throttled, before.throttled);
        codec.like(iowait, before.iowait);
        codec.like(reclaim, before.reclaim);
        codec.like(doing, before.doing);
        codec.like(wake, before.wake);
        codec.like(stacks, before.stacks);
        codec.some(deadline_ns, before.off_ns);
        codec.like(timer, before.timer);
        codec.like(socket, before.socket);
        codec.like(cpu, before.cpu);
        codec.some(submitted_ns, before.off_ns);
        codec.like(submitter_tid, before.submitter_tid);
        codec.like(segment, before.segment);
        codec.like(by_kernel, before.by_kernel);
    }
}

impl Row for Payload {
    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn code(&mut self, before: &Self, codec: &mut impl Codec) {
        let Self {
            since_ns,
            at_ns,
            process,
            tid,
            cookie,
            direction,
            bytes,
            sequence,
            destination,
            empty_calls,
        } = self;
        codec.step(since_ns, before.at_ns);
        codec.step(at_ns, before.at_ns);
        codec.like(process, before.process);
        codec.like(tid, before.tid);
        codec.step(cookie, before.cookie);
        codec.like(direction, before.direction);
        codec.step(bytes, before.bytes);
        codec.some32(sequence, before.sequence);
        codec.like(destination, before.destination);
        codec.step32(empty_calls, before.empty_calls);
    }
}

impl Row for Arrival {
    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn code(&mut self, before: &Self, codec: &mut impl Codec) {
        let Self { at_ns, cookie, sequence } = self;
        codec.step(at_ns, before.at_ns);
        codec.step(cookie, before.cookie);
        codec.some32(sequence, before.sequence);
    }
}

impl Row for SendQueue {
    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn code(&mut self, before: &Self, codec: &mut impl Codec) {
        let Self {
            at_ns,
            cookie,
            write_seq,
            in_flight_bytes,
            unsent_bytes,
            held_by,
            smoothed_rtt_us,
            congestion_window_bytes,
            peer_window_bytes,
        } = self;
        codec.step(at_ns, before.at_ns);
        codec.step(cookie, before.cookie);
        codec.step32(write_seq, before.write_seq);
        codec.step32(in_flight_bytes, before.in_flight_bytes);
        codec.step32(unsent_bytes, before.unsent_bytes);
        codec.like(held_by, before.held_by);
        codec.some32(smoothed_rtt_us, before.smoothed_rtt_us);
        codec.step32(congestion_window_bytes, before.congestion_window_bytes);
        codec.step32(peer_window_bytes, before.peer_window_bytes);
    }
}

impl Row for TimerSet {
    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn code(&mut self, before: &Self, codec: &mut impl Codec) {
        let Self { at_ns, process, tid, timer, deadline_ns, kind } = self;
        codec.step(at_ns, before.at_ns);
        codec.like(process, before.process);
        codec.like(tid, before.tid);
        codec.like(timer, before.timer);
        codec.step(deadline_ns, before.deadline_ns);
        codec.like(kind, before.kind);
    }
}

impl Row for Retransmit {
    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn code(&mut self, before: &Self, codec: &mut impl Codec) {
        let Self { at_ns, cookie, sequence, past } = self;
        codec.step(at_ns, before.at_ns);
        codec.step(cookie, before.cookie);
        codec.step32(sequence, before.sequence);
        codec.step32(past, before.past);
    }
}
