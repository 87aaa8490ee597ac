//! Systems that files describe run in the matrix as others do.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::runs::Runs;

const PROFILER: &str = env!("CARGO_BIN_EXE_profiler");
const FILE_SIZE_BYTES: u64 = 8 << 20;

#[test]
fn the_shipped_descriptions_transfer_and_leave_nothing() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let (matrix, results) = (folder.path().join("described.toml"), folder.path().join("results"));
    let systems = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/systems");
    let systems = ["http-curl", "rsync"].map(|name| systems.join(name).with_extension("toml"));
    let text = format!(
        "systems = {systems:?}\nswarms = [{{ nodes = 2, seeders = [1] }}]\nfile_sizes = [\"8MiB\"]\ntimeout = \"2m\""
    );
    fs::write(&matrix, text).unwrap();
    let runs = Runs::in_scratch(folder.path());
    let mut bench = Command::new(PROFILER);
    bench.args(["bench", "--keep", "none", "--matrix"]).arg(&matrix).arg("-o").arg(&results);
    let output = bench.arg("--scratch").arg(&runs.scratch).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    check_run(&results.join("http-curl-2n-1s-8MiB/1"), "curl");
    check_run(&results.join("rsync-2n-1s-8MiB/1"), "rsync");
    runs.check_nothing_is_left();
    let manifest = json(&results.join("manifest.json"));
    for program in ["http-curl.toml", "curl", "rsync.toml", "rsync"] {
        assert_eq!(manifest["programs"][program]["sha256"].as_str().unwrap().len(), 64, "{program}");
    }
}

/// A run is complete, and the kernel saw its payload where the description says that it is.
#[track_caller]
fn check_run(folder: &Path, comm: &str) {
    assert_eq!(json(&folder.join("run.json"))["status"], "complete");
    let report = json(&folder.join("report.json"));
    let transfer = &report["transfers"][0];
    assert_eq!(transfer["checksum"]["matched"], true);
    let milestones = transfer["milestones"].as_array().unwrap();
    let times: Vec<f64> = milestones.iter().map(|m| m["kernel_s"].as_f64().unwrap()).collect();
    assert!(times.len() == 4 && times.is_sorted(), "{times:?}");
    let processes = report["processes"].as_array().unwrap();
    for (role, way) in [("seeder", "peer_tx_bytes"), ("leecher", "peer_rx_bytes")] {
        let node = processes.iter().find(|process| process["role"] == role).unwrap();
        let bytes = node["network"][way].as_u64().unwrap();
        assert!((FILE_SIZE_BYTES..FILE_SIZE_BYTES * 11 / 10).contains(&bytes), "{role}: {bytes}");
        assert!(role == "seeder" || node["comm"] == comm, "{node}");
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
