//! A limit on the time of a run: it ends the run as the user's wish to stop does, and is told apart from it.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};

use crate::bench::wait::Interrupted;

/// How long a wish to stop may go unheard.
const STOP_LATENCY: Duration = Duration::from_millis(50);

/// Runs `work` on this thread, with a flag that is set when `stop` is, or when the time is over.
pub fn within<T>(
    limit: Duration,
    stop: &AtomicBool,
    work: impl FnOnce(&AtomicBool) -> Result<T>,
) -> Result<T> {
    let flag = AtomicBool::new(false);
    let (done, is_done) = mpsc::channel::<()>();
    let started = Instant::now();
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let is_done = is_done;
            while is_done.recv_timeout(STOP_LATENCY) == Err(RecvTimeoutError::Timeout) {
                let is_over = started.elapsed() > limit;
                if is_over || stop.load(Ordering::Relaxed) {
                    flag.store(true, Ordering::Relaxed);
                    return is_over;
                }
            }
            false
        });
        let result = work(&flag);
        drop(done);
        let is_over = watch.join().unwrap_or(false);
        result.map_err(|error| match is_over && error.is::<Interrupted>() {
            true => anyhow!("not complete after {}, its limit", humantime::format_duration(limit)),
            false => error,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_for(flag: &AtomicBool) -> Result<()> {
        while !flag.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(5));
        }
        Err(Interrupted.into())
    }

    #[test]
    fn a_limit_is_no_wish_to_stop() {
        let (limit, stop) = (Duration::from_millis(100), AtomicBool::new(false));
        let error = within(limit, &stop, wait_for).expect_err("the time is over");
        assert!(!error.is::<Interrupted>() && error.to_string().contains("after 100ms"), "{error}");
        assert_eq!(within(limit, &stop, |_| Ok(7)).expect("in time"), 7);
        let error = within(limit, &stop, |_| Err::<(), _>(anyhow!("broken"))).expect_err("it failed");
        assert_eq!(error.to_string(), "broken");
        let error = within(Duration::MAX, &AtomicBool::new(true), wait_for).expect_err("stopped");
        assert!(error.is::<Interrupted>());
    }
}
