//! Where the workspace's files are, and which test targets it has.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::command;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace's root")
}

/// Tools of this clone, outside git; `profiler/build.rs` reads them.
pub fn tools() -> PathBuf {
    root().join(".tools")
}

/// What `cargo metadata` says about the workspace.
pub fn metadata() -> Result<Value> {
    let mut ask = command::cargo();
    ask.args(["metadata", "--no-deps", "--format-version=1"]).current_dir(root()).stderr(Stdio::inherit());
    let line = command::line(&ask);
    let output = ask.output().with_context(|| format!("start `{line}`"))?;
    ensure!(output.status.success(), "`{line}` failed: {}", output.status);
    serde_json::from_slice(&output.stdout).with_context(|| format!("read what `{line}` printed"))
}

/// The folder of build results; `CARGO_TARGET_DIR` and cargo's configuration may move it.
pub fn target_dir(metadata: &Value) -> Result<PathBuf> {
    let path = metadata["target_directory"].as_str().context("`cargo metadata` names no target directory")?;
    Ok(PathBuf::from(path))
}

/// The integration tests of all packages, by name.
pub fn integration_tests(metadata: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let targets = list(&metadata["packages"]).into_iter().flat_map(|package| list(&package["targets"]));
    let tests = targets.filter(|target| list(&target["kind"]).iter().any(|kind| kind == "test"));
    tests.filter_map(|target| target["name"].as_str().map(String::from)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integration_tests_are_the_targets_of_kind_test() {
        let library = json!({ "name": "profiler", "kind": ["lib"] });
        let test = |name: &str| json!({ "name": name, "kind": ["test"] });
        let metadata = json!({ "packages": [
            { "targets": [library, test("replay"), test("kernel")] },
            { "targets": [test("cli")] },
        ]});
        assert_eq!(integration_tests(&metadata), ["replay", "kernel", "cli"]);
    }

    #[test]
    fn this_workspace_has_a_target_directory() {
        let metadata = metadata().expect("cargo metadata");
        assert!(target_dir(&metadata).expect("a directory").is_absolute());
    }
}
