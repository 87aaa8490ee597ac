//! Payload by thread and by socket: which call moved a byte, which send carried it, when it arrived.
//!
//! Payload of threads that are not known is left out.

use std::collections::{BTreeMap, HashMap};

use crate::attribution::observed::{
    datagrams::{self, Datagrams},
    payload::{Movement, MovementIndex, Socket, TrafficRecords},
    sequences::{Sequences, is_before},
    threads::{ThreadIndex, Threads},
};
use capture::traffic::{Arrival, Direction, SendQueue};

#[derive(Debug, Default)]
pub struct Traffic {
    /// In order of their last time.
    pub all: Vec<Movement>,
    pub sockets: Vec<Socket>,
    /// Per thread of [`Threads::all`].
    by_thread: Vec<ByThread>,
    logs: HashMap<u64, SocketLog>,
    datagrams: Datagrams,
}

/// What a thread moved, each list in order of the last time.
#[derive(Debug, Default)]
struct ByThread {
    all: Vec<MovementIndex>,
    by_socket: HashMap<u64, Vec<MovementIndex>>,
}

/// One socket's traffic, each list in order of time.
#[derive(Debug, Default)]
struct SocketLog {
    sends: Vec<MovementIndex>,
    /// Parallel to `sends`.
    sent: Sequences,
    receives: Vec<MovementIndex>,
    arrivals: Vec<Arrival>,
    /// Parallel to `arrivals`.
    arrived: Sequences,
    send_queues: Vec<SendQueue>,
}

/// Orders the records and files them by thread and by socket.
pub fn index(threads: &Threads, records: TrafficRecords) -> Traffic {
    let TrafficRecords { mut payloads, mut arrivals, mut send_queues, sockets } = records;
    payloads.sort_by_key(|record| record.at_ns);
    arrivals.sort_by_key(|record| record.at_ns);
    send_queues.sort_by_key(|record| record.at_ns);

    let mut all: Vec<Movement> = Vec::with_capacity(payloads.len());
    let mut by_thread: Vec<ByThread> = threads.all.iter().map(|_| ByThread::default()).collect();
    let mut logs: HashMap<u64, SocketLog> = HashMap::new();
    let mut sent_to: BTreeMap<_, Vec<MovementIndex>> = BTreeMap::new();
    for payload in &payloads {
        let Some(thread) = threads.find(payload.tid, payload.at_ns) else { continue };
        let index = all.len() as MovementIndex;
        all.push(Movement::of(payload, thread));
        by_thread[thread].all.push(index);
        by_thread[thread].by_socket.entry(payload.cookie).or_default().push(index);
        let log = logs.entry(payload.cookie).or_default();
        match payload.direction {
            Direction::Sent => log.sends.push(index),
            Direction::Received => log.receives.push(index),
        }
        if let (Direction::Sent, Some(to)) = (payload.direction, payload.destination) {
            sent_to.entry((to, payload.cookie)).or_default().push(index);
        }
    }
    for arrival in arrivals {
        logs.entry(arrival.cookie).or_default().arrivals.push(arrival);
    }
    for send_queue in send_queues {
        logs.entry(send_queue.cookie).or_default().send_queues.push(send_queue);
    }
    for log in logs.values_mut() {
        log.sent =
            numbered(log.sends.iter().map(|&send| (all[send as usize].at_ns, all[send as usize].past)));
        log.arrived = numbered(log.arrivals.iter().map(|arrival| (arrival.at_ns, arrival.sequence)));
    }
    let datagrams = datagrams::file(&sockets, &all, sent_to);
    Traffic { all, sockets, by_thread, logs, datagrams }
}

impl Traffic {
    /// What a thread moved, in order of the last time.
    pub fn of_thread(&self, thread: ThreadIndex) -> impl Iterator<Item = &Movement> {
        self.by_thread[thread].all.iter().map(|&index| self.get(index))
    }

    /// What a thread moved between two times, whole or in part; the last may end later.
    pub fn of_thread_between(
        &self,
        thread: ThreadIndex,
        from_ns: u64,
        to_ns: u64,
    ) -> impl Iterator<Item = &Movement> {
        self.between(&self.by_thread[thread].all, from_ns, to_ns)
    }

    /// The same of one socket.
    pub fn on_socket_between(
        &self,
        thread: ThreadIndex,
        cookie: u64,
        from_ns: u64,
        to_ns: u64,
    ) -> impl Iterator<Item = &Movement> {
        let moved = self.by_thread[thread].by_socket.get(&cookie).map_or(&[][..], Vec::as_slice);
        self.between(moved, from_ns, to_ns)
    }

    /// What a thread last moved on a socket up to a time, in this direction, if one is given.
    pub fn last_on_socket(
        &self,
        thread: ThreadIndex,
        cookie: u64,
        direction: Option<Direction>,
        until_ns: u64,
    ) -> Option<&Movement> {
        let moved = self.by_thread[thread].by_socket.get(&cookie)?;
        let past = moved.partition_point(|&index| self.get(index).at_ns <= until_ns);
        let mut before = moved[..past].iter().rev().map(|&index| self.get(index));
        before.find(|movement| direction.is_none_or(|direction| movement.direction == direction))
    }

    /// What was last sent or received on a socket, by whichever thread, before a moment.
    pub fn last_moved(&self, cookie: u64, before_ns: u64) -> Option<&Movement> {
        let log = self.logs.get(&cookie)?;
        let last = |moved: &[MovementIndex]| {
            let past = moved.partition_point(|&index| self.get(index).at_ns < before_ns);
            past.checked_sub(1).map(|place| moved[place])
        };
        // Movements are in order of their last time.
        last(&log.sends).max(last(&log.receives)).map(|index| self.get(index))
    }

    /// The last receive from a socket, by whichever thread, up to a time.
    pub fn last_received(&self, cookie: u64, until_ns: u64) -> Option<&Movement> {
        let receives = &self.logs.get(&cookie)?.receives;
        let past = receives.partition_point(|&index| self.get(index).at_ns <= until_ns);
        receives[..past].last().map(|&index| self.get(index))
    }

    /// The first receive from a socket after a moment, and not after another one: what it makes room for may arrive before it
    /// returns.
    pub fn received_between(&self, cookie: u64, after_ns: u64, until_ns: u64) -> Option<&Movement> {
        let receives = &self.logs.get(&cookie)?.receives;
        let first = receives.partition_point(|&index| self.get(index).at_ns <= after_ns);
        let receive = self.get(*receives.get(first)?);
        (receive.since_ns <= until_ns + RETURN_NS).then_some(receive)
    }

    /// When the first byte of a receive had arrived; None where arrivals were not recorded. For a datagram:
    /// the first arrival since the socket was last read, for a socket that is read until it is empty.
    pub fn arrived_ns(&self, receive: &Movement) -> Option<u64> {
        match receive.first_byte() {
            Some(byte) => self.byte_arrived_ns(receive.cookie, byte, receive.at_ns),
            None => {
                let log = self.logs.get(&receive.cookie)?;
                let until = |at_ns| log.arrivals.partition_point(|arrival| arrival.at_ns <= at_ns);
                let last_read = log
                    .receives
                    .partition_point(|&index| self.get(index).at_ns < receive.since_ns)
                    .checked_sub(1);
                let unread = last_read.map_or(0, |place| until(self.get(log.receives[place]).at_ns));
                let last = until(receive.at_ns).checked_sub(1)?;
                Some(log.arrivals[unread.min(last)].at_ns)
            }
        }
    }

    /// Whether arrivals at a socket were recorded.
    pub fn knows_arrivals(&self, cookie: u64) -> bool {
        self.logs.get(&cookie).is_some_and(|log| !log.arrivals.is_empty())
    }

    /// When a byte, read at about `near_ns`, had arrived.
    pub fn byte_arrived_ns(&self, cookie: u64, byte: u32, near_ns: u64) -> Option<u64> {
        let arrived = &self.logs.get(&cookie)?.arrived;
        arrived.first_past(byte, near_ns).map(|mark| arrived.at_ns(mark))
    }

    /// The first byte that was still missing on a socket at `at_ns`.
    pub fn missing_at(&self, cookie: u64, at_ns: u64) -> Option<u32> {
        self.logs.get(&cookie)?.arrived.reached(at_ns)
    }

    /// The send on a socket that carried a byte, which was read at about `near_ns`; None where that send was not
    /// recorded.
    pub fn carrier(&self, cookie: u64, byte: u32, near_ns: u64) -> Option<&Movement> {
        let log = self.logs.get(&cookie)?;
        let sent = self.get(log.sends[log.sent.first_past(byte, near_ns)?]);
        // The first recorded send past the byte may have begun after it: then the byte's own send was lost.
        let begins = sent.first_byte()?;
        (!is_before(byte, begins)).then_some(sent)
    }

    /// The last datagram sent to a socket before `at_ns`.
    pub fn last_datagram(&self, cookie: u64, at_ns: u64) -> Option<&Movement> {
        self.datagrams.last_to(&self.all, cookie, at_ns).map(|index| self.get(index))
    }

    /// What TCP said of a socket from the last record before `from_ns` up to `to_ns`.
    pub fn send_queues(&self, cookie: u64, from_ns: u64, to_ns: u64) -> &[SendQueue] {
        let Some(log) = self.logs.get(&cookie) else { return &[] };
        let first =
            log.send_queues.partition_point(|send_queue| send_queue.at_ns <= from_ns).saturating_sub(1);
        let past = log.send_queues.partition_point(|send_queue| send_queue.at_ns < to_ns);
        log.send_queues.get(first..past).unwrap_or(&[])
    }

    fn get(&self, index: MovementIndex) -> &Movement {
        &self.all[index as usize]
    }

    fn between<'t>(
        &'t self,
        moved: &'t [MovementIndex],
        from_ns: u64,
        to_ns: u64,
    ) -> impl Iterator<Item = &'t Movement> {
        let first = moved.partition_point(|&index| self.get(index).at_ns < from_ns);
        let from = moved[first..].iter().map(|&index| self.get(index));
        // Records overlap by what one of them may hold: their first times are nearly in order.
        from.take_while(move |movement| movement.since_ns <= to_ns.saturating_add(MERGED_NS))
            .filter(move |movement| movement.since_ns <= to_ns)
    }
}

/// How long a receive may go on after what it made room for has arrived.
const RETURN_NS: u64 = 200_000;

/// The longest time that one record may stand for, and more than that: see [`Movement`].
const MERGED_NS: u64 = 2_000_000;

/// Empty unless every record has a number: the marks are parallel to their records.
fn numbered(records: impl Iterator<Item = (u64, Option<u32>)>) -> Sequences {
    let marks: Option<Vec<_>> = records.map(|(at_ns, number)| Some((at_ns, number?))).collect();
    Sequences::from_marks(marks.unwrap_or_default())
}
