//! The three eras of Codex, told apart by what a program and a running node say of themselves.
//!
//! Era A was seen live. B and C follow the documents, and versions of theirs say so.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

/// The bases of the REST API, in the order in which they are tried.
pub const BASES: [&str; 2] = ["/api/codex/v1", "/api/storage/v1"];

/// Whether nodes with this base may tell of the progress of a download.
pub fn has_progress(base: &str) -> bool {
    base != BASES[0]
}

/// How a program is told where to listen for peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `--listen-addrs`, eras A and B.
    Multiaddress,
    /// `--listen-ip` and `--listen-port`, era C.
    IpAndPort,
}

impl Listen {
    /// By the program's own help.
    pub fn of(program: &Path) -> Result<Self> {
        let output = Command::new(program)
            .arg("--help")
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("run {} --help", program.display()))?;
        let help = String::from_utf8_lossy(&output.stdout);
        Ok(if help.contains("--listen-ip") { Self::IpAndPort } else { Self::Multiaddress })
    }

    pub fn arguments(self, address: Ipv4Addr, port: u16) -> Vec<String> {
        match self {
            Self::Multiaddress => vec![format!("--listen-addrs=/ip4/{address}/tcp/{port}")],
            Self::IpAndPort => vec![format!("--listen-ip={address}"), format!("--listen-port={port}")],
        }
    }
}

/// A node's version, revision and era, from its `/debug/info` under one of the [`BASES`].
pub fn version(base: &str, listen: Listen, info: &Value) -> Result<String> {
    let era = match (base, listen) {
        ("/api/codex/v1", _) => "era A",
        (_, Listen::Multiaddress) => "era B, not yet seen live",
        (_, Listen::IpAndPort) => "era C, not yet seen live",
    };
    let about = ["codex", "storage"].into_iter().map(|key| &info[key]).find(|about| about.is_object());
    let about = about.context("the node's /debug/info names no version")?;
    // A list of all tags, one a line, of which the last is the version.
    let version = about["version"].as_str().and_then(|tags| tags.lines().last()).unwrap_or("no version");
    let revision = about["revision"].as_str().unwrap_or("no revision");
    Ok(format!("{version} ({revision}, {era})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(base: &str, listen: Listen, info: &Value, expected: &str) {
        let found = version(base, listen, info).unwrap_or_else(|error| error.to_string());
        assert_eq!(found, expected);
    }

    #[test]
    fn the_base_and_the_flags_tell_the_era() {
        let about = json!({ "version": "v0.1.0\nv0.2.5", "revision": "36f64ad3" });
        let (codex, storage) = (json!({ "codex": about }), json!({ "storage": about }));
        check(BASES[0], Listen::Multiaddress, &codex, "v0.2.5 (36f64ad3, era A)");
        check(BASES[1], Listen::Multiaddress, &storage, "v0.2.5 (36f64ad3, era B, not yet seen live)");
        check(BASES[1], Listen::IpAndPort, &storage, "v0.2.5 (36f64ad3, era C, not yet seen live)");
        check(BASES[1], Listen::IpAndPort, &codex, "v0.2.5 (36f64ad3, era C, not yet seen live)");
    }

    #[test]
    fn what_a_node_does_not_say_is_named() {
        check(BASES[0], Listen::Multiaddress, &json!({ "codex": {} }), "no version (no revision, era A)");
        check(BASES[0], Listen::Multiaddress, &json!({}), "the node's /debug/info names no version");
    }
}
