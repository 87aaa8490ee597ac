//! Asks the collector.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::messages::{Answer, LONGEST_ANSWER, Request};

/// The answer to a request, at most `patience` after each step.
///
/// # Errors
/// The collector is not there, does not answer in time, or says why it cannot.
pub fn ask(socket: &Path, request: &Request, patience: Duration) -> Result<Answer> {
    let place = socket.display();
    let mut stream = UnixStream::connect(socket)
        .with_context(|| format!("no collector listens at {place}: `profiler daemon` is one"))?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let mut line = serde_json::to_string(request)?;
    line.push('\n');
    // One that does not want to hear from this user answers without reading.
    let sent = stream.write_all(line.as_bytes());
    let mut answer = String::new();
    BufReader::new(stream)
        .take(LONGEST_ANSWER as u64)
        .read_line(&mut answer)
        .with_context(|| format!("the collector at {place} does not answer"))?;
    if answer.is_empty() {
        sent.with_context(|| format!("ask the collector at {place}"))?;
        bail!("the collector at {place} closed the connection without an answer");
    }
    let answer = serde_json::from_str(&answer).with_context(|| {
        format!("the collector at {place} is of another version: it answers {answer:.80}")
    })?;
    match answer {
        Answer::Error(why) => bail!("the collector at {place} says: {why}"),
        other => Ok(other),
    }
}
