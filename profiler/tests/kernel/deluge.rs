//! Real transfers between real daemons of Deluge, over uTP and over TCP, and of qBittorrent over TCP.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::runs::Runs;

const PROFILER: &str = env!("CARGO_BIN_EXE_profiler");
const FILE_SIZE_BYTES: u64 = 16 << 20;
const MATRIX: &str = r#"
systems = ["deluge", "deluge-tcp", "qbittorrent-tcp"]
swarms = [{ nodes = 2, seeders = [1] }]
file_sizes = ["16MiB"]
timeout = "2m"
"#;

#[test]
fn clients_on_libtorrent_transfer_over_what_was_asked_for_and_leave_nothing() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let (matrix, results) = (folder.path().join("deluge.toml"), folder.path().join("results"));
    fs::write(&matrix, MATRIX).unwrap();
    let runs = Runs::in_scratch(folder.path());
    let mut bench = Command::new(PROFILER);
    bench.args(["bench", "--keep", "none", "--matrix"]).arg(&matrix).arg("-o").arg(&results);
    bench.arg("--scratch").arg(&runs.scratch);
    let output = bench.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    check_run(&results.join("deluge-2n-1s-16MiB/1"), "deluge", "udp");
    check_run(&results.join("deluge-tcp-2n-1s-16MiB/1"), "deluge", "tcp");
    check_run(&results.join("qbittorrent-tcp-2n-1s-16MiB/1"), "qbittorrent", "tcp");
    runs.check_nothing_is_left();
}

/// A run is complete, and its payload went over the one protocol and not the other.
#[track_caller]
fn check_run(folder: &Path, client: &str, protocol: &str) {
    assert_eq!(json(&folder.join("run.json"))["status"], "complete");
    let report = json(&folder.join("report.json"));
    let transfer = &report["transfers"][0];
    assert_eq!(transfer["checksum"]["matched"], true);
    // It was written just before, and nobody asked for an empty cache.
    let cached = &transfer["seeders_cached"][0];
    assert_eq!((&cached["seeder"], &cached["file_bytes"]), (&"seeder-1".into(), &FILE_SIZE_BYTES.into()));
    assert_eq!(cached["cached_bytes"], cached["file_bytes"]);
    for clock in ["app_s", "kernel_s"] {
        let times: Vec<f64> =
            transfer["milestones"].as_array().unwrap().iter().map(|m| m[clock].as_f64().unwrap()).collect();
        assert!(times.len() == 4 && times.is_sorted(), "{clock}: {times:?}");
    }
    for (role, way) in [("seeder", "tx"), ("leecher", "rx")] {
        let processes = report["processes"].as_array().unwrap();
        let node = processes.iter().find(|process| process["role"] == role).unwrap();
        let program = node["program"].as_str().unwrap();
        assert!(program.contains(client) && program.contains("(libtorrent 2."), "{program}");
        let peer_bytes = |of: &str| -> u64 {
            let peers = node["peers"].as_array().unwrap();
            let of_it = peers.iter().filter(|peer| peer["protocol"] == of && peer["control"] == false);
            of_it.map(|peer| peer[format!("{way}_bytes")].as_u64().unwrap()).sum()
        };
        for of in ["tcp", "udp"] {
            let bytes = peer_bytes(of);
            let is_right = if of == protocol { bytes >= FILE_SIZE_BYTES } else { bytes < 1 << 16 };
            assert!(is_right, "{role}: {bytes} bytes over {of}, {protocol} was asked for");
        }
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
