//! How long the steps of `cargo xtask test` take, for whoever adds them up: `.ci/run` does.

use std::{
    env,
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result};

/// Names the file that gets a line for each step: part, step, seconds, separated by tabs.
const FILE: &str = "XTASK_STEPS";

/// Runs a step of a part of the budget. That it failed is noted too: its time is what was waited for.
pub fn step<T>(part: &str, name: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    let done = run();
    if let Some(file) = env::var_os(FILE).map(PathBuf::from) {
        note(&file, part, name, begun.elapsed().as_secs())?;
    }
    done
}

fn note(file: &Path, part: &str, name: &str, seconds: u64) -> Result<()> {
    let lines = OpenOptions::new().append(true).create(true).open(file);
    lines
        .and_then(|mut lines| lines.write_all(format!("{part}\t{name}\t{seconds}\n").as_bytes()))
        .with_context(|| format!("write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::{fs, process};

    use super::*;

    #[test]
    fn each_step_adds_a_line() {
        let file = env::temp_dir().join(format!("xtask-steps-{}", process::id()));
        for seconds in [3, 70] {
            note(&file, "kernel", "kernel tests", seconds).expect("a line");
        }
        let lines = fs::read_to_string(&file);
        let _ = fs::remove_file(&file);
        assert_eq!(lines.expect("the file"), "kernel\tkernel tests\t3\nkernel\tkernel tests\t70\n");
    }
}
