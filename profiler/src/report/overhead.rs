//! What the profiling itself cost. Probe runs are those counted in the windows, never extrapolated.

use serde::Serialize;

use crate::timeline::Timeline;

use super::{ratio, seconds};

#[derive(Clone, Debug, Serialize)]
pub struct Overhead {
    /// How long the kernel counted the probes' runs; the other `probe_*` are about that time.
    pub windows_s: Option<f64>,
    pub probe_runs: Option<u64>,
    pub probe_ns: Option<u64>,
    /// Of one CPU, while the kernel counts.
    pub probe_cpu_fraction: Option<f64>,
    /// What counting itself adds to each run: the time of a program that does nothing.
    pub statistics_ns_per_run: Option<f64>,
    /// Of one CPU, less what counting adds: outside of the windows, which are a tenth of the recording.
    pub probe_net_cpu_fraction: Option<f64>,
    /// Of one CPU: the whole profiler, except what it took to ask applications, which stands with their transfers.
    pub daemon_cpu_fraction: Option<f64>,
    /// The highest that was seen.
    pub daemon_anon_rss_bytes: Option<u64>,
    pub map_bytes: Option<u64>,
    pub capture_bytes_per_s: Option<f64>,
    /// By name.
    pub programs: Vec<Program>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Program {
    pub program: String,
    pub runs: u64,
    pub ns_per_run: Option<f64>,
}

pub(super) fn report(timeline: &Timeline) -> Overhead {
    let windows = &timeline.windows;
    let measured = windows.wall_ns > 0;
    let probe_runs: u64 = windows.programs.values().map(|program| program.runs).sum();
    let probe_ns: u64 = windows.programs.values().map(|program| program.run_ns).sum();
    let statistics_ns_per_run = windows.empty.and_then(|empty| ratio(empty.run_ns, empty.runs));
    let daemon = timeline.daemon.as_ref();
    let asking_ns: u64 = timeline
        .transfers
        .iter()
        .filter_map(|timed| timed.polling.as_ref())
        .map(|polling| polling.cpu_ns)
        .sum();
    // Its counts are since the recording began.
    let per_second = |count: u64| {
        let daemon = daemon?;
        ratio(count, daemon.last.at_ns.saturating_sub(timeline.start.at_ns)).map(|per_ns| per_ns * 1e9)
    };
    Overhead {
        windows_s: measured.then(|| seconds(windows.wall_ns)),
        probe_runs: measured.then_some(probe_runs),
        probe_ns: measured.then_some(probe_ns),
        probe_cpu_fraction: ratio(probe_ns, windows.wall_ns),
        statistics_ns_per_run,
        probe_net_cpu_fraction: statistics_ns_per_run.and_then(|statistics_ns| {
            let net_ns = probe_ns as f64 - probe_runs as f64 * statistics_ns;
            // Less than nothing would be no measurement.
            (measured && net_ns >= 0.0).then(|| net_ns / windows.wall_ns as f64)
        }),
        daemon_cpu_fraction: daemon
            .and_then(|daemon| per_second(daemon.last.cpu_ns.saturating_sub(asking_ns)))
            .map(|ns_per_s| ns_per_s / 1e9),
        daemon_anon_rss_bytes: daemon.map(|daemon| daemon.peak_anon_rss_bytes),
        map_bytes: daemon.map(|daemon| daemon.last.map_bytes),
        capture_bytes_per_s: daemon.and_then(|daemon| per_second(daemon.last.capture_bytes)),
        programs: windows
            .programs
            .iter()
            .map(|(program, runs)| Program {
                program: program.clone(),
                runs: runs.runs,
                ns_per_run: ratio(runs.run_ns, runs.runs),
            })
            .collect(),
    }
}
