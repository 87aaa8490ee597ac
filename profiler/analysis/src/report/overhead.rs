//! What the profiling itself cost. Probe runs are those counted in the windows, never extrapolated.

use serde::Serialize;

use crate::timeline::Timeline;
use capture::ProbeDispatch;

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
    /// What the kernel takes to reach a probe and to come back, which it does not count; by datagrams before the
    /// recording, whose probes were in the caches.
    pub dispatch_ns_per_run: Option<f64>,
    /// Of one CPU: `probe_net_cpu_fraction`, and the dispatch cost: from the tracepoints to the probes and back.
    pub probe_whole_cpu_fraction: Option<f64>,
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
    let net_cpu_fraction = statistics_ns_per_run.and_then(|statistics_ns| {
        let net_ns = probe_ns as f64 - probe_runs as f64 * statistics_ns;
        // Less than nothing would be no measurement.
        (measured && net_ns >= 0.0).then(|| net_ns / windows.wall_ns as f64)
    });
    let dispatch_ns_per_run =
        timeline.dispatch.zip(statistics_ns_per_run).and_then(|(trip, ns)| dispatch_ns_per_run(&trip, ns));
    Overhead {
        windows_s: measured.then(|| seconds(windows.wall_ns)),
        probe_runs: measured.then_some(probe_runs),
        probe_ns: measured.then_some(probe_ns),
        probe_cpu_fraction: ratio(probe_ns, windows.wall_ns),
        statistics_ns_per_run,
        probe_net_cpu_fraction: net_cpu_fraction,
        dispatch_ns_per_run,
        probe_whole_cpu_fraction: net_cpu_fraction
            .zip(dispatch_ns_per_run)
            .map(|(net, ns)| net + probe_runs as f64 * ns / windows.wall_ns as f64),
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

/// How much longer a datagram takes, less the probes' own time. Less than nothing would be no measurement.
pub fn dispatch_ns_per_run(trip: &ProbeDispatch, statistics_ns_per_run: f64) -> Option<f64> {
    let longer_ns = trip.probed_ns_per_trip - trip.bare_ns_per_trip;
    let own_ns = trip.counted_ns_per_trip - trip.runs_per_trip * statistics_ns_per_run;
    (trip.runs_per_trip >= 1.0 && longer_ns >= own_ns).then(|| (longer_ns - own_ns) / trip.runs_per_trip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check([bare, probed, runs, counted]: [f64; 4], expected: Option<f64>) {
        let trip = ProbeDispatch {
            bare_ns_per_trip: bare,
            probed_ns_per_trip: probed,
            runs_per_trip: runs,
            counted_ns_per_trip: counted,
        };
        assert_eq!(dispatch_ns_per_run(&trip, 50.0), expected);
    }

    #[test]
    fn the_way_to_a_probe_is_what_a_datagram_takes_longer_without_the_probes_own_time() {
        check([2600.0, 3150.0, 5.0, 400.0], Some(80.0));
        check([2600.0, 2700.0, 5.0, 350.0], Some(0.0));
        check([2600.0, 2690.0, 5.0, 350.0], None);
        check([2600.0, 3150.0, 0.0, 0.0], None);
    }
}
