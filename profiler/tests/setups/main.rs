//! Set-ups whose bottleneck is known, because programs were written to have it: does the report name it?
//!
//! Each program is a process of its own with a log of what it did when, and is this binary again. Needs root;
//! without it every test fails.

mod cgroup;
mod cpu;
mod disk;
mod expect;
mod link;
mod locks;
mod log;
mod loops;
mod loss;
mod network;
mod outcome;
mod pair;
mod pairs;
mod programs;
mod running;
mod stage;
mod truth;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    process::ExitCode,
};

use libtest_mimic::{Arguments, Trial};

use crate::expect::Disturbed;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    match arguments.next().as_deref() {
        Some(programs::ARGUMENT) => {
            programs::main(&arguments.next().expect("what to run"));
            return ExitCode::SUCCESS;
        }
        Some(pairs::ARGUMENT) => return pairs::main(arguments),
        _ => {}
    }
    let mut arguments = Arguments::from_args();
    // They share the machine's cores and disk, and each wants its own part of them.
    arguments.test_threads = Some(1);
    let trials = [
        expect::trials(),
        network::trials(),
        disk::trials(),
        cpu::trials(),
        loops::trials(),
        locks::trials(),
        loss::trials(),
        pairs::trials(),
        pairs::recorded::trials(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}

/// Other work on the host may take a program's time.
const ATTEMPTS: usize = 5;

/// A test that fails by panicking. One whose set-up was disturbed is repeated.
fn trial(name: &str, test: impl Fn() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        let mut disturbed = Vec::new();
        for _ in 0..ATTEMPTS {
            let Err(panicked) = catch_unwind(AssertUnwindSafe(&test)) else { return Ok(()) };
            match panicked.downcast::<Disturbed>() {
                Ok(how) => disturbed.push(how.0),
                Err(panicked) => resume_unwind(panicked),
            }
        }
        Err(format!("the set-up was disturbed each time: {}", disturbed.join("; ")).into())
    })
}
