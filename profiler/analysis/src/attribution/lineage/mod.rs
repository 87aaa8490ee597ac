//! Lineage: the chain of sends, arrivals, wake-ups and runs that a piece of payload needed, and nothing else, walked
//! backwards in time.
//!
//! The walk is in one thread at a time, and its time only falls: a jump to another thread never returns. In a thread, running,
//! runnable and waits for one certain thing are its own, and the walk goes on before them. Only *idle* waits are asked what
//! ended them ([`round`]): bytes of this connection, whose sender is gone on with; those of another one; another thread; a
//! timer, whose time counts from its arming ([`timer`]).

mod loss;
mod round;
mod timer;
mod together;

use std::{cell::RefCell, ops::Range};

use crate::attribution::{
    Evidence, calls,
    cause::{self, Cause},
    cuts::Cut,
    deadlines::{self, Due},
    observed::{
        payload::Movement,
        threads::{OffCpu, ThreadIndex},
    },
    segment::{Segment, Side},
    shares::{Network, Share},
    transit::{self, Part},
};
use capture::{ProcessSerial, traffic::Direction};
use round::Missing;

/// Jumps at one moment: records that contradict each other could be walked in a circle. One record may stand for some tens of
/// receives, each of which made room for the next.
const MOST_JUMPS_AT_ONCE: u32 = 256;

/// Takes what walks find, of each the latest first. It covers the walk's time without overlap.
pub trait Found {
    /// `rate` is what the walk's time weighs.
    fn segment(&mut self, rate: f64, segment: Segment);

    /// All of a thread's time between two moments is its own.
    fn own(&mut self, rate: f64, thread: (ThreadIndex, Side), between_ns: Range<u64>);

    /// No walk will come to a wait that began at this moment or later.
    fn passed(&mut self, at_ns: u64);
}

impl<F: Found> Found for &mut F {
    fn segment(&mut self, rate: f64, segment: Segment) {
        (**self).segment(rate, segment);
    }

    fn own(&mut self, rate: f64, thread: (ThreadIndex, Side), between_ns: Range<u64>) {
        (**self).own(rate, thread, between_ns);
    }

    fn passed(&mut self, at_ns: u64) {
        (**self).passed(at_ns);
    }
}

/// What a thread is walked for.
#[derive(Clone, Copy, Debug)]
enum Goal {
    /// These bytes, which it received.
    Receive(Movement),
    /// These bytes, which it sent.
    Send(Movement),
    /// A wake-up of another thread, on the way of bytes of this connection if there was one.
    Wake(Option<u64>),
}

impl Goal {
    fn of(movement: &Movement) -> Self {
        match movement.direction {
            Direction::Received => Self::Receive(*movement),
            Direction::Sent => Self::Send(*movement),
        }
    }
}

/// Walks back from the movement that ends each cut to the cut's start; with what each cut's time weighs.
pub fn of_cuts(evidence: &Evidence, cuts: impl Iterator<Item = (Cut, f64)>, found: &mut impl Found) {
    let found = RefCell::new(found);
    let begun = cuts.map(|(Cut { end, from_ns, to_ns, .. }, rate)| {
        Walk::new(evidence, &found, rate, (end.thread, Goal::of(&end)), from_ns..to_ns)
    });
    together::walk_all(begun.collect());
}

/// Walks back from what a thread did at `to_ns`, whatever it was for. Behind a time in which records were lost it begins again.
pub fn of_thread(evidence: &Evidence, thread: ThreadIndex, from_ns: u64, to_ns: u64, found: &mut impl Found) {
    let found = RefCell::new(found);
    let mut until_ns = to_ns;
    let mut walks = Vec::new();
    let mut walk = |from_ns, to_ns| {
        walks.push(Walk::new(evidence, &found, 1.0, (thread, Goal::Wake(None)), from_ns..to_ns));
    };
    for lossy in
        evidence.observed.lossy.iter().rev().filter(|lossy| lossy.from_ns < to_ns && from_ns < lossy.to_ns)
    {
        walk(lossy.from_ns.max(from_ns), until_ns);
        until_ns = lossy.from_ns.max(from_ns);
    }
    walk(from_ns, until_ns);
    together::walk_all(walks);
}

/// Where a walk goes on.
type Next = (ThreadIndex, Goal);

struct Walk<'e, F> {
    evidence: &'e Evidence<'e>,
    /// What all walks report to, and what the time of this one weighs.
    found: &'e RefCell<F>,
    rate: f64,
    /// The process that is asked about, and on which side of its connections the walk is.
    asked: ProcessSerial,
    side: Side,
    /// The socket that a datagram came to, if the walk went over its connection last.
    towards: Option<u64>,
    /// Before this, records were lost: a chain that goes through that time proves nothing.
    from_ns: u64,
    whole_from_ns: u64,
    /// What is later has been reported.
    to_ns: u64,
    at: Next,
    /// What is left of the thread to look at; None: it has just come there.
    left: Option<Left>,
    /// How often it jumped at one moment.
    jumps: (u64, u32),
}

/// What a walk still has to look at of its thread.
#[derive(Clone, Copy)]
struct Left {
    /// Spans.
    before: usize,
    /// Whether this is still the round in which the thread did what it is walked for.
    is_goals: bool,
}

/// How a walk goes on after a wait.
enum Step {
    Back(Left),
    Jump(Next),
    End,
}

impl From<Option<Next>> for Step {
    fn from(next: Option<Next>) -> Self {
        next.map_or(Self::End, Self::Jump)
    }
}

impl<'e, F: Found> Walk<'e, F> {
    fn new(
        evidence: &'e Evidence<'e>,
        found: &'e RefCell<F>,
        rate: f64,
        at: Next,
        Range { start: from_ns, end: to_ns }: Range<u64>,
    ) -> Self {
        let lossy = &evidence.observed.lossy;
        let lossy = &lossy[..lossy.partition_point(|lossy| lossy.from_ns < to_ns)];
        let lost_until_ns = lossy.last().map_or(0, |lossy| lossy.to_ns);
        Self {
            evidence,
            found,
            rate,
            asked: evidence.observed.threads.all[at.0].life.process,
            side: Side::Own,
            towards: None,
            from_ns: lost_until_ns.clamp(from_ns, to_ns.max(from_ns)),
            whole_from_ns: from_ns,
            to_ns,
            at,
            left: None,
            jumps: (to_ns, 0),
        }
    }

    fn is_open(&self) -> bool {
        self.to_ns > self.from_ns
    }

    /// Goes back over one wait. At the walk's end what is left is reported, and it is false.
    fn step(&mut self) -> bool {
        let step = if self.is_open() { self.back() } else { Step::End };
        match step {
            Step::Back(left) => self.left = Some(left),
            Step::Jump(next) => {
                let Self { to_ns, jumps: (at_ns, jumps), .. } = *self;
                self.jumps = (to_ns, if at_ns == to_ns { jumps + 1 } else { 0 });
                (self.at, self.left) = (next, None);
            }
            Step::End => {}
        }
        let goes_on = !matches!(step, Step::End) && self.jumps.1 <= MOST_JUMPS_AT_ONCE;
        if !goes_on {
            self.from_ns = self.whole_from_ns;
            self.report(self.from_ns, None, None, Share::Other);
        }
        goes_on
    }

    /// Reports what lies between a moment and what was reported.
    fn report(&mut self, from_ns: u64, thread: Option<ThreadIndex>, span: Option<usize>, share: Share) {
        let from_ns = from_ns.max(self.from_ns);
        if from_ns < self.to_ns {
            let Self { to_ns, side, rate, .. } = *self;
            let segment = Segment { from_ns, to_ns, thread, span, share, side };
            self.found.borrow_mut().segment(rate, segment);
            self.to_ns = from_ns;
        }
    }

    fn own(&mut self, thread: ThreadIndex, from_ns: u64) {
        let from_ns = from_ns.max(self.from_ns);
        if from_ns < self.to_ns {
            self.found.borrow_mut().own(self.rate, (thread, self.side), from_ns..self.to_ns);
            self.to_ns = from_ns;
        }
    }

    /// Reports the thread's time back to before its last wait that is to be asked.
    fn back(&mut self) -> Step {
        let evidence = self.evidence;
        let (thread, goal) = self.at;
        let all = &evidence.observed.threads.all[thread];
        let Left { before, is_goals } = self.left.unwrap_or_else(|| {
            if all.life.end_ns < self.to_ns {
                self.report(all.life.end_ns, Some(thread), None, Share::Other);
            }
            Left { before: all.spans_before(self.to_ns), is_goals: true }
        });
        if !self.is_open() {
            return Step::End;
        }
        let Some(wait) = evidence.waits[thread].asked_before(before) else {
            return self.born(thread, goal).into();
        };
        let (off, cause, syscall) = all
            .spans
            .look_at(wait, |span| (all.times(span), cause::of(span, &evidence.futexes), span.doing.syscall));
        let OffCpu { off_ns, runnable_ns, on_ns } = off;
        if on_ns <= all.life.since_ns {
            return self.born(thread, goal).into();
        }
        if runnable_ns <= self.from_ns {
            self.own(thread, self.from_ns);
            return Step::End;
        }
        let span = Some(wait);
        let round_until_ns = self.to_ns;
        let (ended_by, due) = self.ended_by((thread, wait), cause.unwrap_or(Cause::Unknown), goal, is_goals);
        if ended_by == Cause::Network && calls::is_send(syscall) {
            self.own(thread, on_ns);
            self.report(runnable_ns, Some(thread), span, Share::CpuWait);
            if let Some(next) = self.room_for_next_send(thread, wait) {
                return Step::Jump(next);
            }
            return Step::Back(Left { before: all.spans_before(self.to_ns).min(wait), is_goals });
        }
        let listened = calls::is_multiplexer(syscall);
        let ended = round::Ended { thread, wait, off, by: ended_by, listened, is_goals };
        if let Some(missing) = round::missing(evidence, ended, goal, round_until_ns) {
            // From its arrival on it was for the thread to take it.
            let arrived_ns = missing.arrived_ns;
            self.own(thread, on_ns.max(arrived_ns));
            self.report(runnable_ns.max(arrived_ns), Some(thread), span, Share::CpuWait);
            let late = if ended_by == Cause::Timer { Share::Timer } else { Share::CpuWait };
            self.report(arrived_ns, Some(thread), span, late);
            return self.cross(missing, (thread, wait)).into();
        }
        self.own(thread, on_ns);
        // It could not have gone on before it was due.
        let ready_ns = due.map_or(runnable_ns, |due| due.deadline_ns.clamp(runnable_ns, on_ns));
        self.report(ready_ns, Some(thread), span, Share::CpuWait);
        if !self.is_open() {
            return Step::End;
        }
        match ended_by {
            Cause::Thread { waker } => {
                let rang = self.rang_meanwhile(thread, waker, goal, (on_ns, round_until_ns));
                let waker = rang.or_else(|| evidence.observed.threads.find(waker, self.to_ns));
                if let Some(waker) = waker.filter(|&waker| waker != thread) {
                    return Step::Jump((waker, Goal::Wake(connection(goal))));
                }
                self.report(off_ns, Some(thread), span, Share::Other);
            }
            Cause::Timer => {
                let set = due.and_then(|due| due.set).map(|set| (set.at_ns, set.thread));
                let (armed_ns, by) =
                    set.unwrap_or_else(|| timer::armed(evidence, thread, wait, goal, self.from_ns));
                if by != thread {
                    // While this one waited, perhaps.
                    self.report(armed_ns, Some(thread), span, Share::Timer);
                    return Step::Jump((by, Goal::Wake(connection(goal))));
                }
                let armed_ns = armed_ns.min(off_ns);
                if let Some(lost_ns) = loss::before(evidence, goal, self.towards) {
                    let lost_ns = lost_ns.max(armed_ns);
                    self.report(lost_ns, Some(thread), span, Share::Network(Network::Loss));
                }
                self.report(armed_ns, Some(thread), span, Share::Timer);
            }
            Cause::Network => {
                if let Some(next) = self.other_bytes_or_room(thread, wait, goal, round_until_ns) {
                    return Step::Jump(next);
                }
            }
            // Of a request that was submitted before it listened, or by another thread meanwhile.
            Cause::Disk if listened => {
                let submitted_ns = all.spans.at(wait).submitted_ns;
                let since_ns =
                    submitted_ns.or_else(|| timer::since_progress_ns(evidence, thread, wait, goal));
                let submitter = submitted_ns.and_then(|at_ns| {
                    evidence.observed.threads.find(all.spans.at(wait).submitter_tid?, at_ns)
                });
                match submitter.filter(|&submitter| submitter != thread) {
                    Some(submitter) => {
                        self.report(since_ns.unwrap_or(off_ns), Some(thread), span, Share::Disk);
                        return Step::Jump((submitter, Goal::Wake(connection(goal))));
                    }
                    None => {
                        let since_ns = since_ns.unwrap_or(off_ns).min(off_ns);
                        self.report(since_ns, Some(thread), span, Share::Disk);
                    }
                }
            }
            // Waits for one certain thing are never asked.
            certain => self.report(off_ns, Some(thread), span, Share::of_cause(certain)),
        }
        Step::Back(Left { before: all.spans_before(self.to_ns).min(wait), is_goals: false })
    }

    /// What ended a wait; a message or another thread that came as a timer was due anyway ended nothing. In the goal's own round
    /// that may have been after the wait.
    fn ended_by(
        &self,
        (thread, wait): (ThreadIndex, usize),
        cause: Cause,
        goal: Goal,
        is_goals: bool,
    ) -> (Cause, Option<Due>) {
        let Goal::Send(sent) = goal else { return (cause, None) };
        let Evidence { observed, waits, triggers, .. } = self.evidence;
        let until_ns = if is_goals { self.to_ns } else { 0 };
        let triggers = || triggers.of(thread, sent.cookie);
        let due = match cause {
            Cause::Network if triggers().outweighs_messages(Cause::Timer) => {
                deadlines::due(observed, thread, &observed.threads.all[thread].spans.at(wait), until_ns)
            }
            Cause::Thread { .. } if triggers().follows_deadlines() => {
                deadlines::counted_down(observed, thread, &waits[thread], wait, until_ns)
            }
            _ => None,
        };
        (due.map_or(cause, |_| Cause::Timer), due)
    }

    /// A thread that is awake needs no wake-up: where `waker` never makes this thread send, and another one does, which ran
    /// as the round began, the round took what that one had done.
    fn rang_meanwhile(
        &self,
        thread: ThreadIndex,
        waker: u32,
        goal: Goal,
        (from_ns, to_ns): (u64, u64),
    ) -> Option<ThreadIndex> {
        let Goal::Send(sent) = goal else { return None };
        let other = self.evidence.triggers.instead_of(waker, thread, sent.cookie)?;
        let threads = &self.evidence.observed.threads;
        let other = threads.find(other, from_ns)?;
        let all = &threads.all[other];
        let last = all.spans_before(to_ns).checked_sub(1)?;
        (all.off_cpu(last).off_ns >= self.to_ns || all.off_cpu(last).on_ns <= to_ns).then_some(other)
    }

    /// Before a thread's first wait: itself, and then who created it.
    fn born(&mut self, thread: ThreadIndex, goal: Goal) -> Option<Next> {
        let life = self.evidence.observed.threads.all[thread].life;
        self.own(thread, life.since_ns);
        if !self.is_open() {
            return None;
        }
        let creator = self.evidence.observed.threads.find(life.creator?, life.since_ns)?;
        (creator != thread).then(|| (creator, Goal::Wake(connection(goal))))
    }

    /// A wait that the network ended, and no byte of this connection did.
    fn other_bytes_or_room(
        &mut self,
        thread: ThreadIndex,
        wait: usize,
        goal: Goal,
        round_until_ns: u64,
    ) -> Option<Next> {
        let off_ns = self.evidence.observed.threads.all[thread].off_cpu(wait).off_ns;
        if let Some(missing) = round::missing_elsewhere(self.evidence, thread, wait, round_until_ns) {
            self.report(missing.arrived_ns, Some(thread), Some(wait), Share::CpuWait);
            return self.cross(missing, (thread, wait));
        }
        let sent = match goal {
            Goal::Send(sent) => Some(sent),
            Goal::Wake(_) => round::sent_after(self.evidence, thread, wait, round_until_ns),
            Goal::Receive(_) => None,
        };
        match sent.filter(|sent| sent.past.is_some()) {
            Some(sent) => self.room(sent.cookie, off_ns),
            None => {
                self.report(off_ns, Some(thread), Some(wait), Share::Network(Network::Unknown));
                None
            }
        }
    }

    /// A wait inside a send, which is recorded as it returns.
    fn room_for_next_send(&mut self, thread: ThreadIndex, wait: usize) -> Option<Next> {
        let evidence = self.evidence;
        let all = &evidence.observed.threads.all[thread];
        let OffCpu { off_ns, on_ns, .. } = all.off_cpu(wait);
        // It may wait several times before it returns.
        let mut later = evidence.waits[thread].asked_from(wait + 1);
        let next = later.find(|&later| !calls::is_send(all.syscall(later)));
        let until_ns = next.map_or(u64::MAX, |next| all.spans.at(next).off_ns);
        let mut moved = evidence.observed.traffic.of_thread_between(thread, on_ns, until_ns);
        match moved.find(|movement| movement.direction == Direction::Sent) {
            Some(send) if send.past.is_some() => self.room(send.cookie, off_ns),
            _ => {
                self.report(off_ns, Some(thread), Some(wait), Share::Network(Network::Link));
                None
            }
        }
    }

    /// A wait for room to send that began at `off_ns`: back to what made room.
    fn room(&mut self, cookie: u64, off_ns: u64) -> Option<Next> {
        let (since_ns, until_ns) = (off_ns.max(self.from_ns), self.to_ns);
        let evidence = self.evidence;
        let other_end = evidence.pairs.peer(evidence.observed.host.of(cookie)).map(|other_end| other_end.id);
        let ends = (cookie, other_end);
        for Part { from_ns, to_ns, of } in
            transit::for_room(&evidence.observed.traffic, ends, since_ns, self.to_ns)
        {
            if of == Network::PeerWindow
                && let Some(next) = self.reader(cookie, None, (from_ns, to_ns, until_ns))
            {
                return Some(next);
            }
            self.report(from_ns, None, None, Share::Network(of));
        }
        None
    }

    /// A peer's window that was used up between two moments was so for want of its reader: the walk goes on with the receive
    /// that made room. The sender's TCP looks again as it hears of it, and its record is dated back: that receive may be
    /// later, but not after the third moment, when there was room. Of a record of several receives, those before the byte.
    fn reader(
        &mut self,
        cookie: u64,
        byte: Option<u32>,
        (from_ns, to_ns, until_ns): (u64, u64, u64),
    ) -> Option<Next> {
        let evidence = self.evidence;
        let traffic = &evidence.observed.traffic;
        let other_end = evidence.pairs.peer(evidence.observed.host.of(cookie))?.id;
        let before = || traffic.last_received(other_end, to_ns).filter(|read| read.at_ns >= from_ns);
        let read = traffic.received_between(other_end, to_ns, until_ns).or_else(before)?;
        let read = byte.map_or(Some(read), |byte| read.up_to(byte))?;
        self.report(read.at_ns, None, None, Share::Network(Network::PeerWindow));
        self.cross_to(&read);
        Some((read.thread, Goal::Receive(read)))
    }

    /// The walk goes over a connection to whoever moved this.
    fn cross_to(&mut self, moved: &Movement) {
        let process = self.evidence.observed.threads.all[moved.thread].life.process;
        self.side = if process == self.asked { Side::Own } else { Side::Peer };
    }

    /// From an arrival back to the send: what kept the bytes on their way.
    fn cross(&mut self, missing: Missing, waiter: (ThreadIndex, usize)) -> Option<Next> {
        let evidence = self.evidence;
        let traffic = &evidence.observed.traffic;
        let Some(sent) = round::carrier(evidence, missing) else {
            return self.cross_unknown(missing, waiter);
        };
        let (missing, sent) = round::behind_a_gap(evidence, missing, &sent).unwrap_or((missing, sent));
        self.towards = missing.byte.is_none().then_some(missing.receive.cookie);
        // On loopback a byte arrives before its send returns.
        let (sent_ns, until_ns) = (sent.at_ns.clamp(self.from_ns, self.to_ns), self.to_ns);
        for Part { from_ns, to_ns, of } in
            transit::of_byte(traffic, (sent.cookie, sent.since_ns), missing.byte, sent_ns, self.to_ns)
        {
            if of == Network::PeerWindow
                && let Some(next) = self.reader(sent.cookie, missing.byte, (from_ns, to_ns, until_ns))
            {
                return Some(next);
            }
            self.report(from_ns, None, None, Share::Network(of));
        }
        self.cross_to(&sent);
        Some((sent.thread, Goal::of(&sent)))
    }

    /// A peer that is not in the capture is taken to answer what it was last sent, or to go on with what it was sending:
    /// all that is known is since when.
    fn cross_unknown(&mut self, missing: Missing, (thread, wait): (ThreadIndex, usize)) -> Option<Next> {
        let traffic = &self.evidence.observed.traffic;
        let Some(last) = traffic.last_moved(missing.receive.cookie, self.to_ns) else {
            self.report(self.from_ns, Some(thread), Some(wait), Share::Network(Network::Unknown));
            return None;
        };
        self.report(last.at_ns, Some(thread), Some(wait), Share::Network(Network::Unknown));
        Some((last.thread, Goal::of(&last)))
    }
}

/// The connection whose bytes are walked for, at the thread that is walked.
fn connection(goal: Goal) -> Option<u64> {
    match goal {
        Goal::Receive(movement) | Goal::Send(movement) => Some(movement.cookie),
        Goal::Wake(cookie) => cookie,
    }
}
