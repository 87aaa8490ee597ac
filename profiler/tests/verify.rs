//! What `profiler verify` prints for recorded files, without root.

mod golden;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Every `tests/fixtures/verify/NAME.capture` lies beside the packets of the same run.
#[track_caller]
fn check(name: &str, options: &[&str], golden_extension: &str, exit_status: i32) {
    check_packets(name, &[fixture(name).with_extension("pcap")], options, golden_extension, exit_status);
}

#[track_caller]
fn check_packets(name: &str, pcaps: &[PathBuf], options: &[&str], golden_extension: &str, exit_status: i32) {
    let file = fixture(name);
    let output = Command::new(env!("CARGO_BIN_EXE_profiler"))
        .arg("verify")
        .args([&file.with_extension("capture"), Path::new("--pcap")])
        .args(pcaps)
        .args(options)
        .output()
        .expect("start the profiler");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.is_empty(), "{said}");
    golden::check(&file.with_extension(golden_extension), &String::from_utf8(output.stdout).expect("text"));
    assert_eq!(output.status.code(), Some(exit_status), "{name} {options:?}");
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/verify").join(name)
}

#[test]
fn packets_give_their_golden_comparison() {
    check("loopback", &[], "txt", 1);
    check("loopback", &["--json"], "json", 1);
}

#[test]
fn what_is_tolerated_is_said_and_no_failure() {
    check("loopback", &["--tolerance", "4000"], "tolerated.txt", 0);
}

/// Two sightings of each datagram, forty of them alike: `tcpdump -i any -y LINUX_SLL` on a host with a bridge.
#[test]
fn datagrams_that_pass_two_interfaces_of_a_cooked_file_agree() {
    check("cooked", &[], "txt", 0);
}

/// The same packets in files of some 900 bytes, as `tcpdump -C` cuts and names them; shells sort the tenth before the second.
#[test]
fn rotated_files_give_the_comparison_of_the_whole() {
    let whole = fs::read(fixture("loopback.pcap")).unwrap();
    let (head, mut rest) = whole.split_at(24);
    let folder = tempfile::tempdir().unwrap();
    let mut slices = vec![head.to_vec()];
    while !rest.is_empty() {
        let captured_bytes = u32::from_le_bytes(*rest[8..].first_chunk().unwrap());
        let (record, after) = rest.split_at(16 + captured_bytes as usize);
        if slices.last().unwrap().len() > 800 {
            slices.push(head.to_vec());
        }
        slices.last_mut().unwrap().extend(record);
        rest = after;
    }
    assert!(slices.len() > 10, "{}", slices.len());
    let mut files = Vec::new();
    for (number, slice) in slices.iter().enumerate() {
        files.push(folder.path().join(format!("run.pcap{number}")));
        fs::write(&files[number], slice).unwrap();
    }
    files.sort();
    check_packets("loopback", &files, &[], "txt", 1);
    check_packets("loopback", &files, &["--json"], "json", 1);
}
