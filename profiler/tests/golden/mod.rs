//! Golden files: what a test must give, to the byte.

use std::{env, fs, path::Path};

/// `UPDATE_GOLDEN` in the environment writes the file instead.
#[track_caller]
pub fn check(path: &Path, got: &str) {
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, got).expect("write the golden file");
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert!(
        got == expected,
        "{} differs from what the capture gives now. If the new one is right:\n  \
         UPDATE_GOLDEN=1 cargo test -p profiler --test {} && git diff profiler/tests/fixtures\n{}",
        path.display(),
        env!("CARGO_CRATE_NAME"),
        first_difference(&expected, got)
    );
}

fn first_difference(expected: &str, got: &str) -> String {
    let line = expected.lines().zip(got.lines()).take_while(|(a, b)| a == b).count();
    let of = |text: &str| text.lines().nth(line).unwrap_or("(no such line)").to_owned();
    format!("line {}:\n  golden: {}\n  now:    {}", line + 1, of(expected), of(got))
}
