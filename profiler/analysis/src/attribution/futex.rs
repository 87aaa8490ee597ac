//! Futex waits: most are followed into their waker, few are locks.
//!
//! Condition variables, joins and queues are futexes too. A wait is a `lock` only for a PI operation, or
//! where the waker itself also waits on that address in the capture. Limits: a barrier and a condition
//! variable in which two threads wake each other in turn wait on one address on both sides, and pass for
//! locks; a mutex that its holder never had to wait for passes for a hand-over. FUTEX_WAIT_REQUEUE_PI waits
//! for a condition, not for the lock that it ends up with.

use std::collections::HashSet;

use capture::ProcessSerial;
use capture::span::{Futex, Span};

const LOCK_PI: i32 = 6;
const LOCK_PI2: i32 = 13;
/// Without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME.
const COMMAND: i32 = !(128 | 256);

/// Which thread waited on which address, anywhere in the capture.
#[derive(Debug, Default)]
pub struct FutexWaits(HashSet<(ProcessSerial, u64, u32)>);

pub fn waits(spans: impl IntoIterator<Item = Span>) -> FutexWaits {
    let blocked = spans.into_iter().filter(Span::blocks);
    FutexWaits(blocked.filter_map(|span| Some((span.process, span.doing.futex?.address, span.tid))).collect())
}

impl FutexWaits {
    /// These and those of other spans.
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Whether a futex wait that `waker` ended was a lock.
    pub fn is_lock(&self, process: ProcessSerial, futex: Futex, waker: u32) -> bool {
        matches!(futex.operation & COMMAND, LOCK_PI | LOCK_PI2)
            || self.0.contains(&(process, futex.address, waker))
    }
}
