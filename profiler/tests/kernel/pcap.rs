//! A packet capture taken beside a benchmark says what the profiler counted, for real clients over TCP.

use std::{fs, path::Path, process::Command};

use capture::Protocol;
use profiler::verify::{self, compare::Verdict};
use serde_json::Value;

use crate::runs::Runs;

const PROFILER: &str = env!("CARGO_BIN_EXE_profiler");
const FILE_BYTES: u64 = 8 << 20;

#[test]
fn packets_of_a_benchmark_agree_on_every_connection_between_nodes() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let matrix = folder.path().join("small.toml");
    let text =
        "systems = [\"deluge-tcp\"]\nswarms = [{ nodes = 2, seeders = [1] }]\nfile_sizes = [\"8MiB\"]\n";
    fs::write(&matrix, text).unwrap();
    let results = folder.path().join("results");
    let runs = Runs::in_scratch(folder.path());
    let output = Command::new(PROFILER)
        .args(["bench", "--pcap", "--matrix"])
        .args([&matrix, Path::new("-o"), &results, Path::new("--scratch"), &runs.scratch])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("0 dropped by the kernel"), "{said}");

    let run = results.join("deluge-tcp-2n-1s-8MiB/1");
    let record: Value = serde_json::from_slice(&fs::read(run.join("run.json")).unwrap()).unwrap();
    let (pcap, packets) = (run.join("run.pcap"), &record["packets"]);
    assert_eq!(packets["file_bytes"], fs::metadata(&pcap).unwrap().len());
    assert_eq!(packets["dropped"], 0);

    let comparison = verify::run(&run.join("run.capture"), &[pcap], 0).expect("both files can be read");
    let table = verify::text::render(&comparison);
    assert!(comparison.agrees, "{table}");
    assert_eq!(packets["packets"], comparison.packets);
    // The connection of the payload is one of those that were compared, from both of its ends.
    let payload = comparison.rows.iter().filter(|row| {
        row.protocol == Some(Protocol::Tcp)
            && row.received.kernel_bytes.max(row.sent.kernel_bytes) >= FILE_BYTES
    });
    let verdicts: Vec<Verdict> = payload.map(|row| row.verdict).collect();
    assert_eq!(verdicts, [Verdict::Equal, Verdict::Equal], "{table}");
    runs.check_nothing_is_left();
}
