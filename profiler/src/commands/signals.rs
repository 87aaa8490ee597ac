//! SIGINT, SIGTERM and SIGHUP: a wish to stop, or of a service to read its configuration again.

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

/// What a service is told by signals.
pub struct Wishes {
    /// SIGINT and SIGTERM set it.
    pub stop: Arc<AtomicBool>,
    /// SIGHUP sets it: a service has no terminal to lose.
    pub reload: Arc<AtomicBool>,
}

/// The flags of a service.
pub fn of_a_service() -> Result<Wishes> {
    let wishes = Wishes { stop: Arc::default(), reload: Arc::default() };
    for (signal, flag) in [(SIGINT, &wishes.stop), (SIGTERM, &wishes.stop), (SIGHUP, &wishes.reload)] {
        signal_hook::flag::register(signal, Arc::clone(flag))
            .with_context(|| format!("handle signal {signal}"))?;
    }
    Ok(wishes)
}

/// How long after a signal the next one still means the same: terminals and `timeout` send several at once.
const SAME_WISH: Duration = Duration::from_secs(1);
