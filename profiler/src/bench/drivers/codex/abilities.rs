//! What a node program can, and what it is told because of that: found flag by flag, for versions differ by single
//! changes.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{DISCOVERY_PORT, PEER_PORT};

/// The bases of the REST API, in the order in which they are tried.
pub const BASES: [&str; 2] = ["/api/codex/v1", "/api/storage/v1"];

/// Whether a program takes each of the flags that not all versions have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// `--disc-port`: nodes find each other over UDP, at a port of their own. A version without ends at once when it is told one.
    has_discovery_port: bool,
    /// `--listen-ip` and `--listen-port`, and not `--listen-addrs`.
    has_listen_ip: bool,
    /// `--no-bootstrap-node`. Without it, a first node of a version that has it looks for the nodes of a public network.
    has_no_bootstrap_node: bool,
}

impl Abilities {
    /// By the program's own help, and by trying what the help may hide.
    pub fn of(program: &Path) -> Result<Self> {
        let output = Command::new(program)
            .arg("--help")
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("run {} --help", program.display()))?;
        let mut abilities = Self::of_help(&String::from_utf8_lossy(&output.stdout));
        if !abilities.has_no_bootstrap_node {
            let told = ["--nat=extip:127.0.0.1", "--no-bootstrap-node", "--version"];
            let tried = Command::new(program).args(told).stdin(Stdio::null()).output();
            abilities.has_no_bootstrap_node = tried.is_ok_and(|tried| tried.status.success());
        }
        Ok(abilities)
    }

    pub fn of_help(help: &str) -> Self {
        let has = |flag: &str| {
            let ends = |after: &str| !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
            help.match_indices(flag).any(|(at, _)| ends(&help[at + flag.len()..]))
        };
        Self {
            has_discovery_port: has("--disc-port"),
            has_listen_ip: has("--listen-ip"),
            has_no_bootstrap_node: has("--no-bootstrap-node"),
        }
    }

    /// Where nodes look for each other, beside the port of their peers.
    pub fn discovery_port(self) -> Option<u16> {
        self.has_discovery_port.then_some(DISCOVERY_PORT)
    }

    /// The arguments that not all versions take. `contact` is the first node's, for the others.
    pub fn arguments(self, address: Ipv4Addr, contact: Option<&str>) -> Vec<String> {
        let mut arguments = match self.has_listen_ip {
            true => vec![format!("--listen-ip={address}"), format!("--listen-port={PEER_PORT}")],
            false => vec![format!("--listen-addrs=/ip4/{address}/tcp/{PEER_PORT}")],
        };
        arguments.extend(self.discovery_port().map(|port| format!("--disc-port={port}")));
        match contact {
            Some(contact) => arguments.push(format!("--bootstrap-node={contact}")),
            None if self.has_no_bootstrap_node => arguments.push("--no-bootstrap-node".to_owned()),
            None => {}
        }
        arguments
    }

    /// A node's version and revision from its `/debug/info`, and what it can.
    pub fn version(self, info: &Value, tells_progress: bool) -> Result<String> {
        let about = ["codex", "storage"].into_iter().map(|key| &info[key]).find(|about| about.is_object());
        let about = about.context("the node's /debug/info names no version")?;
        // A list of all tags, one a line, of which the last is the version.
        let version = about["version"].as_str().and_then(|tags| tags.lines().last()).unwrap_or("no version");
        let revision = about["revision"].as_str().unwrap_or("no revision");
        let discovery = if self.has_discovery_port { "discovery over UDP" } else { "discovery over TCP" };
        let progress = if tells_progress { "tells its progress" } else { "tells no progress" };
        Ok(format!("{version} ({revision}; {discovery}, {progress})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Flags of a program's help, with and without a contact, against the arguments that differ.
    #[track_caller]
    fn check(help: &str, first: &str, other: &str) {
        let abilities = Abilities::of_help(help);
        let arguments = |contact| abilities.arguments(Ipv4Addr::new(10, 0, 0, 1), contact).join(" ");
        assert_eq!(arguments(None), first, "{help}");
        assert_eq!(arguments(Some("spr:x")), other, "{help}");
    }

    #[test]
    fn each_flag_is_looked_up_by_itself() {
        let addresses = "--listen-addrs=/ip4/10.0.0.1/tcp/6892";
        let ip = "--listen-ip=10.0.0.1 --listen-port=6892";
        let discovery = "--disc-port=6890";
        check(
            " -i, --listen-addrs   Multi Addresses\n -u, --disc-port  Discovery (UDP) port [=8090].",
            &format!("{addresses} {discovery}"),
            &format!("{addresses} {discovery} --bootstrap-node=spr:x"),
        );
        check(
            "--listen-ip\n--listen-port\n--disc-port",
            &format!("{ip} {discovery}"),
            &format!("{ip} {discovery} --bootstrap-node=spr:x"),
        );
        // The node without ends at once when it is told a port for discovery.
        check(
            "--listen-ip\n--listen-port\n\x1b[32m--no-bootstrap-node\x1b[0m",
            &format!("{ip} --no-bootstrap-node"),
            &format!("{ip} --bootstrap-node=spr:x"),
        );
        // A flag that begins like another is another.
        check(
            "--disc-port-range\n--listen-ip-filter",
            addresses,
            &format!("{addresses} --bootstrap-node=spr:x"),
        );
    }

    #[test]
    fn a_report_says_what_a_node_can() {
        let about = json!({ "version": "v0.1.0\nv0.2.5", "revision": "36f64ad3" });
        let version = |help, info: Value, progress| Abilities::of_help(help).version(&info, progress);
        let found = version("--disc-port", json!({ "codex": about }), false).expect("a version");
        assert_eq!(found, "v0.2.5 (36f64ad3; discovery over UDP, tells no progress)");
        let found = version("--listen-ip", json!({ "storage": about }), true).expect("a version");
        assert_eq!(found, "v0.2.5 (36f64ad3; discovery over TCP, tells its progress)");
        let found = version("", json!({ "codex": {} }), false).expect("a version");
        assert_eq!(found, "no version (no revision; discovery over TCP, tells no progress)");
        let error = version("", json!({}), false).expect_err("no version").to_string();
        assert_eq!(error, "the node's /debug/info names no version");
    }
}
