//! What is typed wrongly ends with one clear message and a non-zero status, and leaves nothing behind. Works
//! with and without root.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::{Command, Output},
};

use capture::VERSION;

const PROFILER: &str = env!("CARGO_BIN_EXE_profiler");

/// `nobody`
const UNPRIVILEGED_ID: u32 = 65534;

/// Runs the profiler in an empty folder, and checks that it fails with this in its message, and that the folder
/// stays empty.
#[track_caller]
fn check(args: &[&str], message_has: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(PROFILER).args(args).current_dir(folder.path()).output().unwrap();
    check_failure(&output, message_has);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
}

#[track_caller]
fn check_failure(output: &Output, message_has: &[&str]) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "it succeeded: {message}");
    assert!(output.stdout.is_empty(), "a failure printed a result");
    for part in message_has {
        assert!(message.contains(part), "{part:?} is missing in: {message}");
    }
    assert!(!message.contains("panicked"), "{message}");
}

#[test]
fn nothing_to_profile() {
    check(&["record"], &["nothing to profile", "--pid", "--comm"]);
}

#[test]
fn sizes_and_times_that_are_none() {
    check(&["record", "--size", "big", "--", "true"], &["big", "100MiB"]);
    check(&["record", "--duration", "soon", "--", "true"], &["soon", "30s"]);
    check(&["record", "--duration", "5", "--", "true"], &["'5'", "5s"]);
    check(&["record", "--ring-buffer", "5000", "--", "true"], &["5000", "power of two"]);
}

#[test]
fn configurations_of_the_service_that_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        let path = folder.path().join("service.toml");
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    check(&["daemon", "--config", "/nonexistent.toml"], &["/nonexistent.toml"]);
    check(&["daemon", "--config", &file("")], &["service.toml", "no [[target]]"]);
    check(&["daemon", "--config", &file("[[target]]\nname = 'a'\nport = 7\n")], &["service.toml", "port"]);
    let stranger = "clients = ['nobody-of-that-name']\n[[target]]\nname = 'a'\ncommand = 'x'\n";
    check(&["daemon", "--config", &file(stranger)], &["nobody-of-that-name"]);
    check(
        &["gateway", "--config", &file("listen = '0.0.0.0:9464'\n")],
        &["service.toml", "0.0.0.0:9464", "TLS"],
    );
    check(&["gateway", "--config", &file("tls = 'yes'\n")], &["service.toml", "tls"]);
}

#[test]
fn a_collector_that_is_not_there_is_named_with_its_socket() {
    check(&["mark", "end", "a", "--socket", "/nonexistent/c.sock"], &["/nonexistent/c.sock"]);
    check(&["mark", "begin", "a", "--target", "b", "--size", "0"], &["at least one byte"]);
    check(&["ctl", "status", "--socket", "/nonexistent/c.sock"], &["/nonexistent/c.sock", "profiler daemon"]);
}

#[test]
fn captures_that_are_none() {
    check(&["report", "/nonexistent/run.capture"], &["/nonexistent/run.capture"]);
    check(&["report", "/dev/null"], &["/dev/null", "no capture"]);
    check(&["dump", "/proc/self/exe"], &["no capture", "profiler record"]);
    check(&["dump", "/dev/null", "--kind", "gossip"], &["gossip", "progress"]);
}

/// What captures, damaged in some way, are read as. Random bytes never end, and memory is limited: 256 MiB of addresses.
#[test]
fn captures_that_are_random_are_refused_with_the_place_and_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("head"), head(VERSION)).unwrap();
    let noise: Vec<u8> = (0..100_000).map(|_| rand::random()).collect();
    let pcap = b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x01\0\0\0";
    fs::write(folder.path().join("empty.pcap"), pcap).unwrap();
    // Sound on the outside: random bytes as records, and random bytes as what was packed.
    let sound = frame(&zstd::bulk::compress(&noise, 1).unwrap(), noise.len());
    fs::write(folder.path().join("records"), sound).unwrap();
    fs::write(folder.path().join("packed"), frame(&noise, 1 << 20)).unwrap();
    fs::write(folder.path().join("plain"), frame(&noise, noise.len())).unwrap();
    let recorded = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/lost.capture");
    let recorded_bytes = fs::metadata(recorded).unwrap().len() / 2;
    for (feed, parts) in [
        ("cat /dev/urandom", &["no capture"][..]),
        ("cat head /dev/urandom", &["damaged", "byte 12"]),
        ("cat head records /dev/urandom", &["damaged record", "byte"]),
        ("cat head packed /dev/urandom", &["damaged frame", "byte 12"]),
        ("cat head plain /dev/urandom", &["damaged record", "byte"]),
        (&format!("head -c {recorded_bytes} {recorded}; cat /dev/urandom"), &["damaged", "byte"]),
    ] {
        for command in [&["report"][..], &["dump"], &["verify", "--pcap", "empty.pcap"]] {
            let (name, more) = command.split_first().unwrap();
            let script =
                format!("ulimit -v 262144; exec \"$0\" {name} <({feed}) {} > /dev/null", more.join(" "));
            let output = Command::new("bash")
                .args(["-c", &script])
                .arg(PROFILER)
                .current_dir(folder.path())
                .output()
                .unwrap();
            check_failure(&output, parts);
        }
    }
}

#[test]
fn a_dump_whose_reader_has_seen_enough_says_nothing() {
    let whole = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/quick.capture");
    let output = Command::new("bash")
        .args(["-c", "\"$0\" dump \"$1\" | head -n 1; exit ${PIPESTATUS[0]}", PROFILER, whole])
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && message.is_empty(), "{}: {message}", output.status);
    assert!(output.stdout.starts_with(b"{\"start\":"));
}

/// What a capture begins with.
fn head(version: u32) -> Vec<u8> {
    [b"XFERPROF".as_slice(), &version.to_le_bytes()].concat()
}

/// A frame of a capture with these bytes in the file.
fn frame(bytes: &[u8], plain_bytes: usize) -> Vec<u8> {
    let mut frame = Vec::new();
    for word in [bytes.len() as u32, plain_bytes as u32, crc32fast::hash(bytes)] {
        frame.extend(word.to_le_bytes());
    }
    frame.extend(bytes);
    frame
}

#[test]
fn a_capture_of_a_newer_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("newer.capture");
    fs::write(&path, [head(VERSION + 1), b" and more".to_vec()].concat()).unwrap();
    let output = Command::new(PROFILER).arg("report").arg(&path).output().unwrap();
    check_failure(
        &output,
        &["newer.capture", &format!("format {}", VERSION + 1), &format!("formats 4 and {VERSION}")],
    );
}

#[test]
fn a_missing_privilege() {
    // Another user may not enter the build's folder.
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let copy = folder.path().join("profiler");
    // By another process: what this one holds open for writing, a child of another test may inherit for a moment,
    // and then it cannot be executed.
    assert!(Command::new("cp").arg(PROFILER).arg(&copy).status().unwrap().success());
    check_failure(&unprivileged(&copy, &["record", "--", "true"]), &["may not use BPF", "root", "CAP_BPF"]);
    check_failure(&unprivileged(&copy, &["bench"]), &["root"]);
    let doctor = unprivileged(&copy, &["doctor", "--json"]);
    assert!(!doctor.status.success());
    let diagnosis: serde_json::Value = serde_json::from_slice(&doctor.stdout).unwrap();
    assert_eq!(diagnosis["can_record"], false);
    assert!(diagnosis["problem"].as_str().unwrap().contains("CAP_BPF"));
    let mut left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.retain(|name| name != "profiler");
    assert!(left.is_empty(), "{left:?}");
}

/// Names and numbers stay readable, and what would steer the terminal is gone.
#[test]
fn no_message_steers_the_terminal() {
    const NAME: &str = "x\x1b[31m\r\u{9b}y";
    for args in [
        &["report", NAME][..],
        &["dump", NAME],
        &["verify", NAME, "--pcap", NAME],
        &["record", "--cgroup", NAME],
        &["record", "--duration", NAME, "--", "true"],
        &["bench", "--matrix", NAME, "--plan"],
        &[NAME],
    ] {
        let output = Command::new(PROFILER).args(args).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && message.contains("??y"), "{args:?}: {message:?}");
        let steers = |c: char| c.is_control() && c != '\n';
        assert!(!message.contains(steers), "{args:?}: {message:?}");
    }
}

#[test]
fn every_subcommand_shows_an_example() {
    for command in ["doctor", "record", "report", "dump", "verify", "bench", "completions"] {
        let output = Command::new(PROFILER).args([command, "--help"]).output().unwrap();
        let help = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && help.contains("Example"), "{command}: {help}");
    }
}

#[test]
fn shells_get_their_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let output = Command::new(PROFILER).args(["completions", shell]).output().unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("record"), "{shell}");
    }
}

fn unprivileged(program: &Path, args: &[&str]) -> Output {
    let folder = program.parent().unwrap();
    let mut command = Command::new(program);
    command.args(args).current_dir(folder);
    // SAFETY: the closure only makes a system call.
    if unsafe { libc::geteuid() } == 0 {
        command.uid(UNPRIVILEGED_ID).gid(UNPRIVILEGED_ID);
    }
    command.output().unwrap()
}
