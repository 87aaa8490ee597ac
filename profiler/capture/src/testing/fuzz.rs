//! Hostile input for tests: values of a strategy for some seconds.

use std::time::{Duration, Instant};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, TestRunner},
};

/// Makes every such test run so many seconds instead of a few.
const LONGER: &str = "PROFILER_FUZZ_S";
const FUZZ: Duration = Duration::from_secs(2);

/// Tries values for some seconds; a panic of `check` names the smallest value that was found for it.
pub fn fuzz<S: Strategy>(values: &S, check: impl Fn(S::Value)) {
    let time = std::env::var(LONGER).ok().and_then(|s| s.parse().ok()).map_or(FUZZ, Duration::from_secs);
    let begun = Instant::now();
    let config = Config { failure_persistence: None, cases: 200, ..Config::default() };
    while begun.elapsed() < time {
        let mut runner = TestRunner::new(config.clone());
        let tried = runner.run(values, |value| {
            check(value);
            Ok(())
        });
        if let Err(failure) = tried {
            panic!("{failure}");
        }
    }
}
