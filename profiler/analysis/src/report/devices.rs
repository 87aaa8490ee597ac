//! Block devices, for the whole host, and how much of their traffic has a known owner.

use serde::Serialize;

use crate::timeline::{DeviceId, Timeline};
use capture::{DeviceTotals, Operation};

use super::ratio;

#[derive(Clone, Debug, Serialize)]
pub struct DeviceReport {
    pub name: String,
    pub scheduler: Option<String>,
    /// Another device sits on top of it, and shows the same bytes.
    pub below_another: bool,
    pub read_bytes: u64,
    pub written_bytes: u64,
    pub read_requests: u64,
    pub write_requests: u64,
    /// From a request's start to its issue.
    pub read_mean_queue_us: Option<f64>,
    pub write_mean_queue_us: Option<f64>,
    /// From issue to completion.
    pub read_mean_service_us: Option<f64>,
    pub write_mean_service_us: Option<f64>,
    /// Bytes of targets: submitted by themselves, or their share of the files that they use.
    pub credited_read_bytes: u64,
    pub credited_written_bytes: u64,
    /// The rest: other processes, and file systems' metadata. Less than nothing where completions were not seen, and
    /// by what is under way.
    pub uncredited_read_bytes: i64,
    pub uncredited_written_bytes: i64,
    pub errors: u64,
}

pub(super) fn report(timeline: &Timeline) -> Vec<DeviceReport> {
    timeline
        .devices
        .iter()
        .map(|(id, device)| {
            let of = |operation| device.totals.get(&operation);
            let (read, write) = (of(Operation::Read), of(Operation::Write));
            let (read_bytes, written_bytes) = (read.map_or(0, |t| t.bytes), write.map_or(0, |t| t.bytes));
            let credited_read_bytes = credited_bytes(timeline, *id, Operation::Read);
            let credited_written_bytes = credited_bytes(timeline, *id, Operation::Write);
            DeviceReport {
                name: device.disk.as_ref().map_or_else(|| id.to_string(), |disk| disk.name.clone()),
                scheduler: device.disk.as_ref().and_then(|disk| disk.scheduler.clone()),
                below_another: device.below_another(),
                read_bytes,
                written_bytes,
                read_requests: read.map_or(0, |t| t.requests),
                write_requests: write.map_or(0, |t| t.requests),
                read_mean_queue_us: read.and_then(mean_queue_us),
                write_mean_queue_us: write.and_then(mean_queue_us),
                read_mean_service_us: read.and_then(mean_service_us),
                write_mean_service_us: write.and_then(mean_service_us),
                credited_read_bytes,
                credited_written_bytes,
                uncredited_read_bytes: read_bytes.wrapping_sub(credited_read_bytes).cast_signed(),
                uncredited_written_bytes: written_bytes.wrapping_sub(credited_written_bytes).cast_signed(),
                errors: read.map_or(0, |t| t.errors) + write.map_or(0, |t| t.errors),
            }
        })
        .collect()
}

fn credited_bytes(timeline: &Timeline, id: DeviceId, operation: Operation) -> u64 {
    timeline.processes.values().map(|process| process.credited_bytes(id, operation)).sum()
}

fn mean_queue_us(totals: &DeviceTotals) -> Option<f64> {
    Some(ratio(totals.queue_ns, totals.queued)? / 1e3)
}

fn mean_service_us(totals: &DeviceTotals) -> Option<f64> {
    Some(ratio(totals.service_ns, totals.serviced)? / 1e3)
}
