//! A process's own I/O accounting.

use crate::timeline::{FileIo, Process, Timeline};
use capture::{Operation, ProcessSerial, cross_check::ProcessReading};

use super::{Comparison, Measure, Relation};

const READ: Measure = Measure {
    what: "read by calls",
    cross_check: "/proc/PID/io",
    unit: "bytes",
    follows: "the accounting of some of its threads is missing, and file_read_bytes is off by as much",
};

const WRITTEN: Measure = Measure {
    what: "written by calls",
    cross_check: "/proc/PID/io",
    unit: "bytes",
    follows: "the accounting of some of its threads is missing, and file_written_bytes is off by as much",
};

const FROM_DEVICES: Measure = Measure {
    what: "read from all devices",
    cross_check: "/proc/PID/task/TID/io",
    unit: "bytes",
    follows: "device_read_bytes is off by as much",
};

const TO_DEVICES: Measure = Measure {
    what: "dirtied, or direct",
    cross_check: "/proc/PID/task/TID/io",
    unit: "bytes",
    follows: "dirtied_bytes and device_written_bytes are off by up to as much",
};

/// The accounting counts pages where the probes cannot see it: a file system may move its own pages by other ways.
const UNSEEN_BYTES: u64 = 1 << 20;
const UNSEEN_PARTS: u64 = 100;

pub(super) fn rows(timeline: &Timeline) -> Vec<Comparison> {
    let known = |family: &str| timeline.families.contains_key(family) && timeline.has_family(family);
    let mut rows = Vec::new();
    for (serial, process) in &timeline.processes {
        rows.extend(calls(timeline, *serial, process));
        if process.io.is_empty() || !known("device") {
            continue;
        }
        // What a thread did between a reading of /proc and the probes' beginning or end.
        let width = |of: fn(&ProcessReading) -> u64| {
            let grown = timeline.cross_checks.processes.get(serial).and_then(|readings| readings.grown(of));
            grown.map_or(0, |grown| grown.most.map_or(0, |most| most - grown.least.min(most)))
        };
        // A file's share is an estimate, and the accounting tells those who asked first.
        let shared = timeline.file_credited_bytes(process, Operation::Read);
        rows.push(FROM_DEVICES.compare(
            process.name(),
            timeline.credited_bytes(process, Operation::Read),
            Relation::Equal,
            process.io.sum(FileIo::device_read_bytes),
            width(|reading| reading.read_bytes) + shared,
        ));
        if timeline.knows_owners() {
            let direct = timeline.credited_bytes(process, Operation::Write)
                - timeline.file_credited_bytes(process, Operation::Write);
            let ours = process.dirtied_bytes + process.dirtied_metadata_bytes + direct;
            let theirs = process.io.sum(FileIo::device_written_bytes);
            // FUSE accounts for what is written by calls, whether it dirties a page or passes on at once (6.18). Direct I/O to it
            // passes no page: that there is such a file system is all that tells of it.
            let passed_on = (process.writes_through || !timeline.passing.is_empty())
                && theirs.saturating_sub(ours) <= process.io.sum(FileIo::written_bytes);
            rows.push(TO_DEVICES.compare(
                process.name(),
                ours,
                if passed_on { Relation::AtMost } else { Relation::Equal },
                theirs,
                width(|reading| reading.write_bytes) + UNSEEN_BYTES.max(theirs / UNSEEN_PARTS),
            ));
        }
    }
    rows
}

fn calls(timeline: &Timeline, serial: ProcessSerial, process: &Process) -> Vec<Comparison> {
    let Some(readings) = timeline.cross_checks.processes.get(&serial) else { return Vec::new() };
    let children = descendants(timeline, process);
    let row = |measure: &Measure, ours: fn(&FileIo) -> u64, theirs: fn(&ProcessReading) -> u64| {
        let of = |process: &Process| process.io.sum(ours);
        let grown = readings.grown(theirs)?;
        if children.is_empty() {
            return Some(measure.compare_grown(process.name(), of(process), grown, 0));
        }
        // A process takes over what a child did as it waits for it, if it does: also what was before the recording.
        let ours = of(process) + children.iter().map(|(_, child)| of(child)).sum::<u64>();
        let before = children.iter().filter_map(|(serial, _)| timeline.cross_checks.processes.get(serial));
        let before = before.map(|readings| readings.at_start(theirs)).sum();
        let name = format!("{} and its children", process.name());
        Some(measure.compare(name, ours, Relation::AtLeast, grown.least, before))
    };
    [
        row(&READ, FileIo::read_bytes, |reading| reading.read_chars),
        row(&WRITTEN, FileIo::written_bytes, |reading| reading.write_chars),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The processes that it or its children started, and that ended.
fn descendants<'a>(timeline: &'a Timeline, process: &Process) -> Vec<(ProcessSerial, &'a Process)> {
    let mut pids: Vec<u32> = process.totals.iter().map(|totals| totals.pid).collect();
    let mut found = Vec::new();
    while let Some(parent) = pids.pop() {
        for (serial, child) in &timeline.processes {
            if let Some(totals) = &child.totals
                && totals.parent_pid == parent
                && totals.exited_ns.is_some()
                && totals.pid != parent
            {
                found.push((*serial, child));
                pids.push(totals.pid);
            }
        }
    }
    found
}
