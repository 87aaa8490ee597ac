//! The programs that a virtual kernel runs, as cargo builds them for the tests.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{command, workspace};

pub struct Programs {
    pub test: PathBuf,
    /// Which the tests start under the path that it has here.
    pub profiler: PathBuf,
}

/// Compiles a test target where it is not up to date.
pub fn test(target: &str) -> Result<Programs> {
    let mut cargo = command::cargo();
    cargo.args(["test", "--package", "profiler", "--test", target, "--no-run"]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    cargo.current_dir(workspace::root()).stderr(Stdio::inherit());
    let line = command::line(&cargo);
    let output = cargo.output().with_context(|| format!("start `{line}`"))?;
    ensure!(output.status.success(), "`{line}` failed: {}", output.status);
    let printed = String::from_utf8_lossy(&output.stdout);
    Ok(Programs {
        test: executable(&printed, target, "test").with_context(|| format!("`{line}` built no test"))?,
        profiler: executable(&printed, "profiler", "bin")
            .with_context(|| format!("`{line}` built no profiler"))?,
    })
}

/// The path of a target's executable in cargo's messages.
fn executable(messages: &str, name: &str, kind: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut wanted =
        messages.filter(|message| message["target"]["name"] == name && message["target"]["kind"][0] == kind);
    wanted.find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_told_by_name_and_kind() {
        let messages = r#"{"target":{"name":"profiler","kind":["lib"]},"executable":null}
{"target":{"name":"profiler","kind":["bin"]},"executable":"/t/profiler"}
{"target":{"name":"kernel","kind":["test"]},"executable":"/t/deps/kernel-1"}
not JSON"#;
        assert_eq!(executable(messages, "kernel", "test"), Some("/t/deps/kernel-1".into()));
        assert_eq!(executable(messages, "profiler", "bin"), Some("/t/profiler".into()));
        assert_eq!(executable(messages, "kernel", "bin"), None);
    }
}
