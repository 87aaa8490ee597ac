//! How long the steps of `cargo xtask test` take, for whoever adds them up: `.ci/run` does.

use std::{
    env,
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result};

/// Names the file that gets a line for each step: part, step, seconds, and `failed` if it did; separated by tabs.
const FILE: &str = "XTASK_STEPS";

/// Runs a step of a part of the budget. One that failed is noted too: its time is what was waited for.
pub fn step<T>(part: &str, name: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    noted(env::var_os(FILE).map(PathBuf::from).as_deref(), part, name, run)
}

/// A line that takes no time: what is to be known of a part.
pub fn remark(part: &str, text: &str) -> Result<()> {
    noted(env::var_os(FILE).map(PathBuf::from).as_deref(), part, text, || Ok(()))
}

fn noted<T>(file: Option<&Path>, part: &str, name: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    let done = run();
    let Some(file) = file else { return done };
    match (note(file, part, name, begun.elapsed().as_secs(), done.is_err()), done) {
        (Ok(()), done) => done,
        (Err(error), Ok(_)) => Err(error),
        (Err(lost), Err(error)) => {
            eprintln!("warning: the step `{name}` is not in the table: {lost:#}");
            Err(error)
        }
    }
}

fn note(file: &Path, part: &str, name: &str, seconds: u64, has_failed: bool) -> Result<()> {
    let lines = OpenOptions::new().append(true).create(true).open(file);
    let ending = if has_failed { "\tfailed" } else { "" };
    lines
        .and_then(|mut lines| lines.write_all(format!("{part}\t{name}\t{seconds}{ending}\n").as_bytes()))
        .with_context(|| format!("write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::{fs, process};

    use anyhow::anyhow;

    use super::*;

    #[test]
    fn each_step_adds_a_line_and_one_that_failed_says_so() {
        let file = env::temp_dir().join(format!("xtask-steps-{}", process::id()));
        note(&file, "kernel", "kernel tests", 70, false).expect("a line");
        let kept = noted(Some(&file), "checks", "format", || Ok(7));
        let failed = noted(Some(&file), "set-ups", "setups tests", || Err::<(), _>(anyhow!("on purpose")));
        let lines = fs::read_to_string(&file);
        let _ = fs::remove_file(&file);
        assert_eq!(kept.expect("it succeeds"), 7);
        assert_eq!(failed.expect_err("it fails").to_string(), "on purpose");
        let expected = "kernel\tkernel tests\t70\nchecks\tformat\t0\nset-ups\tsetups tests\t0\tfailed\n";
        assert_eq!(lines.expect("the file"), expected);
    }

    #[test]
    fn a_table_that_cannot_be_written_hides_no_error() {
        let nowhere = Path::new("/nonexistent/steps");
        let failed = noted(Some(nowhere), "checks", "format", || Err::<(), _>(anyhow!("on purpose")));
        assert_eq!(failed.expect_err("it fails").to_string(), "on purpose");
        let lost = noted(Some(nowhere), "checks", "format", || Ok(()));
        assert_eq!(lost.expect_err("the line is lost").to_string(), "write /nonexistent/steps");
        noted(None, "checks", "format", || Ok(())).expect("nobody asks for a table");
    }
}
