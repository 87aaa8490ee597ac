//! Waiting: always with a limit, and never deaf to the user's wish to stop.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(50);

/// Tries again until there is a value, `limit` is over, or the user stops the run.
///
/// `what` completes "waiting until …". The limit is looked at between attempts: an attempt must be short.
pub fn until<T>(
    what: &str,
    limit: Duration,
    stop: &AtomicBool,
    mut attempt: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        check_stop(stop)?;
        if let Some(value) = attempt()? {
            return Ok(value);
        }
        if started.elapsed() > limit {
            bail!("gave up after {} s of waiting until {what}", limit.as_secs());
        }
        thread::sleep(BETWEEN_ATTEMPTS);
    }
}

/// An error if the user wants the run to stop.
pub fn check_stop(stop: &AtomicBool) -> Result<()> {
    if stop.load(Ordering::Relaxed) {
        return Err(Interrupted.into());
    }
    Ok(())
}

/// The run ended because the user stopped it: no fault of any part.
#[derive(Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped on request")
    }
}

impl Error for Interrupted {}
