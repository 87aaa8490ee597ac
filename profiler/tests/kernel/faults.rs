//! What goes wrong is said, and leaves nothing behind.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    num::NonZeroU32,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use analysis::report;
use capture::Ending;
use profiler::collect::probes::Settings;

use crate::recorded::{read, record_with, wait_for_capture};

const PROFILER: &str = env!("CARGO_BIN_EXE_profiler");

#[test]
fn a_ring_buffer_of_one_page_loses_records_and_says_so_but_counts_every_byte() {
    let settings =
        Settings { ring_buffer_bytes: NonZeroU32::new(4096), stride_bytes: 1, ..Settings::default() };
    let recorded = record_with(&settings, |_| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut far = listener.accept().unwrap().0;
        for _ in 0..2000 {
            near.write_all(&[7; 1000]).unwrap();
            far.read_exact(&mut [0; 1000]).unwrap();
        }
    });
    let lost = recorded.timeline.losses["ring_full"];
    assert!(lost > 0);
    let report = report::build(&recorded.timeline);
    assert_eq!(report.trust.verdict, report::Verdict::Degraded);
    assert_eq!(report.trust.events_lost["ring_full"], lost);
    let totals = recorded.own().totals.as_ref().unwrap();
    assert_eq!((totals.tcp_rx_bytes, totals.tcp_tx_bytes), (2_000_000, 2_000_000));
}

#[test]
fn a_killed_profiler_leaves_no_object_in_the_kernel_and_a_readable_capture() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let path = folder.path().join("killed.capture");
    let mut profiler = Command::new(PROFILER)
        .args(["record", "-o"])
        .arg(&path)
        .args(["--", "sleep", "30"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(|| is_attached(profiler.id()), "the probes are attached");
    wait_for_capture(&path, |timeline| !timeline.processes.is_empty());
    let held = held(profiler.id());
    for kind in ["prog_id", "map_id", "link_id"] {
        assert!(held.iter().any(|(held, _)| held == kind), "{kind}: {held:?}");
    }
    assert!(held.is_subset(&in_kernel()), "what lives is not seen: {held:?}");
    profiler.kill().unwrap();
    profiler.wait().unwrap();
    // Also of a link or a map that is pinned its program would stay.
    wait_for(|| held.is_disjoint(&in_kernel()), "its programs, maps and links are gone");
    let timeline = read(&path);
    assert!(matches!(timeline.ending, Ending::CutAt { .. }));
    assert!(!timeline.processes.is_empty(), "a second's totals were written");
    let report = report::build(&timeline);
    assert_eq!(report.trust.verdict, report::Verdict::Degraded);
}

#[test]
fn ctrl_c_completes_the_capture_and_ends_the_command() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let path = folder.path().join("interrupted.capture");
    // A time that nobody else sleeps for.
    let seconds = format!("31.{}", std::process::id());
    let command = format!("sleep {seconds}");
    let mut profiler = Command::new(PROFILER)
        .args(["record", "-o"])
        .arg(&path)
        .args(["--", "sleep", &seconds])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(|| runs(&command), "the command runs");
    let held = held(profiler.id());
    assert!(!held.is_empty(), "the probes are attached");
    // SAFETY: a child that was not waited for.
    unsafe { libc::kill(profiler.id() as i32, libc::SIGINT) };
    profiler.wait().unwrap();
    assert_eq!(read(&path).ending, Ending::Complete);
    assert!(!runs(&command), "the command has ended");
    wait_for(|| held.is_disjoint(&in_kernel()), "the probes are gone");
}

#[test]
fn a_full_disk_ends_the_recording_with_one_message_and_a_readable_capture() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let mounted = TinyDisk::mount(folder.path());
    let path = folder.path().join("full.capture");
    // Many short processes make many records.
    let script = "for i in $(seq 3000); do /bin/true; done";
    let mut profiler = Command::new(PROFILER)
        .args(["record", "-o"])
        .arg(&path)
        .args(["--", "sh", "-c", script])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut held_so_far = BTreeSet::new();
    while profiler.try_wait().unwrap().is_none() {
        held_so_far.extend(held(profiler.id()));
        thread::sleep(Duration::from_millis(20));
    }
    assert!(!held_so_far.is_empty(), "the probes were attached");
    let output = profiler.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{message}");
    assert!(message.contains("full.capture") && message.contains("No space left"), "{message}");
    let timeline = read(&path);
    assert!(matches!(timeline.ending, Ending::CutAt { .. }));
    wait_for(|| held_so_far.is_disjoint(&in_kernel()), "the probes are gone");
    drop(mounted);
}

#[test]
fn without_btf_the_message_names_it() {
    let output = Command::new("unshare")
        .args([
            "--mount",
            "sh",
            "-c",
            "mount --bind /dev/null /sys/kernel/btf/vmlinux && exec \"$0\" record -- true",
        ])
        .arg(PROFILER)
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        message.contains("/sys/kernel/btf/vmlinux") && message.contains("CONFIG_DEBUG_INFO_BTF"),
        "{message}"
    );
}

#[test]
fn a_pid_namespace_of_its_own_is_refused() {
    let output = Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc", PROFILER, "record", "--", "true"])
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(message.contains("PID namespace") && message.contains("hostPID"), "{message}");
}

#[test]
fn targets_that_are_none_are_named() {
    let check = |pid: String, part: &str| {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(PROFILER)
            .args(["record", "--duration", "1s", "--pid", &pid])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && message.contains(&pid) && message.contains(part), "{message}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
    };
    check("4194303".to_owned(), "no process");
    check("0".to_owned(), "no process 0");
    check("2".to_owned(), "(kthreadd) is a thread of the kernel");
    let mut zombie = Command::new("true").spawn().unwrap();
    thread::sleep(Duration::from_millis(200));
    check(zombie.id().to_string(), "has ended");
    zombie.wait().unwrap();
    let (send, tid) = std::sync::mpsc::channel();
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        // SAFETY: no arguments.
        send.send(unsafe { libc::gettid() }).unwrap();
        wait.recv().is_err()
    });
    check(tid.recv().unwrap().to_string(), "is a thread of process");
    drop(done);
    thread.join().unwrap();
}

#[test]
fn the_profiler_does_not_profile_itself() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-c", "exec \"$0\" record --pid $$ --duration 200ms", PROFILER])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && message.contains("is the profiler itself"), "{message}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
}

#[test]
fn a_json_report_is_alone_on_the_standard_output() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let record = |format: &str| {
        let output = Command::new(PROFILER)
            .args(["record", "--format", format, "-o"])
            .arg(folder.path().join(format))
            .args(["--", "echo", "said by the command"])
            .output()
            .unwrap();
        assert!(output.status.success());
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap())
    };
    let [stdout, stderr] = record("json");
    serde_json::from_str::<serde_json::Value>(&stdout).expect("JSON alone");
    assert!(stderr.contains("said by the command"), "{stderr}");
    let [stdout, _] = record("text");
    assert!(stdout.starts_with("said by the command\nCapture "), "{stdout}");
}

#[test]
fn a_recording_that_followed_nothing_says_so_and_fails_and_keeps_its_capture() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let path = folder.path().join("nothing.capture");
    let output = Command::new(PROFILER)
        .args(["record", "--comm", "nosuch", "--duration", "300ms", "-o"])
        .arg(&path)
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("nothing was followed") && message.contains("command nosuch"), "{message}");
    let trust = report::build(&read(&path)).trust;
    assert_eq!(trust.verdict, report::Verdict::Degraded);
    assert!(trust.reasons.iter().any(|reason| reason.contains("no process was followed")), "{trust:?}");
}

#[test]
fn two_recordings_at_once_do_not_disturb_each_other() {
    let mut ours = BTreeSet::new();
    let recorded = record_with(&Settings::default(), |_| {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let path = folder.path().join("second.capture");
        ours = held(std::process::id());
        let status = Command::new(PROFILER)
            .args(["record", "-o"])
            .arg(&path)
            .args(["--", "sh", "-c", "exit 0"])
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        assert_eq!(read(&path).ending, Ending::Complete);
        assert!(!ours.is_empty() && ours.is_subset(&in_kernel()), "ours are still there");
    });
    assert_eq!(recorded.timeline.ending, Ending::Complete);
    wait_for(|| ours.is_disjoint(&in_kernel()), "the probes are gone");
}

/// Whether this process has attached a program.
fn is_attached(pid: u32) -> bool {
    held(pid).iter().any(|(kind, _)| kind == "link_id")
}

/// The BPF objects of which a process holds descriptors, as the kernel names them in fdinfo, with their ids.
fn held(pid: u32) -> BTreeSet<(String, u32)> {
    // A process that has just ended holds none.
    let files = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten();
    let texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
    texts
        .flat_map(|text| {
            text.lines()
                .filter_map(|line| line.split_once(":\t"))
                .filter(|(key, _)| ["prog_id", "map_id", "link_id"].contains(key))
                .map(|(key, id)| (key.to_owned(), id.trim().parse().unwrap()))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Every BPF object of the host, named in the same way.
fn in_kernel() -> BTreeSet<(String, u32)> {
    let programs = aya::programs::loaded_programs().flatten().map(|info| ("prog_id", info.id()));
    let maps = aya::maps::loaded_maps().flatten().map(|info| ("map_id", info.id()));
    let links = aya::programs::loaded_links().flatten().map(|info| ("link_id", info.id()));
    programs.chain(maps).chain(links).map(|(kind, id)| (kind.to_owned(), id)).collect()
}

#[track_caller]
fn wait_for(mut is_so: impl FnMut() -> bool, what: &str) {
    for _ in 0..200 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("not after 10 s: {what}");
}

fn runs(command_line: &str) -> bool {
    let processes = procfs::process::all_processes().unwrap().flatten();
    processes.filter_map(|process| process.cmdline().ok()).any(|words| words.join(" ") == command_line)
}

/// A file system of 64 KiB.
struct TinyDisk<'a>(&'a Path);

impl<'a> TinyDisk<'a> {
    fn mount(on: &'a Path) -> Self {
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tiny"]).arg(on).status().unwrap();
        assert!(status.success());
        Self(on)
    }
}

impl Drop for TinyDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}
