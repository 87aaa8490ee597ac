//! Payload by thread and by socket: which call moved a byte, which send carried it, when it arrived.

use crate::{
    attribution::observed::{
        by_cookie::ByCookie,
        datagrams::Datagrams,
        payload::{Movement, Socket},
        sequences::{Sequences, is_before},
        threads::ThreadIndex,
    },
    rows::Rows,
};
use capture::{
    Retransmit,
    traffic::{Direction, SendQueue},
};

#[derive(Debug, Default)]
pub struct Traffic {
    pub sockets: Vec<Socket>,
    /// Parallel to the threads, in order of the last time.
    pub(super) by_thread: Vec<Rows<Movement>>,
    pub(super) logs: ByCookie<SocketLog>,
    pub(super) queues: ByCookie<Queues>,
    pub(super) datagrams: Datagrams,
    /// The longest time that one movement stands for.
    pub(super) longest_ns: u64,
}

/// What moved on one socket, in order of the last time.
#[derive(Debug, Default)]
pub(super) struct SocketLog {
    sends: Rows<Movement>,
    /// Parallel to `sends`.
    sent: Sequences,
    receives: Rows<Movement>,
    /// Which threads did either: as a rule one or two.
    movers: Vec<(ThreadIndex, Direction)>,
}

/// What the kernel had of one socket's bytes, in order of time.
#[derive(Debug, Default)]
pub(super) struct Queues {
    pub arrived: Sequences,
    pub sending: Rows<SendQueue>,
    pub resent: Rows<Retransmit>,
}

impl Traffic {
    /// What of a list moved between two times, whole or in part.
    fn between<'r>(
        &self,
        moved: &'r Rows<Movement>,
        from_ns: u64,
        to_ns: u64,
    ) -> impl Iterator<Item = Movement> + use<'r> {
        let first = moved.partition_point(|movement| movement.at_ns < from_ns);
        // They are in order of their last times, and overlap.
        let until_ns = to_ns.saturating_add(self.longest_ns);
        moved
            .from(first)
            .take_while(move |movement| movement.at_ns <= until_ns)
            .filter(move |movement| movement.since_ns <= to_ns)
    }

    /// What moved in one direction between two times, whole or in part, socket by socket.
    pub fn of_sockets_between(
        &self,
        direction: Direction,
        from_ns: u64,
        to_ns: u64,
    ) -> impl Iterator<Item = impl Iterator<Item = Movement>> {
        self.logs.in_order().map(move |log| self.between(log.moved(direction), from_ns, to_ns))
    }

    /// What a thread moved, in order of the last time.
    pub fn of_thread(&self, thread: ThreadIndex) -> impl Iterator<Item = Movement> {
        self.by_thread[thread].iter()
    }

    /// What a thread moved between two times, whole or in part; the last may end later.
    pub fn of_thread_between(
        &self,
        thread: ThreadIndex,
        from_ns: u64,
        to_ns: u64,
    ) -> impl Iterator<Item = Movement> {
        self.between(&self.by_thread[thread], from_ns, to_ns)
    }

    /// The same of one socket, in one direction.
    pub fn on_socket_between(
        &self,
        thread: ThreadIndex,
        cookie: u64,
        direction: Direction,
        from_ns: u64,
        to_ns: u64,
    ) -> impl Iterator<Item = Movement> {
        let log = self.logs.get(cookie).into_iter();
        let moved = log.flat_map(move |log| self.between(log.moved(direction), from_ns, to_ns));
        moved.filter(move |movement| movement.thread == thread)
    }

    /// What a thread last moved on a socket up to a time, in this direction, if one is given.
    pub fn last_on_socket(
        &self,
        thread: ThreadIndex,
        cookie: u64,
        direction: Option<Direction>,
        until_ns: u64,
    ) -> Option<Movement> {
        let log = self.logs.get(cookie)?;
        let last = |direction| {
            let moved = log.moved(direction);
            let past = moved.partition_point(|movement| movement.at_ns <= until_ns);
            let its = |movement: &Movement| movement.thread == thread;
            log.movers.contains(&(thread, direction)).then(|| moved.range(0..past).rev().find(its)).flatten()
        };
        match direction {
            Some(direction) => last(direction),
            None => later(last(Direction::Sent), last(Direction::Received)),
        }
    }

    /// What was last sent or received on a socket, by whichever thread, before a moment.
    pub fn last_moved(&self, cookie: u64, before_ns: u64) -> Option<Movement> {
        let log = self.logs.get(cookie)?;
        let last = |moved: &Rows<Movement>| {
            let past = moved.partition_point(|movement| movement.at_ns < before_ns);
            past.checked_sub(1).map(|place| moved.at(place))
        };
        later(last(&log.sends), last(&log.receives))
    }

    /// The last receive from a socket, by whichever thread, up to a time.
    pub fn last_received(&self, cookie: u64, until_ns: u64) -> Option<Movement> {
        let receives = &self.logs.get(cookie)?.receives;
        let past = receives.partition_point(|receive| receive.at_ns <= until_ns);
        past.checked_sub(1).map(|place| receives.at(place))
    }

    /// The first receive from a socket after a moment, and not after another one: what it makes room for may arrive before it
    /// returns.
    pub fn received_between(&self, cookie: u64, after_ns: u64, until_ns: u64) -> Option<Movement> {
        let receives = &self.logs.get(cookie)?.receives;
        let first = receives.partition_point(|receive| receive.at_ns <= after_ns);
        receives.from(first).next().filter(|receive| receive.since_ns <= until_ns.saturating_add(RETURN_NS))
    }

    /// When the first byte of a receive had arrived; None where arrivals were not recorded. For a datagram:
    /// the first arrival since the socket was last read, for a socket that is read until it is empty.
    pub fn arrived_ns(&self, receive: &Movement) -> Option<u64> {
        match receive.first_byte() {
            Some(byte) => self.byte_arrived_ns(receive.cookie, byte, receive.at_ns),
            None => {
                let log = self.logs.get(receive.cookie)?;
                let last_read = log
                    .receives
                    .partition_point(|read| read.at_ns < receive.since_ns)
                    .checked_sub(1)
                    .map(|place| log.receives.at(place).at_ns);
                let Queues { arrived, .. } = self.queues.get(receive.cookie)?;
                let unread = last_read.map_or(0, |at_ns| arrived.marks_until(at_ns));
                let last = arrived.last_until(receive.at_ns)?;
                Some(arrived.at_ns(unread.min(last)))
            }
        }
    }

    /// Whether arrivals at a socket were recorded.
    pub fn knows_arrivals(&self, cookie: u64) -> bool {
        self.queues.get(cookie).is_some_and(|queues| !queues.arrived.is_empty())
    }

    /// When a byte, read at about `near_ns`, had arrived.
    pub fn byte_arrived_ns(&self, cookie: u64, byte: u32, near_ns: u64) -> Option<u64> {
        let arrived = &self.queues.get(cookie)?.arrived;
        arrived.first_past(byte, near_ns).map(|mark| arrived.at_ns(mark))
    }

    /// The first byte that was still missing on a socket at `at_ns`.
    pub fn missing_at(&self, cookie: u64, at_ns: u64) -> Option<u32> {
        self.queues.get(cookie)?.arrived.reached(at_ns)
    }

    /// The send on a socket that carried a byte, which was read at about `near_ns`; None where that send was not
    /// recorded.
    pub fn carrier(&self, cookie: u64, byte: u32, near_ns: u64) -> Option<Movement> {
        let log = self.logs.get(cookie)?;
        let sent = log.sends.at(log.sent.first_past(byte, near_ns)?);
        // The first recorded send past the byte may have begun after it: then the byte's own send was lost.
        let begins = sent.first_byte()?;
        (!is_before(byte, begins)).then_some(sent)
    }

    /// The last datagram sent to a socket before `at_ns`.
    pub fn last_datagram(&self, cookie: u64, at_ns: u64) -> Option<Movement> {
        self.datagrams.last_to(cookie, at_ns)
    }

    /// The last datagram from one socket to another one that was sent before a moment.
    pub fn last_datagram_between(&self, from: u64, to: u64, before_ns: u64) -> Option<Movement> {
        self.datagrams.last_between(from, to, before_ns)
    }

    /// Segments that a socket sent again between two times.
    pub fn resent(&self, cookie: u64, from_ns: u64, to_ns: u64) -> impl Iterator<Item = Retransmit> {
        let resent = self.queues.get(cookie).map(|queues| &queues.resent).into_iter();
        resent.flat_map(move |resent| {
            let first = resent.partition_point(|segment| segment.at_ns <= from_ns);
            resent.from(first).take_while(move |segment| segment.at_ns < to_ns)
        })
    }

    /// All that TCP said of a socket.
    pub fn sending(&self, cookie: u64) -> Option<&Rows<SendQueue>> {
        self.queues.get(cookie).map(|queues| &queues.sending).filter(|sending| !sending.is_empty())
    }

    /// What TCP said of a socket from the last record before `from_ns` up to `to_ns`.
    pub fn send_queues(&self, cookie: u64, from_ns: u64, to_ns: u64) -> Vec<SendQueue> {
        let Some(Queues { sending, .. }) = self.queues.get(cookie) else { return Vec::new() };
        let first = sending.partition_point(|send_queue| send_queue.at_ns <= from_ns).saturating_sub(1);
        sending.from(first).take_while(|send_queue| send_queue.at_ns < to_ns).collect()
    }
}

impl SocketLog {
    /// To be called in order of time.
    pub fn add(&mut self, movement: Movement) {
        let mover = (movement.thread, movement.direction);
        if !self.movers.contains(&mover) {
            self.movers.push(mover);
        }
        match movement.direction {
            Direction::Sent => {
                self.sends.push(movement);
                self.sent.push(movement.at_ns, movement.past);
            }
            Direction::Received => self.receives.push(movement),
        }
    }

    /// See [`Rows::seal_some`].
    pub fn seal(&mut self) {
        self.sends.seal_some();
        self.sent.seal();
        self.receives.seal_some();
    }

    fn moved(&self, direction: Direction) -> &Rows<Movement> {
        match direction {
            Direction::Sent => &self.sends,
            Direction::Received => &self.receives,
        }
    }
}

impl Queues {
    /// See [`Rows::seal_some`].
    pub fn seal(&mut self) {
        self.arrived.seal();
        self.sending.seal_some();
        self.resent.seal_some();
    }
}

fn later(one: Option<Movement>, other: Option<Movement>) -> Option<Movement> {
    one.into_iter().chain(other).max_by_key(|movement| movement.index)
}

/// How long a receive may go on after what it made room for has arrived.
const RETURN_NS: u64 = 200_000;
