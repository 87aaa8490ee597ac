//! Every record of a capture as a line of JSON, for those who want to check or to build their own.

use std::io::{ErrorKind, Read, Write};

use anyhow::{Context as _, Result};

use crate::{Capture, Ending, Record};

/// Names of the kinds of records, as a dump has them.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    Record::KINDS.iter().map(|(_, name)| *name)
}

/// Writes the records of the given kinds, or all if none is given, in the order of the capture, and tells how it ends.
/// None where a reader went away before, which is no error.
pub fn run<R: Read>(
    capture: &mut Capture<R>,
    only: &[String],
    into: &mut impl Write,
) -> Result<Option<Ending>> {
    while let Some(record) = capture.next()? {
        if !only.is_empty() && !only.iter().any(|wanted| wanted == record.name()) {
            continue;
        }
        let mut line = serde_json::to_vec(&record).context("a record as JSON")?;
        line.push(b'\n');
        if gone(into.write_all(&line))? {
            return Ok(None);
        }
    }
    Ok(if gone(into.flush())? { None } else { Some(capture.ending()) })
}

/// Whether the reader of the output has gone away.
fn gone(result: std::io::Result<()>) -> Result<bool> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(true),
        other => other.map(|()| false).context("write the dump"),
    }
}
