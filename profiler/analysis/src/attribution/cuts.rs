//! Where a transfer is cut: each connection by itself, by its bytes only. Time never cuts, nor does another connection.

use std::collections::BTreeMap;

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
pub struct Cut<'t> {
    /// The movement that completed it; its thread is where the walk begins.
    pub end: &'t Movement,
    /// From the end of the connection's cut before.
    pub from_ns: u64,
    pub to_ns: u64,
    pub bytes: u64,
}

/// The cuts of each connection, in order of time. The last one of a connection may be small.
pub fn cut<'t>(
    traffic: &'t Traffic,
    of_process: impl Fn(&Movement) -> ProcessSerial,
    transferred: Transferred,
) -> Vec<Vec<Cut<'t>>> {
    let Transferred { process, direction, requested_ns, until_ns, size_bytes } = transferred;
    let moved = match direction {
        Direction::Download | Direction::Intake => Moved::Received,
        Direction::Upload => Moved::Sent,
    };
    let is_its = |movement: &&Movement| {
        movement.direction == moved
            && movement.at_ns >= requested_ns
            && movement.since_ns <= until_ns
            && of_process(movement) == process
    };
    let mut connections: BTreeMap<u64, Vec<&Movement>> = BTreeMap::new();
    let mut all_bytes = 0;
    for movement in traffic.all.iter().filter(is_its) {
        connections.entry(movement.cookie).or_default().push(movement);
        all_bytes = u64::saturating_add(all_bytes, movement.bytes);
    }
    let stride_bytes = (if size_bytes > 0 { size_bytes } else { all_bytes } / 1000).max(LEAST_BYTES);
    connections.into_values().map(|movements| cut_connection(&movements, transferred, stride_bytes)).collect()
}

fn cut_connection<'t>(
    movements: &[&'t Movement],
    Transferred { requested_ns, until_ns, .. }: Transferred,
    stride_bytes: u64,
) -> Vec<Cut<'t>> {
    let mut cuts = Vec::new();
    let (mut from_ns, mut bytes) = (requested_ns, 0);
    for (place, &end) in movements.iter().enumerate() {
        bytes = u64::saturating_add(bytes, end.bytes);
        if bytes >= stride_bytes || place + 1 == movements.len() {
            let to_ns = end.at_ns.min(until_ns).max(from_ns);
            cuts.push(Cut { end, from_ns, to_ns, bytes });
            (from_ns, bytes) = (to_ns, 0);
        }
    }
    cuts
}
