//! The block layer's own statistics of each device.

use crate::timeline::{Device, Timeline};
use capture::{DeviceTotals, Operation, cross_check::DiskReading};

use super::{Comparison, Measure, Relation};

const DISKSTATS: &str = "/proc/diskstats";

const READ: Measure = Measure {
    what: "read from the device",
    cross_check: DISKSTATS,
    unit: "bytes",
    follows: "completions were not seen, and read_bytes, requests and times of the device lack them (credited bytes do not)",
};

const WRITTEN: Measure = Measure {
    what: "written to the device",
    cross_check: DISKSTATS,
    unit: "bytes",
    follows: "completions were not seen, and written_bytes, requests and times of the device lack them (credited bytes do not)",
};

/// What follows from too much.
const EXCESS: &str = "the probes counted more than the device did, and its bytes, requests and times are too high by as much (credited bytes are not)";

const READS: Measure = Measure { what: "reads completed", unit: "requests", ..READ };
const WRITES: Measure = Measure { what: "writes completed", unit: "requests", ..WRITTEN };

/// Hosts hide single completions: so many bytes, so many requests, or this part of all may be missing without being a
/// reason. The row shows what is missing.
const FEW_BYTES: u64 = 1 << 20;
const FEW_REQUESTS: u64 = 4;
const HIDDEN_PARTS: u64 = 100;

pub(super) fn rows(timeline: &Timeline) -> Vec<Comparison> {
    if !timeline.has_family("device") {
        return Vec::new();
    }
    let nothing = Device::default();
    timeline
        .cross_checks
        .disks
        .iter()
        .flat_map(|(id, readings)| {
            let device = timeline.devices.get(id).unwrap_or(&nothing);
            let name = device.disk.as_ref().map_or_else(|| id.to_string(), |disk| disk.name.clone());
            let seen = readings.last();
            let has_requests = seen.is_some_and(|reading| reading.reads + reading.writes > 0);
            let has_bytes = seen.is_some_and(|reading| reading.read_bytes + reading.written_bytes > 0);
            // Its driver counts nothing (brd), or `queue/iostats` is off.
            if !has_requests && !has_bytes {
                return Vec::new();
            }
            let row = |measure: &Measure,
                       few: u64,
                       operation,
                       ours: fn(&DeviceTotals) -> u64,
                       theirs: fn(&DiskReading) -> u64| {
                let ours = device.totals.get(&operation).map_or(0, ours);
                let grown = readings.grown(theirs)?;
                let known_error = few.max(grown.least / HIDDEN_PARTS);
                let row = match has_requests {
                    true => measure.compare_grown(name.clone(), ours, grown, known_error),
                    // As they are submitted; the kernel counts as they end.
                    false => measure.compare(name.clone(), ours, Relation::AtLeast, grown.least, known_error),
                };
                Some(Comparison { follows: if row.difference > 0 { EXCESS } else { row.follows }, ..row })
            };
            let mut rows = vec![
                row(&READ, FEW_BYTES, Operation::Read, |totals| totals.bytes, |reading| reading.read_bytes),
                row(
                    &WRITTEN,
                    FEW_BYTES,
                    Operation::Write,
                    |totals| totals.bytes,
                    |reading| reading.written_bytes,
                ),
            ];
            if has_requests {
                rows.extend([
                    row(
                        &READS,
                        FEW_REQUESTS,
                        Operation::Read,
                        |totals| totals.requests,
                        |reading| reading.reads,
                    ),
                    row(
                        &WRITES,
                        FEW_REQUESTS,
                        Operation::Write,
                        |totals| totals.requests,
                        |reading| reading.writes,
                    ),
                ]);
            }
            rows
        })
        .flatten()
        .collect()
}
