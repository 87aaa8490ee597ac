//! Payload by thread and by socket: which call moved a byte, which send carried it, when it arrived.
//!
//! Payload of threads that are not known is left out.

use std::collections::HashMap;

use crate::attribution::observed::{
    datagrams::{self, Datagrams},
    payload::{Sent, Socket, TrafficRecords},
    sequences::{Sequences, is_before},
    threads::{ThreadIndex, Threads},
};
use capture::{
    Progress,
    traffic::{Arrival, Direction, Payload, SendQueue},
};

#[derive(Debug, Default)]
pub struct Traffic {
    pub progress: Vec<Progress>,
    pub sockets: Vec<Socket>,
    /// Per thread of [`Threads::all`], in the order in which they began.
    pub by_thread: Vec<Vec<Payload>>,
    logs: HashMap<u64, SocketLog>,
    datagrams: Datagrams,
}

/// One socket's traffic, each list in order of time.
#[derive(Debug, Default)]
struct SocketLog {
    sends: Vec<Sent>,
    /// Parallel to `sends`.
    sent: Sequences,
    receives_ns: Vec<u64>,
    arrivals: Vec<Arrival>,
    /// Parallel to `arrivals`.
    arrived: Sequences,
    send_queues: Vec<SendQueue>,
}

/// Orders the records and files them by thread and by socket.
pub fn index(threads: &Threads, records: TrafficRecords) -> Traffic {
    let TrafficRecords { mut progress, mut payloads, mut arrivals, mut send_queues, sockets } = records;
    progress.sort_by_key(|record| record.at_ns);
    payloads.sort_by_key(|record| record.at_ns);
    arrivals.sort_by_key(|record| record.at_ns);
    send_queues.sort_by_key(|record| record.at_ns);

    let mut by_thread: Vec<Vec<Payload>> = vec![Vec::new(); threads.all.len()];
    let mut logs: HashMap<u64, SocketLog> = HashMap::new();
    for payload in payloads {
        let Some(thread) = threads.find(payload.tid, payload.at_ns) else { continue };
        by_thread[thread].push(payload);
        let log = logs.entry(payload.cookie).or_default();
        match payload.direction {
            Direction::Sent => log.sends.push(Sent { thread, payload }),
            Direction::Received => log.receives_ns.push(payload.at_ns),
        }
    }
    // A thread's sends and receives are put together at the same time.
    by_thread.iter_mut().for_each(|payloads| payloads.sort_by_key(|payload| payload.since_ns));
    for arrival in arrivals {
        logs.entry(arrival.cookie).or_default().arrivals.push(arrival);
    }
    for send_queue in send_queues {
        logs.entry(send_queue.cookie).or_default().send_queues.push(send_queue);
    }
    for log in logs.values_mut() {
        log.sent = numbered(log.sends.iter().map(|sent| (sent.payload.at_ns, sent.payload.sequence)));
        log.arrived = numbered(log.arrivals.iter().map(|arrival| (arrival.at_ns, arrival.sequence)));
    }
    let sends = logs.values().flat_map(|log| &log.sends);
    let datagrams = datagrams::file(&sockets, sends);
    Traffic { progress, sockets, by_thread, logs, datagrams }
}

impl Traffic {
    /// What a thread began to move at and after `at_ns`.
    pub fn payloads_from(&self, thread: ThreadIndex, at_ns: u64) -> &[Payload] {
        let payloads = &self.by_thread[thread];
        &payloads[payloads.partition_point(|payload| payload.since_ns < at_ns)..]
    }

    /// When the first byte of a receive had arrived; None where arrivals were not recorded. For a datagram:
    /// the first arrival since the socket was last read, for a socket that is read until it is empty.
    pub fn arrived_ns(&self, receive: &Payload) -> Option<u64> {
        match receive.first_byte() {
            Some(byte) => self.byte_arrived_ns(receive.cookie, byte, receive.at_ns),
            None => {
                let log = self.logs.get(&receive.cookie)?;
                let until = |at_ns| log.arrivals.partition_point(|arrival| arrival.at_ns <= at_ns);
                let last_read =
                    log.receives_ns.partition_point(|&at_ns| at_ns < receive.since_ns).checked_sub(1);
                let unread = last_read.map_or(0, |place| until(log.receives_ns[place]));
                let last = until(receive.at_ns).checked_sub(1)?;
                Some(log.arrivals[unread.min(last)].at_ns)
            }
        }
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

    /// The send that carried a byte, which was read at about `near_ns`; None where that send was not
    /// recorded.
    pub fn carrier(&self, cookie: u64, byte: u32, near_ns: u64) -> Option<&Sent> {
        let log = self.logs.get(&cookie)?;
        let sent = &log.sends[log.sent.first_past(byte, near_ns)?];
        // The first recorded send past the byte may have begun after it: then the byte's own send was lost.
        let begins = sent.payload.first_byte()?;
        (!is_before(byte, begins)).then_some(sent)
    }

    /// The last datagram sent to a socket before `at_ns`.
    pub fn last_datagram(&self, cookie: u64, at_ns: u64) -> Option<&Sent> {
        self.datagrams.last_to(cookie, at_ns)
    }

    /// What TCP said of a socket from the last record before `from_ns` up to `to_ns`.
    pub fn send_queues(&self, cookie: u64, from_ns: u64, to_ns: u64) -> &[SendQueue] {
        let Some(log) = self.logs.get(&cookie) else { return &[] };
        let first =
            log.send_queues.partition_point(|send_queue| send_queue.at_ns <= from_ns).saturating_sub(1);
        let past = log.send_queues.partition_point(|send_queue| send_queue.at_ns < to_ns);
        log.send_queues.get(first..past).unwrap_or(&[])
    }
}

/// Empty unless every record has a number: the marks are parallel to their records.
fn numbered(records: impl Iterator<Item = (u64, Option<u32>)>) -> Sequences {
    let marks: Option<Vec<_>> = records.map(|(at_ns, number)| Some((at_ns, number?))).collect();
    Sequences::from_marks(marks.unwrap_or_default())
}
