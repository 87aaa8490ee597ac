//! The crates that need neither the kernel nor privileges: what they depend on, and their tests as an ordinary user.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{command, workspace};

const CRATES: [&str; 3] = ["abi", "capture", "analysis"];

const STORIES: &str = "stories";

/// What touches the kernel, or a network.
const FOREIGN: [&str; 5] = ["aya", "tokio", "netlink", "procfs", "profiler"];

/// `nobody`
const ORDINARY_ID: &str = "65534";

/// Compares what the crates depend on, and runs their tests without privileges.
pub fn test() -> Result<()> {
    for name in CRATES {
        let tree =
            command::ask(cargo().args(["tree", "--package", name, "--edges", "normal", "--prefix", "none"]))
                .with_context(|| format!("`cargo tree --package {name}` failed"))?;
        let found = foreign(&tree);
        ensure!(found.is_empty(), "{name} must not depend on {}", found.join(", "));
    }
    // By themselves: what another crate of the workspace asks of a dependency must not be what makes them compile.
    command::run(cargo().arg("check").args(packages()))?;
    let folder = std::env::temp_dir().join(format!("xtask-pure-{}", std::process::id()));
    fs::create_dir(&folder).with_context(|| format!("make the folder {}", folder.display()))?;
    let done = run_in(&folder);
    fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    done
}

/// The target directory may be closed to others: they get copies.
fn run_in(folder: &Path) -> Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for (name, executable) in executables()? {
        let copy = folder.join(&name);
        fs::copy(&executable, &copy).with_context(|| format!("copy {}", executable.display()))?;
        command::run(ordinary(&copy).current_dir("/"))?;
    }
    Ok(())
}

fn ordinary(program: &Path) -> Command {
    if !command::is_root() {
        return Command::new(program);
    }
    let mut setpriv = Command::new("setpriv");
    setpriv.args(["--reuid", ORDINARY_ID, "--regid", ORDINARY_ID, "--clear-groups"]).arg(program);
    setpriv
}

/// The unit tests of each crate, and the stories, by their names: those of the whole workspace's build, which is there.
fn executables() -> Result<Vec<(String, PathBuf)>> {
    let mut build = cargo();
    build.args(["test", "--workspace", "--lib", "--test", STORIES, "--no-run", "--message-format", "json"]);
    let messages = command::ask(&mut build).context("the tests of the pure crates do not build")?;
    let of_pure = |(name, _): &(String, PathBuf)| CRATES.contains(&name.as_str()) || name == STORIES;
    let found: Vec<_> = messages.lines().filter_map(executable).filter(of_pure).collect();
    ensure!(found.len() == CRATES.len() + 1, "the tests of the pure crates are {found:?}");
    Ok(found)
}

fn packages() -> impl Iterator<Item = &'static str> {
    CRATES.into_iter().flat_map(|name| ["--package", name])
}

fn executable(message: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(message).ok()?;
    let name = message["target"]["name"].as_str()?;
    Some((name.to_owned(), message["executable"].as_str()?.into()))
}

/// What of a `cargo tree` is foreign.
fn foreign(tree: &str) -> Vec<&str> {
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    names.filter(|name| FOREIGN.iter().any(|foreign| name.contains(foreign))).collect()
}

fn cargo() -> Command {
    let mut cargo = command::cargo();
    cargo.current_dir(workspace::root());
    cargo
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_touches_the_kernel_is_found_in_a_tree() {
        let tree = "capture v0.1.0 (/profiler/capture)\nabi v0.1.0 (/profiler-ebpf/abi)\nserde v1.0.229\n";
        assert!(foreign(tree).is_empty());
        let more = format!("{tree}aya v0.14.0\nrtnetlink v0.24.0\naya-obj v0.3.0 (*)\n");
        assert_eq!(foreign(&more), ["aya", "rtnetlink", "aya-obj"]);
    }

    #[test]
    fn executables_are_those_of_test_targets() {
        let message = r#"{"target": {"name": "capture"}, "executable": "/target/debug/deps/capture-1"}"#;
        assert_eq!(executable(message), Some(("capture".to_owned(), "/target/debug/deps/capture-1".into())));
        assert_eq!(executable(r#"{"target": {"name": "serde"}, "executable": null}"#), None);
        assert_eq!(executable("   Compiling"), None);
    }
}
