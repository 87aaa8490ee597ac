//! Lineage: the chain of sends, arrivals, wake-ups and runs that a piece of payload needed, and nothing else, walked
//! backwards in time.
//!
//! The walk is in one thread at a time, and its time only falls: a jump to another thread never returns. In a thread, running,
//! runnable and waits for one certain thing are its own, and the walk goes on before them. Only *idle* waits are asked what
//! ended them ([`round`]): bytes of this connection, whose sender is gone on with; those of another one; another thread; a
//! timer, whose time counts from its arming ([`timer`]).

mod round;
mod timer;

use crate::attribution::{
    Evidence, calls,
    cause::Cause,
    deadlines,
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

/// Takes what a walk finds, the latest first. It covers the walk's time without overlap.
pub trait Found {
    fn segment(&mut self, segment: Segment);

    /// All of a thread's time between two moments is its own.
    fn own(&mut self, thread: ThreadIndex, side: Side, from_ns: u64, to_ns: u64);
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

/// Walks back from the movement that ends a cut to the cut's start.
pub fn of_movement(
    evidence: &Evidence,
    movement: &Movement,
    from_ns: u64,
    to_ns: u64,
    found: &mut dyn Found,
) {
    walk(evidence, movement.thread, Goal::of(movement), from_ns, to_ns, found);
}

/// Walks back from what a thread did at `to_ns`, whatever it was for. Behind a time in which records were lost it begins again.
pub fn of_thread(evidence: &Evidence, thread: ThreadIndex, from_ns: u64, to_ns: u64, found: &mut dyn Found) {
    let mut until_ns = to_ns;
    for lossy in
        evidence.observed.lossy.iter().rev().filter(|lossy| lossy.from_ns < to_ns && from_ns < lossy.to_ns)
    {
        walk(evidence, thread, Goal::Wake(None), lossy.from_ns.max(from_ns), until_ns, found);
        until_ns = lossy.from_ns.max(from_ns);
    }
    walk(evidence, thread, Goal::Wake(None), from_ns, until_ns, found);
}

/// Where a walk goes on.
type Next = (ThreadIndex, Goal);

struct Walk<'e, 'f> {
    evidence: &'e Evidence<'e>,
    /// The process that is asked about, and on which side of its connections the walk is.
    asked: ProcessSerial,
    side: Side,
    from_ns: u64,
    /// What is later has been reported.
    to_ns: u64,
    found: &'f mut dyn Found,
}

fn walk<'e>(
    evidence: &'e Evidence<'e>,
    thread: ThreadIndex,
    goal: Goal,
    from_ns: u64,
    to_ns: u64,
    found: &mut dyn Found,
) {
    let lossy = &evidence.observed.lossy;
    let lost_until_ns =
        lossy[..lossy.partition_point(|lossy| lossy.from_ns < to_ns)].last().map_or(0, |lossy| lossy.to_ns);
    // Where records were lost, a chain that goes through that time proves nothing.
    let known_from_ns = lost_until_ns.clamp(from_ns, to_ns.max(from_ns));
    let asked = evidence.observed.threads.all[thread].life.process;
    let mut walk = Walk { evidence, asked, side: Side::Own, from_ns: known_from_ns, to_ns, found };
    let (mut thread, mut goal) = (thread, goal);
    let mut jumped = (to_ns, 0);
    while walk.is_open() {
        let Some(next) = walk.back(thread, goal) else { break };
        jumped = if jumped.0 == walk.to_ns { (jumped.0, jumped.1 + 1) } else { (walk.to_ns, 0) };
        if jumped.1 > MOST_JUMPS_AT_ONCE {
            break;
        }
        (thread, goal) = next;
    }
    walk.from_ns = from_ns;
    walk.rest(Share::Other);
}

impl<'e> Walk<'e, '_> {
    fn is_open(&self) -> bool {
        self.to_ns > self.from_ns
    }

    /// Reports what lies between a moment and what was reported.
    fn report(&mut self, from_ns: u64, thread: Option<ThreadIndex>, span: Option<usize>, share: Share) {
        let from_ns = from_ns.max(self.from_ns);
        if from_ns < self.to_ns {
            let Self { to_ns, side, .. } = *self;
            self.found.segment(Segment { from_ns, to_ns, thread, span, share, side });
            self.to_ns = from_ns;
        }
    }

    fn rest(&mut self, share: Share) {
        self.report(self.from_ns, None, None, share);
    }

    fn own(&mut self, thread: ThreadIndex, from_ns: u64) {
        let from_ns = from_ns.max(self.from_ns);
        if from_ns < self.to_ns {
            self.found.own(thread, self.side, from_ns, self.to_ns);
            self.to_ns = from_ns;
        }
    }

    /// Reports a thread's time backwards until it leads elsewhere; None at the walk's end.
    fn back(&mut self, thread: ThreadIndex, goal: Goal) -> Option<Next> {
        let evidence = self.evidence;
        let all = &evidence.observed.threads.all[thread];
        let waits = &evidence.waits[thread];
        if all.life.end_ns < self.to_ns {
            self.report(all.life.end_ns, Some(thread), None, Share::Other);
        }
        let mut before = all.spans_before(self.to_ns);
        let mut is_goals = true;
        while self.is_open() {
            let Some(wait) = waits.asked_before(before) else { return self.born(thread, goal) };
            let OffCpu { off_ns, runnable_ns, on_ns } = all.off_cpu(wait);
            if on_ns <= all.life.since_ns {
                return self.born(thread, goal);
            }
            if runnable_ns <= self.from_ns {
                self.own(thread, self.from_ns);
                return None;
            }
            let span = Some(wait);
            let round_until_ns = self.to_ns;
            let ended_by = self.ended_by(thread, wait, goal);
            let syscall = all.syscall(wait);
            if ended_by == Cause::Network && calls::is_send(syscall) {
                self.own(thread, on_ns);
                self.report(runnable_ns, Some(thread), span, Share::CpuWait);
                if let Some(next) = self.room_for_next_send(thread, wait) {
                    return Some(next);
                }
                before = all.spans_before(self.to_ns).min(wait);
                continue;
            }
            if let Some(missing) =
                round::missing(evidence, thread, (wait, is_goals), ended_by, goal, round_until_ns)
            {
                // From its arrival on it was for the thread to take it.
                let arrived_ns = missing.arrived_ns;
                self.own(thread, on_ns.max(arrived_ns));
                self.report(runnable_ns.max(arrived_ns), Some(thread), span, Share::CpuWait);
                let late = if ended_by == Cause::Timer { Share::Timer } else { Share::CpuWait };
                self.report(arrived_ns, Some(thread), span, late);
                return self.cross(missing, (thread, wait));
            }
            self.own(thread, on_ns);
            self.report(runnable_ns, Some(thread), span, Share::CpuWait);
            if !self.is_open() {
                return None;
            }
            match ended_by {
                Cause::Thread { waker } => {
                    let rang = self.rang_meanwhile(thread, waker, goal, (on_ns, round_until_ns));
                    let waker = rang.or_else(|| evidence.observed.threads.find(waker, self.to_ns));
                    if let Some(waker) = waker.filter(|&waker| waker != thread) {
                        return Some((waker, Goal::Wake(connection(goal))));
                    }
                    self.report(off_ns, Some(thread), span, Share::Other);
                }
                Cause::Timer => {
                    let (armed_ns, by) = timer::armed(evidence, thread, wait, goal, self.from_ns);
                    if by != thread {
                        // While this one waited, perhaps.
                        self.report(armed_ns, Some(thread), span, Share::Timer);
                        return Some((by, Goal::Wake(connection(goal))));
                    }
                    self.report(armed_ns.min(off_ns), Some(thread), span, Share::Timer);
                }
                Cause::Network => {
                    if let Some(next) = self.other_bytes_or_room(thread, wait, goal, round_until_ns) {
                        return Some(next);
                    }
                }
                // Of a request that was submitted before it listened, or by another thread meanwhile.
                Cause::Disk if calls::is_multiplexer(syscall) => {
                    let submitted_ns = all.spans.at(wait).submitted_ns;
                    let since_ns =
                        submitted_ns.or_else(|| timer::since_progress_ns(evidence, thread, wait, goal));
                    let submitter = submitted_ns.and_then(|at_ns| {
                        evidence.observed.threads.find(all.spans.at(wait).submitter_tid?, at_ns)
                    });
                    match submitter.filter(|&submitter| submitter != thread) {
                        Some(submitter) => {
                            self.report(since_ns.unwrap_or(off_ns), Some(thread), span, Share::Disk);
                            return Some((submitter, Goal::Wake(connection(goal))));
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
            is_goals = false;
            before = all.spans_before(self.to_ns).min(wait);
        }
        None
    }

    /// What ended a wait; a message or another thread that came as a timer was due anyway ended nothing.
    fn ended_by(&self, thread: ThreadIndex, wait: usize, goal: Goal) -> Cause {
        let cause = self.evidence.cause(thread, wait).unwrap_or(Cause::Unknown);
        let Goal::Send(sent) = goal else { return cause };
        let Evidence { observed, waits, triggers, .. } = self.evidence;
        let (all, waits) = (&observed.threads.all[thread], &waits[thread]);
        let triggers = || triggers.of(thread, sent.cookie);
        match cause {
            Cause::Network
                if deadlines::was_due(&all.spans.at(wait)) && triggers().outweighs_messages(Cause::Timer) =>
            {
                Cause::Timer
            }
            Cause::Thread { .. }
                if deadlines::was_counted_down(all, waits, wait) && triggers().follows_deadlines() =>
            {
                Cause::Timer
            }
            _ => cause,
        }
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
        match goal {
            Goal::Send(sent) if sent.past.is_some() => self.room(sent.cookie, off_ns),
            _ => {
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
        for Part { from_ns, to_ns, of } in
            transit::for_room(&self.evidence.observed.traffic, cookie, since_ns, self.to_ns)
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
        // On loopback a byte arrives before its send returns.
        let (sent_ns, until_ns) = (sent.at_ns.clamp(self.from_ns, self.to_ns), self.to_ns);
        for Part { from_ns, to_ns, of } in
            transit::of_byte(traffic, sent.cookie, missing.byte, sent_ns, self.to_ns)
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
