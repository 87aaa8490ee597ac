//! Who listens to a run: the display until its probes are attached, then also the recording.

use anyhow::{Result, bail};

use crate::{
    bench::observer::{AppMilestone, Observer, TransferRequest},
    collect::recording::Recording,
    display::Display,
};
use capture::{Milestone, Record, Transfer};

/// Shows what the benchmark does before anything is recorded.
pub struct Rehearsal<'a>(pub &'a Display);

impl Observer for Rehearsal<'_> {
    fn transfer_requested(&mut self, transfer: &TransferRequest) -> Result<()> {
        bail!("{} transfers before the probes are attached", transfer.label)
    }

    fn milestone(&mut self, milestone: &AppMilestone) -> Result<()> {
        bail!("{} transfers before the probes are attached", milestone.label)
    }

    fn progress(&mut self, _label: &str, _bytes: u64, _of: u64) {}

    fn step(&mut self, step: &str) {
        self.0.step(step);
    }
}

/// Puts what the benchmark says into the capture, and shows how far it is.
pub struct Recorder<'a> {
    pub recording: &'a Recording,
    pub display: &'a Display,
}

impl Observer for Recorder<'_> {
    fn transfer_requested(&mut self, transfer: &TransferRequest) -> Result<()> {
        self.recording.push(Record::Transfer(Transfer {
            label: transfer.label.clone(),
            process: self.recording.serial(transfer.pid)?,
            direction: transfer.direction,
            file_size_bytes: transfer.file_size_bytes,
            requested_ns: transfer.requested_ns,
        }))
    }

    fn milestone(&mut self, milestone: &AppMilestone) -> Result<()> {
        self.recording.push(Record::Milestone(Milestone {
            label: milestone.label.clone(),
            name: milestone.name,
            at_ns: milestone.at_ns,
            resolution_ns: milestone.resolution_ns,
            bytes: milestone.bytes,
        }))
    }

    fn progress(&mut self, label: &str, bytes: u64, of: u64) {
        self.display.progress(label, bytes, of);
    }

    fn step(&mut self, step: &str) {
        self.display.step(step);
    }
}
