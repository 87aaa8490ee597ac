//! What one thread does, one thing after the other, in ms.

use std::net::SocketAddr;

use analysis::attribution::observed::threads::Life;
use capture::{
    TimerKind, TimerSet,
    span::{Doing, Span, Stacks, Wake},
    traffic::{Direction, Payload},
};

use crate::tell::{FAULT, MS, Story};

/// A thread, and how far its script is.
pub struct Script<'s> {
    pub story: &'s mut Story,
    /// Place in `story.lives`.
    pub life: usize,
    pub at_ms: u64,
}

impl Script<'_> {
    pub fn runs(self, ms: u64) -> Self {
        self.until(ms)
    }

    pub fn waits(self, doing: Doing, ms: u64, wake: Wake) -> Self {
        self.off(ms, Some(ms), |span| Span { doing, wake, ..span })
    }

    /// Waits with `in_iowait` set.
    pub fn waits_for_io(self, doing: Doing, ms: u64, wake: Wake) -> Self {
        self.off(ms, Some(ms), |span| Span { doing, wake, iowait: true, ..span })
    }

    /// Waits with a time-out, which is due at `due_ms`.
    pub fn waits_until_due(self, doing: Doing, ms: u64, due_ms: u64, wake: Wake) -> Self {
        self.off(ms, Some(ms), |span| Span { doing, wake, deadline_ns: Some(due_ms * MS), ..span })
    }

    /// Waits until a timer of its own fires.
    pub fn waits_for_timer(self, doing: Doing, ms: u64, timer: u64) -> Self {
        self.off(ms, Some(ms), |span| Span { doing, wake: Wake::HrTimer, timer: Some(timer), ..span })
    }

    pub fn sets_timer(self, timer: u64, due_ms: u64) -> Self {
        let Life { process, tid, .. } = self.story.lives[self.life];
        let (at_ns, deadline_ns, kind) = (self.at_ms * MS, due_ms * MS, TimerKind::Timerfd);
        self.story.timers.push(TimerSet { at_ns, process, tid, timer, deadline_ns, kind });
        self
    }

    /// Woken after `ms`, and runs after `queued_ms` more.
    pub fn waits_and_queues(self, doing: Doing, ms: u64, queued_ms: u64, wake: Wake) -> Self {
        self.off(ms + queued_ms, Some(ms), |span| Span { doing, wake, ..span })
    }

    /// After the wait that was told last, it waits for a CPU.
    pub fn queues(self, ms: u64) -> Self {
        let span = self.story.spans.last_mut().expect("just told");
        span.on_ns = span.on_ns.map(|on_ns| on_ns + ms * MS);
        self.until(ms)
    }

    pub fn loses_its_cpu(self, ms: u64) -> Self {
        self.off(ms, None, |span| Span { preempted: true, ..span })
    }

    pub fn exceeds_its_quota(self, ms: u64) -> Self {
        self.off(ms, None, |span| Span { throttled: true, ..span })
    }

    pub fn never_wakes(self, doing: Doing, ms: u64) -> Self {
        self.off(ms, None, |span| Span { doing, on_ns: None, ..span })
    }

    pub fn receives(self, cookie: u64, bytes: u32) -> Self {
        let sequence = self.story.advance(cookie, "received", bytes);
        self.moves(cookie, Direction::Received, bytes, Some(sequence), None)
    }

    /// Receives after calls that found nothing.
    pub fn polls_and_receives(self, cookie: u64, bytes: u32) -> Self {
        let script = self.receives(cookie, bytes);
        script.story.traffic.payloads.last_mut().expect("just told").empty_calls = 100;
        script
    }

    pub fn sends(self, cookie: u64, bytes: u32) -> Self {
        let sequence = self.story.advance(cookie, "sent", bytes);
        self.moves(cookie, Direction::Sent, bytes, Some(sequence), None)
    }

    pub fn receives_datagram(self, cookie: u64, bytes: u32) -> Self {
        self.moves(cookie, Direction::Received, bytes, None, None)
    }

    pub fn sends_datagram(self, cookie: u64, bytes: u32, to: SocketAddr) -> Self {
        self.moves(cookie, Direction::Sent, bytes, None, Some(to))
    }

    /// The calls that share the last record go on for so long.
    pub fn goes_on(self, ms: u64) -> Self {
        self.story.traffic.payloads.last_mut().expect("just told").at_ns += ms * MS;
        self
    }

    fn moves(
        self,
        cookie: u64,
        direction: Direction,
        bytes: u32,
        sequence: Option<u32>,
        destination: Option<SocketAddr>,
    ) -> Self {
        let Life { process, tid, .. } = self.story.lives[self.life];
        let (at_ns, bytes, empty_calls) = (self.at_ms * MS, u64::from(bytes), 0);
        let since_ns = at_ns;
        let payload = Payload {
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
        };
        self.story.traffic.payloads.push(payload);
        self
    }

    fn off(self, ms: u64, woken_after_ms: Option<u64>, change: impl Fn(Span) -> Span) -> Self {
        let Life { process, tid, .. } = self.story.lives[self.life];
        let span = Span {
            process,
            tid,
            off_ns: self.at_ms * MS,
            woken_ns: woken_after_ms.map(|after_ms| (self.at_ms + after_ms) * MS),
            on_ns: Some((self.at_ms + ms) * MS),
            preempted: false,
            throttled: false,
            iowait: false,
            reclaim: false,
            doing: FAULT,
            wake: Wake::Unknown,
            stacks: Stacks::default(),
            ..Span::default()
        };
        self.story.spans.push(change(span));
        self.until(ms)
    }

    fn until(mut self, ms: u64) -> Self {
        self.at_ms += ms;
        self.story.lives[self.life].end_ns = self.at_ms * MS;
        self
    }
}
