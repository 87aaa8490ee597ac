//! Every record of a capture as a line of JSON, for those who want to check or to build their own.

use std::io::{ErrorKind, Read, Write};

use anyhow::{Context as _, Result};

use crate::{Capture, Ending, Record};

macro_rules! kinds {
    ($($variant:ident = $name:literal,)*) => {
        /// Names of the kinds of records, as a dump has them.
        pub fn kinds() -> &'static [&'static str] {
            &[$($name,)*]
        }

        /// The kind of a record: the key of its line.
        pub fn kind(record: &Record) -> &'static str {
            match record { $(Record::$variant { .. } => $name,)* }
        }
    };
}

kinds! {
    Start = "start",
    Environment = "environment",
    Clock = "clock",
    Family = "family",
    Label = "label",
    ProcessTotals = "process_totals",
    ThreadTotals = "thread_totals",
    ThreadIo = "thread_io",
    SocketTotals = "socket_totals",
    DeviceTotals = "device_totals",
    CreditTotals = "credit_totals",
    Progress = "progress",
    Watermark = "watermark",
    Transfer = "transfer",
    Milestone = "milestone",
    Polling = "polling",
    Checksum = "checksum",
    Losses = "losses",
    ProbeWindow = "probe_window",
    Daemon = "daemon",
    End = "end",
    Span = "span",
    OutsideWaker = "outside_waker",
    Stack = "stack",
    Payload = "payload",
    Arrival = "arrival",
    SendQueue = "send_queue",
    InodeUse = "inode_use",
    InodeIo = "inode_io",
    CrossCheck = "cross_check",
    Bypassed = "bypassed",
    ProbeDispatch = "probe_dispatch",
}

/// Writes the records of the given kinds, or all if none is given, in the order of the capture, and tells how it ends.
/// None where a reader went away before, which is no error.
pub fn run<R: Read>(
    capture: &mut Capture<R>,
    only: &[String],
    into: &mut impl Write,
) -> Result<Option<Ending>> {
    while let Some(record) = capture.next()? {
        if !only.is_empty() && !only.iter().any(|wanted| wanted == kind(&record)) {
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
