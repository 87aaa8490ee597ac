//! Drops as the probes write them.

use abi::drops::{self, DropCounts, DropKey, Dropped};

use super::{address, nonzero};
use crate::{DropReason, Drops, ProcessSerial};

pub fn dropped(raw: &Dropped) -> Drops {
    drops(raw.at_ns, &raw.key, &raw.counts)
}

/// As an element of the probes' table stands.
pub fn drops(at_ns: u64, key: &DropKey, counts: &DropCounts) -> Drops {
    let mut ip = [0; 16];
    ip[..8].copy_from_slice(&key.source.ip[0].to_ne_bytes());
    ip[8..].copy_from_slice(&key.source.ip[1].to_ne_bytes());
    Drops {
        at_ns,
        cookie: key.cookie,
        process: nonzero(counts.process).map(ProcessSerial),
        reason: reason(key.reason),
        source: (key.source.family != 0).then(|| address(key.source.family, &ip, key.source.port)),
        drops: counts.drops,
        bytes: counts.bytes,
        buffer: counts.buffer,
    }
}

fn reason(number: u32) -> DropReason {
    use drops::DropReason as Raw;
    match Raw::numbered(number) {
        Some(Raw::ReceiveBuffer) => DropReason::ReceiveBuffer,
        Some(Raw::Memory) => DropReason::Memory,
        Some(Raw::AcceptQueue) => DropReason::AcceptQueue,
        Some(Raw::Qdisc) => DropReason::Qdisc,
        Some(Raw::Filter) => DropReason::Filter,
        Some(Raw::Device) => DropReason::Device,
        Some(Raw::Checksum) => DropReason::Checksum,
        Some(Raw::Neighbour) => DropReason::Neighbour,
        Some(Raw::Window) => DropReason::Window,
        None => DropReason::Other,
    }
}
