//! CPU time, which a busy host hardly changes.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of this thread for so many runs.
pub fn time(times: u64, mut run: impl FnMut()) -> Duration {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("a time since the start");
    let before = now();
    (0..times).for_each(|_| run());
    now() - before
}
