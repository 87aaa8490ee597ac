//! Where a transfer is cut: each connection by itself, by its bytes only. Time never cuts, nor does another connection.

use crate::attribution::observed::{payload::Movement, traffic::Traffic};
use capture::{Direction, ProcessSerial, traffic::Direction as Moved};

/// The least of a transfer that is a cut of its own.
const LEAST_BYTES: u64 = 64 << 10;

/// A transfer whose time is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Transferred {
    pub process: ProcessSerial,
    pub direction: Direction,
    pub requested_ns: u64,
    /// What moved later is no part of it.
    pub until_ns: u64,
    /// 0 where it is not known: then it is what was moved.
    pub size_bytes: u64,
}

/// Some bytes of a connection, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// The movement that completed it; its thread is where the walk begins.
    pub end: Movement,
    /// From the end of the connection's cut before.
    pub from_ns: u64,
    pub to_ns: u64,
    pub bytes: u64,
}

/// The cuts of each connection, in order of time. The last one of a connection may be small.
pub fn cut(
    traffic: &Traffic,
    of_process: impl Fn(&Movement) -> ProcessSerial,
    transferred: Transferred,
) -> Vec<Vec<Cut>> {
    let Transferred { process, direction, requested_ns, until_ns, size_bytes } = transferred;
    let moved = match direction {
        Direction::Download | Direction::Intake => Moved::Received,
        Direction::Upload => Moved::Sent,
    };
    let of_connections = || {
        let of_sockets = traffic.of_sockets_between(moved, requested_ns, until_ns);
        of_sockets.map(|movements| movements.filter(|movement| of_process(movement) == process))
    };
    let moved_bytes = || {
        let bytes = of_connections().flatten().map(|movement| movement.bytes);
        bytes.fold(0, u64::saturating_add)
    };
    let all_bytes = if size_bytes > 0 { size_bytes } else { moved_bytes() };
    let stride_bytes = (all_bytes / 1000).max(LEAST_BYTES);
    let cuts = of_connections().map(|movements| cut_connection(movements, transferred, stride_bytes));
    cuts.filter(|cuts| !cuts.is_empty()).collect()
}

fn cut_connection(
    movements: impl Iterator<Item = Movement>,
    Transferred { requested_ns, until_ns, .. }: Transferred,
    stride_bytes: u64,
) -> Vec<Cut> {
    let mut cuts = Vec::new();
    let (mut from_ns, mut bytes) = (requested_ns, 0);
    let mut movements = movements.peekable();
    while let Some(end) = movements.next() {
        bytes = u64::saturating_add(bytes, end.bytes);
        if bytes >= stride_bytes || movements.peek().is_none() {
            let to_ns = end.at_ns.min(until_ns).max(from_ns);
            cuts.push(Cut { end, from_ns, to_ns, bytes });
            (from_ns, bytes) = (to_ns, 0);
        }
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        attribution::observed::{
            filing,
            payload::TrafficRecords,
            threads::{self, Life},
        },
        rows::Rows,
    };
    use capture::traffic::Payload;

    const IT: Transferred = Transferred {
        process: ProcessSerial(1),
        direction: Direction::Download,
        requested_ns: 10,
        until_ns: 100,
        size_bytes: 0,
    };

    /// Receives of one connection: first and last time, and bytes; the cuts' times and bytes.
    #[track_caller]
    fn check(transferred: Transferred, received: &[(u64, u64, u64)], expected: &[(u64, u64, u64)]) {
        let (process, tid) = (ProcessSerial(1), 1);
        let life = Life { process, tid, creator: None, since_ns: 0, end_ns: 1000 };
        let payload = |&(since_ns, at_ns, bytes)| Payload {
            since_ns,
            at_ns,
            process,
            tid,
            cookie: 1,
            direction: Moved::Received,
            bytes,
            sequence: None,
            destination: None,
            empty_calls: 0,
        };
        let payloads = received.iter().map(payload).collect();
        let records = TrafficRecords { payloads, ..TrafficRecords::default() };
        let traffic = filing::index(&threads::order(&[life], Rows::default()), records);
        let connections = cut(&traffic, |_| process, transferred);
        let cuts = connections.iter().flatten().map(|cut| (cut.from_ns, cut.to_ns, cut.bytes));
        assert_eq!(cuts.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_cut_ends_with_the_receive_that_completes_a_stride() {
        let least = [(20, 20, 40 << 10), (30, 30, 24 << 10), (40, 40, 1), (50, 50, 64 << 10), (60, 60, 5)];
        check(IT, &least, &[(10, 30, 64 << 10), (30, 50, (64 << 10) + 1), (50, 60, 5)]);
    }

    #[test]
    fn a_stride_is_a_thousandth_of_the_file() {
        let received = [(20, 20, 100_000), (30, 30, 100_000), (40, 40, 199_800_000)];
        let expected = [(10, 30, 200_000), (30, 40, 199_800_000)];
        check(Transferred { size_bytes: 200_000_000, ..IT }, &received, &expected);
        check(IT, &received, &expected);
        let all = [(10, 40, 200_000_000)];
        check(Transferred { size_bytes: 300_000_000_000, ..IT }, &received, &all);
    }

    #[test]
    fn what_moved_before_or_after_is_no_part() {
        let received = [(5, 9, 70_000), (12, 20, 70_000), (90, 110, 70_000), (101, 120, 70_000)];
        check(IT, &received, &[(10, 20, 70_000), (20, 100, 70_000)]);
        // An end before the beginning: a cut without time.
        check(Transferred { until_ns: 5, ..IT }, &[(4, 20, 70_000)], &[(10, 10, 70_000)]);
    }
}
