//! What `profiler verify` prints for recorded files, without root.

mod golden;

use std::{path::Path, process::Command};

/// Every `tests/fixtures/verify/NAME.capture` lies beside the packets of the same run.
#[track_caller]
fn check(name: &str, options: &[&str], golden_extension: &str, exit_status: i32) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/verify").join(name);
    let output = Command::new(env!("CARGO_BIN_EXE_profiler"))
        .arg("verify")
        .args([&file.with_extension("capture"), Path::new("--pcap"), &file.with_extension("pcap")])
        .args(options)
        .output()
        .expect("start the profiler");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.is_empty(), "{said}");
    golden::check(&file.with_extension(golden_extension), &String::from_utf8(output.stdout).expect("text"));
    assert_eq!(output.status.code(), Some(exit_status), "{name} {options:?}");
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
