//! SIGINT, SIGTERM and SIGHUP: a wish to stop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// A flag that SIGINT, SIGTERM and SIGHUP set. Another signal, later, ends the program at once.
pub fn stop() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let at_once = Arc::new(AtomicBool::new(false));
    let (asked, armed) = (Arc::clone(&stop), Arc::clone(&at_once));
    thread::spawn(move || {
        while !asked.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(100));
        }
        thread::sleep(SAME_WISH);
        armed.store(true, Ordering::Release);
    });
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&at_once))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .with_context(|| format!("handle signal {signal}"))?;
    }
    Ok(stop)
}

/// A flag that SIGINT and SIGTERM set. SIGHUP changes nothing: a service has no terminal to lose.
pub fn stop_of_a_service() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .with_context(|| format!("handle signal {signal}"))?;
    }
    signal_hook::flag::register(SIGHUP, Arc::default()).context("handle SIGHUP")?;
    Ok(stop)
}

/// How long after a signal the next one still means the same: terminals and `timeout` send several at once.
const SAME_WISH: Duration = Duration::from_secs(1);
