//! A matrix goes on: after a run that failed, and after a benchmark that was killed.

#[path = "matrix/faults.rs"]
mod faults;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output},
    thread,
    time::{Duration, Instant},
};

use procfs::process::Process;
use serde_json::Value;

use crate::runs::Runs;

const PROFILER: &str = env!("CARGO_BIN_EXE_profiler");

/// Each transfer takes 11 s, most of it until its first byte.
const MATRIX: &str = r#"
systems = ["transmission"]
swarms = [{ nodes = 2, seeders = [1] }]
file_sizes = ["7MiB", "8MiB", "9MiB"]
timeout = "2m"
cold = true
[link]
rate_bits_per_s = 400_000_000
[disk]
read_bytes_per_s = 200_000_000
"#;

#[test]
fn a_failed_run_and_a_killed_benchmark_leave_a_complete_set_of_results() {
    faults::at_most_twice(fail_kill_and_resume);
}

/// False if a transfer ended at its limit.
fn fail_kill_and_resume() -> bool {
    let bench = Bench::new(MATRIX);
    let mut profiler = bench.start();
    faults::wait_until_recorded(&mut profiler, &bench, "7MiB");
    check_disk_limit(&faults::leecher(&bench));
    faults::kill(&faults::leecher(&bench), libc::SIGKILL);
    // The failed run is finished, and the next one begins.
    profiler.wait_for("7 MiB failed", || bench.record("7MiB").is_some());
    profiler.wait_for("8 MiB is complete", || bench.record("8MiB").is_some());
    if faults::ended_at_its_limit(&bench, "8MiB") {
        profiler.interrupt();
        return false;
    }
    let complete = fs::read(bench.run("8MiB").join("run.json")).unwrap();
    profiler.wait_for("9 MiB is recorded", || bench.run("9MiB").join("run.capture").exists());
    profiler.0.kill().unwrap();
    profiler.wait();
    assert!(bench.record("9MiB").is_none(), "an interrupted run is not finished");

    let output = bench.resume();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "a run failed: {message}");
    assert!(message.contains("failed: ") && message.contains("transmission-2n-1s-7MiB/1"), "{message}");
    assert!(message.contains("removed what the killed run"), "{message}");
    assert_eq!(fs::read(bench.run("8MiB").join("run.json")).unwrap(), complete, "it was not repeated");

    bench.runs.check_nothing_is_left();
    faults::check_failed(&bench, "7MiB", &["leecher-1 ended early", "signal: 9"]);
    if faults::ended_at_its_limit(&bench, "9MiB") {
        return false;
    }
    for size in ["8MiB", "9MiB"] {
        let record = bench.record(size).unwrap();
        assert_eq!(record["status"], "complete", "{record}");
        assert_eq!(record["capture_kept"], false, "--keep none");
        assert!(!bench.run(size).join("run.capture").exists());
        let transfer = &record["measures"]["transfers"][0];
        assert!(transfer["kernel"]["p100_s"].as_f64().unwrap() > 0.0);
        let uploads = &record["measures"]["uploads"];
        let payload = uploads.as_array().unwrap().iter().find(|pair| pair["from"] == "seeder-1").unwrap();
        assert!(payload["bytes"].as_u64().unwrap() > 7 << 20, "{uploads}");
        check_cold(&bench.run(size).join("report.json"));
    }
    check_summary(&bench);
    true
}

#[track_caller]
fn check_cold(report: &Path) {
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let cached = &report["transfers"][0]["seeders_cached"][0];
    assert_eq!(cached["seeder"], "seeder-1");
    let bytes = |name: &str| cached[name].as_u64().unwrap();
    assert!(bytes("file_bytes") >= 8 << 20 && bytes("cached_bytes") < bytes("file_bytes") / 20, "{cached}");
}

/// A node is in a control group of its own, which has the limit.
#[track_caller]
fn check_disk_limit(node: &Process) {
    let groups = node.cgroups().unwrap();
    let group = groups.into_iter().find(|group| group.pathname.contains("xferprof")).expect("a group");
    let mounted_on = if group.hierarchy == 0 { "/sys/fs/cgroup" } else { "/sys/fs/cgroup/blkio" };
    let folder = format!("{mounted_on}{}", group.pathname);
    let file = if group.hierarchy == 0 { "io.max" } else { "blkio.throttle.read_bps_device" };
    let limit = fs::read_to_string(Path::new(&folder).join(file)).unwrap();
    assert!(limit.contains("200000000"), "{folder}: {limit}");
}

#[track_caller]
fn check_summary(bench: &Bench) {
    let mut table = csv::Reader::from_path(bench.results().join("summary.csv")).unwrap();
    let head = table.headers().unwrap().clone();
    let column = |name: &str| head.iter().position(|found| found == name).unwrap();
    let rows: Vec<_> = table.records().map(Result::unwrap).collect();
    let values = |name: &str| rows.iter().map(|row| row[column(name)].to_owned()).collect::<Vec<_>>();
    assert_eq!(values("file_size_bytes"), ["7340032", "8388608", "9437184"]);
    assert_eq!(values("runs_complete"), ["0", "1", "1"]);
    assert_eq!(values("runs_failed"), ["1", "0", "0"]);
    assert!(values("transfer_bottleneck")[0].is_empty() && !values("transfer_bottleneck")[1].is_empty());

    let manifest: Value =
        serde_json::from_slice(&fs::read(bench.results().join("manifest.json")).unwrap()).unwrap();
    let ceilings = &manifest["ceilings"];
    let tcp_bytes_per_s = ceilings["tcp_bytes_per_s"].as_f64().unwrap();
    // The link's 50 MB/s, with frames; the first of them are a burst.
    assert!((30e6..52e6).contains(&tcp_bytes_per_s), "{ceilings}");
    assert!(ceilings["disk_write_bytes_per_s"].as_f64().unwrap() > 1e6, "{ceilings}");
    let report = fs::read_to_string(bench.results().join("report.md")).unwrap();
    assert!(report.contains("2 of 3 runs complete") && report.contains("What failed"), "{report}");
    assert!(report.contains("dropped from the page cache before each run"), "{report}");
}

#[test]
fn a_run_that_takes_too_long_fails() {
    let bench = Bench::new(
        &MATRIX
            .replace("\"2m\"", "\"55s\"")
            .replace("\"7MiB\", \"8MiB\", \"9MiB\"", "\"200MiB\"")
            .replace("400_000_000", "8_000_000_000"),
    );
    let refused = bench.start().wait();
    assert!(!refused.success());
    let message = bench.message();
    assert!(message.contains("nothing of the matrix") && message.contains("its limit is 55s"), "{message}");
    assert!(!bench.results().exists());
}

#[test]
fn a_kernel_without_netem_is_named() {
    let bench = Bench::new(&MATRIX.replace("rate_bits_per_s = 400_000_000", "delay = \"5ms\""));
    let status = bench.start().wait();
    let message = bench.message();
    // Where the kernel has it, the matrix runs.
    assert!(status.success() || message.contains("CONFIG_NET_SCH_NETEM"), "{message}");
    bench.runs.check_nothing_is_left();
}

/// A benchmark of a matrix file, in a folder that is removed.
struct Bench {
    folder: tempfile::TempDir,
    runs: Runs,
}

impl Bench {
    fn new(matrix: &str) -> Self {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let runs = Runs::in_scratch(folder.path());
        fs::write(folder.path().join("matrix.toml"), matrix).unwrap();
        Self { folder, runs }
    }

    fn with_scratch(matrix: &str, scratch: &Path) -> Self {
        Self { runs: Runs::in_scratch(scratch), ..Self::new(matrix) }
    }

    fn results(&self) -> PathBuf {
        self.folder.path().join("results")
    }

    fn run(&self, size: &str) -> PathBuf {
        self.results().join(format!("transmission-2n-1s-{size}/1"))
    }

    /// How a run ended, once it has.
    fn record(&self, size: &str) -> Option<Value> {
        let json = fs::read(self.run(size).join("run.json")).ok()?;
        Some(serde_json::from_slice(&json).unwrap())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(PROFILER);
        command.args(["bench", "--keep", "none", "--matrix"]).arg(self.folder.path().join("matrix.toml"));
        command.arg("-o").arg(self.results()).arg("--scratch").arg(&self.runs.scratch);
        command
    }

    fn start(&self) -> Running {
        let log = File::create(self.folder.path().join("log")).unwrap();
        let out = log.try_clone().unwrap();
        Running(self.command().stdout(out).stderr(log).spawn().unwrap())
    }

    fn message(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn resume(&self) -> Output {
        self.command().arg("--resume").output().unwrap()
    }
}

/// A benchmark while it runs. One that still runs when its test fails is ended.
struct Running(Child);

impl Running {
    /// Waits until something is so, which happens while it runs.
    #[track_caller]
    fn wait_for(&mut self, what: &str, is_so: impl Fn() -> bool) {
        // A run ends at its limit before.
        let limit = Duration::from_secs(180);
        let started = Instant::now();
        while !is_so() {
            assert!(started.elapsed() < limit, "not after {limit:?}: {what}");
            // Once more, because it may have been the last that the benchmark did.
            if let Some(status) = self.0.try_wait().unwrap() {
                assert!(is_so(), "the benchmark ended before ({status}): {what}");
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn wait(&mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }

    /// Ends it as Ctrl-C does.
    #[track_caller]
    fn interrupt(&mut self) {
        self.signal(libc::SIGINT);
        assert!(!self.wait().success());
    }

    fn signal(&self, signal: i32) {
        // SAFETY: only sends a signal, to a child that was not waited for.
        assert_eq!(unsafe { libc::kill(self.0.id() as i32, signal) }, 0);
    }

    fn has_ended_within(&mut self, limit: Duration) -> bool {
        let started = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) {
            if started.elapsed() > limit {
                return false;
            }
            thread::sleep(Duration::from_millis(50));
        }
        true
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.has_ended_within(Duration::ZERO) {
            return;
        }
        // Then it removes what it made.
        self.signal(libc::SIGINT);
        if !self.has_ended_within(Duration::from_secs(20)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}
