//! What a recording lacks without a capability: the profiler as `nobody`, and this process, which is root's, as its target.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use analysis::report::{self, Report};
use capture::families::WORKERS;
use profiler::collect::privileges::{MORE, NEEDED};

use crate::recorded::{Recorded, is_followed, read};

const PROFILER: &str = env!("CARGO_BIN_EXE_profiler");

#[test]
fn the_recommended_capabilities_are_enough_and_none_is_too_many() {
    let needed = NEEDED.map(|capability| capability.name);
    let (output, report) = record_with_capabilities(&needed);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{message}");
    let warnings: Vec<&str> = message.lines().filter(|line| line.contains("warning")).collect();
    let [warning] = warnings[..] else { panic!("one warning, and no other: {message}") };
    assert!(warning.contains("what the probes cost") && warning.contains("CAP_SYS_ADMIN"), "{warning}");
    let report = report.expect("a capture");
    assert_eq!(report.trust.probes_missing, ["probe cost"], "{:#?}", report.trust);
    let unknown = |report: &Report| {
        report
            .trust
            .reasons
            .iter()
            .filter(|reason| reason.contains("what the probes cost is not known"))
            .count()
    };
    assert_eq!(unknown(&report), 1, "{:#?}", report.trust.reasons);
    assert_eq!((report.overhead.probe_runs, report.overhead.dispatch_ns_per_run), (None, None));
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("not measured: no window in which the kernel counted them"), "{printed}");

    for (left_out, part) in [
        ("CAP_BPF", "may not use BPF"),
        ("CAP_PERFMON", "lacks CAP_PERFMON"),
        ("CAP_SYS_PTRACE", "(it lacks CAP_SYS_PTRACE)"),
        ("CAP_DAC_READ_SEARCH", "(it lacks CAP_DAC_READ_SEARCH)"),
    ] {
        // Also without the one that nothing is refused for, and that no refusal may name.
        let rest: Vec<&str> =
            needed.into_iter().filter(|name| ![left_out, "CAP_SYSLOG"].contains(name)).collect();
        assert_eq!(rest.len(), needed.len() - 2, "{left_out}");
        let (output, report) = record_with_capabilities(&rest);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && message.contains(part), "without {left_out}: {message}");
        assert!(report.is_none(), "a capture is left without {left_out}");
    }

    let all: Vec<&str> = needed.into_iter().chain(MORE.map(|capability| capability.name)).collect();
    let (output, report) = record_with_capabilities(&all);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !message.contains("warning"), "{message}");
    let report = report.expect("a capture");
    assert!(report.overhead.probe_runs > Some(0) && unknown(&report) == 0, "{:#?}", report.overhead);
}

#[test]
fn without_syslog_the_kernel_threads_work_is_missing_by_name() {
    let needed = NEEDED.map(|capability| capability.name);
    let rest: Vec<&str> = needed.into_iter().filter(|name| *name != "CAP_SYSLOG").collect();
    assert_eq!(rest.len(), needed.len() - 1);
    let (output, report) = record_with_capabilities(&rest);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let trust = report.expect("a capture").trust;
    // With both the kernel shows its addresses to whoever may profile it (`kallsyms_show_value`).
    if is_at_most("kernel/kptr_restrict", 0) && is_at_most("kernel/perf_event_paranoid", 1) {
        assert_eq!(trust.probes_missing, ["probe cost"], "{trust:#?}");
        return;
    }
    assert_eq!(trust.probes_missing, [WORKERS, "probe cost"], "{trust:#?}");
    assert_eq!(trust.verdict, report::Verdict::Degraded);
    let says = |reason: &&String| reason.contains(WORKERS) && reason.contains("it takes CAP_SYSLOG");
    assert_eq!(trust.reasons.iter().filter(says).count(), 1, "{:#?}", trust.reasons);
}

fn is_at_most(setting: &str, limit: i32) -> bool {
    let text = fs::read_to_string(Path::new("/proc/sys").join(setting)).unwrap();
    text.trim().parse::<i32>().unwrap() <= limit
}

/// Records this process by a profiler that has these capabilities and no others, while it sends itself 5000 bytes; gives
/// what the profiler said, and the report if there is a capture.
#[track_caller]
fn record_with_capabilities(names: &[&str]) -> (Output, Option<Report>) {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    // Another user may not enter the build's folder. By another process: see `cli.rs`.
    let copy = folder.path().join("profiler");
    assert!(Command::new("cp").arg(PROFILER).arg(&copy).status().unwrap().success());
    let set: String = names.iter().map(|name| format!(",+{}", name[4..].to_lowercase())).collect();
    let capture = folder.path().join("run.capture");
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    for kind in ["inh-caps", "ambient-caps", "bounding-set"] {
        command.arg(format!("--{kind}=-all{set}"));
    }
    let mut profiler = command
        .arg(&copy)
        .args(["record", "--duration", "3s", "--pid", &std::process::id().to_string(), "-o"])
        .arg(&capture)
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while profiler.try_wait().unwrap().is_none() && !is_followed(&capture) {
        thread::sleep(Duration::from_millis(50));
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut far = listener.accept().unwrap().0;
    near.write_all(&[7; 5000]).unwrap();
    far.read_exact(&mut [0; 5000]).unwrap();
    let output = profiler.wait_with_output().unwrap();
    if !capture.exists() {
        return (output, None);
    }
    let recorded = Recorded { timeline: read(&capture) };
    let totals = recorded.own().totals.as_ref().expect("the totals of this process");
    assert_eq!((totals.tcp_tx_bytes, totals.tcp_rx_bytes), (5000, 5000));
    (output, Some(report::build(&recorded.timeline)))
}
