//! The main job: a real transfer between real clients, profiled, and nothing left of it.

use std::{
    fs,
    io::ErrorKind,
    net::{Ipv4Addr, TcpStream, UdpSocket},
    path::Path,
    process::{Command, Output, id},
};

use profiler::bench::hosts::{self, HUB_ADDRESS, namespace};
use serde_json::Value;

use crate::runs::Runs;

const PROFILER: &str = env!("CARGO_BIN_EXE_profiler");

#[test]
fn the_quick_benchmark_tells_a_consistent_story_and_leaves_nothing() {
    let results = tempfile::tempdir_in("/var/tmp").unwrap();
    let folder = results.path().join("quick");
    let runs = Runs::in_scratch(results.path());
    let output = Command::new(PROFILER)
        .args(["bench", "--preset", "quick", "--format", "json", "-o"])
        .arg(&folder)
        .arg("--scratch")
        .arg(&runs.scratch)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for file in ["manifest.json", "summary.csv", "report.md"] {
        assert!(folder.join(file).exists(), "{file}");
    }
    for file in ["run.capture", "run.json", "report.txt", "report.json"] {
        assert!(folder.join("transmission-2n-1s-100MiB/1").join(file).exists(), "{file}");
    }

    let transfer = &report["transfers"][0];
    assert_eq!(transfer["checksum"]["matched"], true);
    for clock in ["app_s", "kernel_s"] {
        let times: Vec<f64> =
            transfer["milestones"].as_array().unwrap().iter().map(|m| m[clock].as_f64().unwrap()).collect();
        assert!(times.len() == 4 && times.is_sorted(), "{clock}: {times:?}");
    }
    let overhead = transfer["throughput"]["overhead_ratio"].as_f64().unwrap();
    assert!((1.0..1.1).contains(&overhead), "{overhead}");

    // The veth loses nothing, so what one end sent the other received; a datagram may be under way at the end.
    let agreement = &report["agreement"];
    let (sent, received) =
        (agreement["all_sent_bytes"].as_u64().unwrap(), agreement["all_received_bytes"].as_u64().unwrap());
    assert!(received <= sent && sent - received < sent / 1000, "{sent} sent, {received} received");

    let trust = &report["trust"];
    let mut lost: Vec<_> = trust["events_lost"].as_object().unwrap().iter().collect();
    // See the limitations: a protected task may hide a wake-up or an interrupt; and of two stacks that fall on one
    // place of their table one is not kept, which changes no number. On a host with other work a probe now and then
    // interrupts itself: it is a reason of the report's if that changes a number.
    let is_reason = trust["reasons"].to_string().contains("_reentry");
    lost.retain(|(class, count)| {
        let matters = match class.as_str() {
            "stack_table_full" => false,
            "probe_reentry" | "arrival_reentry" => is_reason,
            _ => !class.ends_with("_unseen"),
        };
        matters && count.as_u64() != Some(0)
    });
    assert!(lost.is_empty(), "{lost:?}");
    runs.check_nothing_is_left();
}

#[test]
fn a_missing_client_is_named_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let runs = Runs::in_scratch(folder.path());
    let output = Command::new(PROFILER)
        .args(["bench", "--scratch"])
        .arg(&runs.scratch)
        .env("PATH", folder.path())
        .current_dir(folder.path())
        .output()
        .unwrap();
    check_failure(&output, &["transmission-daemon", "cargo xtask setup"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
    runs.check_none_began();
}

#[test]
fn a_missing_node_of_codex_is_named_with_the_way_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let runs = Runs::in_scratch(folder.path());
    let bench = |arguments: &[&str]| {
        let mut command = Command::new(PROFILER);
        command.args(["bench", "--system", "codex", "--scratch"]).arg(&runs.scratch).args(arguments);
        command.env("PATH", folder.path()).current_dir(folder.path()).output().unwrap()
    };
    check_failure(&bench(&[]), &["neither codex nor storage is in PATH", "--codex-bin", "repository"]);
    check_failure(&bench(&["--codex-bin", "/nowhere/codex"]), &["/nowhere/codex is no file"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
    runs.check_none_began();
}

#[test]
fn a_disk_without_room_is_named_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    // A file system with nothing free.
    let runs = Runs::in_scratch(Path::new("/sys"));
    let output = Command::new(PROFILER)
        .args(["bench", "--scratch"])
        .arg(&runs.scratch)
        .current_dir(folder.path())
        .output()
        .unwrap();
    check_failure(&output, &["264 MiB", "0 MiB are free", "another scratch directory"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
    runs.check_none_began();
}

/// Whatever a client is told or takes for its default: a public network, a router, the host's own addresses.
#[test]
fn a_node_reaches_its_swarm_and_nothing_beyond() {
    let prefix = format!("xferprof-test{}-", id());
    let names = Names(["hub", "node"].map(|name| format!("{prefix}{name}")));
    let hub = hosts::make_hub(&prefix).unwrap();
    let node = hosts::make_host(&prefix, "node", 1, &hub).unwrap();
    let reached = |address: Ipv4Addr| {
        node.namespace.run(|| Ok(TcpStream::connect((address, 9)).map(drop).map_err(|error| error.kind())))
    };
    assert_eq!(reached(HUB_ADDRESS).unwrap(), Err(ErrorKind::ConnectionRefused), "the hub is there");
    for beyond in [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(8, 8, 8, 8)] {
        assert_eq!(reached(beyond).unwrap(), Err(ErrorKind::NetworkUnreachable), "{beyond}");
        let sent = node.namespace.run(|| Ok(UdpSocket::bind("0.0.0.0:0")?.send_to(b"x", (beyond, 9))));
        assert_eq!(sent.unwrap().unwrap_err().kind(), ErrorKind::NetworkUnreachable, "{beyond}");
    }
    drop(names);
}

/// Namespaces of a test, which are removed also if it fails.
struct Names([String; 2]);

impl Drop for Names {
    fn drop(&mut self) {
        self.0.iter().for_each(|name| namespace::remove(name).unwrap());
    }
}

#[track_caller]
fn check_failure(output: &Output, message_has: &[&str]) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{message}");
    for part in message_has {
        assert!(message.contains(part), "{part:?} is missing in: {message}");
    }
}
