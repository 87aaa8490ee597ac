//! Files the traffic records by thread and by socket, in order of time.
//!
//! There may be millions: they are taken some thousand at a time, and while these are filed, by thread and by socket at once, the
//! next are put in order.

use crate::{
    attribution::observed::{
        by_cookie::ByCookie,
        datagrams::{self, Datagrams},
        payload::{Movement, MovementIndex, Socket, TrafficRecords},
        threads::Threads,
        traffic::{Queues, SocketLog, Traffic},
    },
    rows::Rows,
};
use capture::{
    Retransmit,
    traffic::{Arrival, Direction, Payload, SendQueue},
};
use std::net::SocketAddr;

/// How many are taken at a time.
const AT_ONCE: usize = 8192;

/// No record stands for as long: see [`Movement`].
const MERGED_NS: u64 = 2_000_000;

/// Orders the records and files them; payload of threads that are not known is left out.
pub fn index(threads: &Threads, records: TrafficRecords) -> Traffic {
    let TrafficRecords { payloads, arrivals, send_queues, retransmits, sockets } = records;
    let (queues, (by_thread, by_socket)) = rayon::join(
        || index_queues(arrivals, send_queues, retransmits),
        || index_moved(threads, payloads, &sockets),
    );
    let BySocket { logs, mut datagrams, longest_ns, .. } = by_socket;
    datagrams.close(&sockets);
    Traffic { sockets, by_thread, logs, queues, datagrams, longest_ns }
}

/// A movement, and of a datagram where it was sent to.
type Moved = (Movement, Option<SocketAddr>);

fn index_moved(
    threads: &Threads,
    payloads: Rows<Payload>,
    sockets: &[Socket],
) -> (Vec<Rows<Movement>>, BySocket) {
    let known = payloads
        .into_order()
        .filter_map(|payload| Some((threads.find(payload.tid, payload.at_ns)?, payload)))
        .enumerate();
    let mut moved = known.map(|(index, (thread, payload))| {
        (Movement::of(&payload, thread, index as MovementIndex), payload.destination)
    });
    let mut by_thread =
        ByThread { lists: threads.all.iter().map(|_| Rows::default()).collect(), unpacked: 0 };
    let mut by_socket = BySocket { datagrams: datagrams::among(sockets), ..BySocket::default() };
    let mut take = |next: &mut Vec<Moved>| {
        next.clear();
        next.extend(moved.by_ref().take(AT_ONCE));
    };
    let (mut filed, mut next) = (Vec::with_capacity(AT_ONCE), Vec::with_capacity(AT_ONCE));
    take(&mut next);
    while !next.is_empty() {
        std::mem::swap(&mut filed, &mut next);
        rayon::join(|| take(&mut next), || rayon::join(|| by_thread.file(&filed), || by_socket.file(&filed)));
    }
    (by_thread.lists, by_socket)
}

/// Parallel to the threads.
struct ByThread {
    lists: Vec<Rows<Movement>>,
    unpacked: usize,
}

impl ByThread {
    fn file(&mut self, moved: &[Moved]) {
        for &(movement, _) in moved {
            self.lists[movement.thread].push(movement);
            if is_much(&mut self.unpacked) {
                self.lists.iter_mut().for_each(Rows::seal_some);
            }
        }
    }
}

#[derive(Default)]
struct BySocket {
    logs: ByCookie<SocketLog>,
    datagrams: Datagrams,
    longest_ns: u64,
    unpacked: usize,
}

impl BySocket {
    fn file(&mut self, moved: &[Moved]) {
        for &(movement, destination) in moved {
            let stands_for_ns = movement.at_ns.saturating_sub(movement.since_ns);
            self.longest_ns = self.longest_ns.max(stands_for_ns.min(MERGED_NS));
            self.logs.entry(movement.cookie).add(movement);
            if let (Direction::Sent, Some(to)) = (movement.direction, destination) {
                self.datagrams.sent(to, movement);
            }
            if is_much(&mut self.unpacked) {
                self.logs.values_mut().for_each(SocketLog::seal);
                self.datagrams.seal();
            }
        }
    }
}

fn index_queues(
    arrivals: Rows<Arrival>,
    send_queues: Rows<SendQueue>,
    retransmits: Rows<Retransmit>,
) -> ByCookie<Queues> {
    let mut queues = ByCookie::<Queues>::default();
    let mut unpacked = 0;
    let mut seal_if_much = |queues: &mut ByCookie<Queues>| {
        if is_much(&mut unpacked) {
            queues.values_mut().for_each(Queues::seal);
        }
    };
    for arrival in arrivals.into_order() {
        queues.entry(arrival.cookie).arrived.push(arrival.at_ns, arrival.sequence);
        seal_if_much(&mut queues);
    }
    for send_queue in send_queues.into_order() {
        queues.entry(send_queue.cookie).sending.push(send_queue);
        seal_if_much(&mut queues);
    }
    for retransmit in retransmits.into_order() {
        queues.entry(retransmit.cookie).resent.push(retransmit);
        seal_if_much(&mut queues);
    }
    queues
}

/// Whether as many records were filed since the last time as may wait to be packed, however many lists they are in.
fn is_much(unpacked: &mut usize) -> bool {
    *unpacked = (*unpacked + 1) % 200_000;
    *unpacked == 0
}
