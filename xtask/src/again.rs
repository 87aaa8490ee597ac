//! Tests that ask the running kernel run once more, alone, where few of them failed: a shared machine may take the CPU
//! away for longer than a test has room for. What failed once is shown as it failed, and named at the end.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::steps;

/// More than a disturbance explains.
const FEW: usize = 3;

/// Names of the failed tests, of what a test's harness printed; empty if it printed none.
pub fn failed(printed: &str) -> Vec<String> {
    // The last list is that of names; the one before has their messages.
    let Some((_, list)) = printed.rsplit_once("\nfailures:\n") else { return Vec::new() };
    let names = list.lines().take_while(|line| line.starts_with("    "));
    let names: BTreeSet<&str> = names.map(str::trim).collect();
    names.into_iter().map(String::from).collect()
}

/// Has those of `failed` run once more by `run`, if they are few; gives the names.
///
/// # Errors
/// `first` if they are none or many, and what `run` says if they fail again.
pub fn again(
    failed: Vec<String>,
    first: anyhow::Error,
    run: impl FnOnce(&[String]) -> Result<()>,
) -> Result<Vec<String>> {
    if !(1..=FEW).contains(&failed.len()) {
        return Err(first);
    }
    eprintln!("once more, alone: {}", failed.join(", "));
    if let Err(second) = run(&failed) {
        bail!("{second:#}; before, among all: {first:#}");
    }
    Ok(failed)
}

/// Says in the table which tests of `all`, which belongs to a part of the budget, passed only alone.
pub fn noted(part: &str, all: &str, passed: &[String]) -> Result<()> {
    let text = format!("failed among all of {all}, passed alone: {}", passed.join(", "));
    eprintln!("warning: {text}");
    steps::remark(part, &text)
}

/// What makes a harness run only these.
pub fn only(names: &[String]) -> impl Iterator<Item = &str> {
    ["--test-threads=1", "--exact"].into_iter().chain(names.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    const PRINTED: &str = "\
test a::x ... ok
test b::y ... FAILED
test b::z ... FAILED

failures:

---- b::y stdout ----

    b::none is no name

---- b::z stdout ----
it is not


failures:
    b::y
    b::z

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
";

    #[test]
    fn failed_tests_are_found_by_name() {
        assert_eq!(failed(PRINTED), ["b::y", "b::z"]);
        assert_eq!(failed("test a::x ... ok\n\ntest result: ok. 1 passed\n"), [] as [&str; 0]);
        assert_eq!(failed(""), [] as [&str; 0]);
    }

    #[test]
    fn few_run_again_and_a_second_failure_is_one() {
        let names = |count: usize| (0..count).map(|one| format!("b::{one}")).collect::<Vec<_>>();
        let check = |count: usize, passes: bool, expected: Result<usize, &str>| {
            let mut ran = Vec::new();
            let done = again(names(count), anyhow!("first"), |names| {
                ran = names.to_vec();
                if passes { Ok(()) } else { Err(anyhow!("second")) }
            });
            match (done, expected) {
                (Ok(passed), Ok(expected)) => assert_eq!((passed.len(), ran), (expected, names(count))),
                (Err(error), Err(expected)) => assert_eq!(error.to_string(), expected),
                (done, _) => panic!("{count}: {done:?}"),
            }
        };
        check(1, true, Ok(1));
        check(FEW, true, Ok(FEW));
        check(1, false, Err("second; before, among all: first"));
        // A harness that died, and a broken product.
        check(0, true, Err("first"));
        check(FEW + 1, true, Err("first"));
    }
}
