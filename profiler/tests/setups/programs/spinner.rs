//! A program that only computes, and computing as such.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use profiler::clock::thread_cpu_ns;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Prepared;
use crate::log::State;

/// Computes for a while by the monotonic clock, however much of it is given a CPU.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Spinner {
    pub time: Duration,
}

/// Between two looks at the clock: some 20 µs without optimization.
const HASHED_BYTES: usize = 512;

impl Spinner {
    pub(super) fn prepare(self) -> Prepared {
        Prepared::new(None, move |log| {
            let began = Instant::now();
            while began.elapsed() < self.time {
                compute(Duration::from_millis(1));
                log.did(State::Compute, 0);
            }
        })
    }
}

/// Hashes until the thread has used so much CPU time, by its own CPU clock: time that it is kept off the CPU does
/// not count.
pub fn compute(time: Duration) {
    let block = [7; HASHED_BYTES];
    let until_ns = thread_cpu_ns() + time.as_nanos() as u64;
    while thread_cpu_ns() < until_ns {
        black_box(Sha256::digest(black_box(&block)));
    }
}
