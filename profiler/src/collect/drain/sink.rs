//! Where the counters of a sweep go.

use anyhow::Result;
use capture::{Record, Writer};

/// A capture, or who adds up what passes.
pub trait Sink {
    /// # Errors
    /// The record cannot be kept.
    fn push(&mut self, record: &Record) -> Result<()>;
}

impl Sink for Writer {
    fn push(&mut self, record: &Record) -> Result<()> {
        self.push(record)
    }
}
