//! What one complete run measured, from its report: what is kept of it for the summary of its configuration.

use serde::{Deserialize, Serialize};

use analysis::{
    attribution::shares::{NetworkDetail, Shares},
    report::{Overhead, Report, TransferReport, Verdict},
    timeline::Timeline,
};
use capture::{Direction, MilestoneName, families::SCHEDULING};

pub use super::uploads::Upload;
use super::{NodeRecord, uploads};

#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Measures {
    pub transfers: Vec<TransferMeasures>,
    /// Who sent how much to whom.
    #[serde(alias = "served")]
    pub uploads: Vec<Upload>,
    pub cost: Cost,
    /// Why the capture does not show everything; none if it does.
    pub degraded: Vec<String>,
    pub events_lost: u64,
}

/// One transfer. Seconds count from its request.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct TransferMeasures {
    pub label: String,
    pub direction: Direction,
    pub app: Times,
    pub kernel: Times,
    /// Of the application's times, the least certain one's: it may have been so much earlier. Missing in older results.
    pub app_resolution_s: Option<f64>,
    pub app_bytes_per_s: Option<f64>,
    pub kernel_bytes_per_s: Option<f64>,
    /// Bytes on sockets over the file's size.
    pub overhead_ratio: Option<f64>,
    /// Bytes on devices over the file's size.
    pub write_amplification_ratio: Option<f64>,
    pub phases: Vec<PhaseMeasures>,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    pub first_byte_s: Option<f64>,
    pub p50_s: Option<f64>,
    pub p90_s: Option<f64>,
    pub p100_s: Option<f64>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct PhaseMeasures {
    /// As in `request_to_first_byte`.
    pub name: String,
    pub wall_s: f64,
    /// Missing where scheduling could not be recorded.
    pub shares: Option<Shares<f64>>,
    pub network_detail: Option<NetworkDetail<f64>>,
}

/// CPU time of the benchmark itself and of what it measures.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Of the recording.
    pub duration_s: f64,
    pub cpus: u32,
    /// ChildProcess and probes; missing if it could not be measured.
    pub profiler_cpu_s: Option<f64>,
    /// Of the threads that ask the nodes for their progress.
    pub driver_cpu_s: f64,
    pub nodes_cpu_s: f64,
    pub profiler_anon_rss_bytes: Option<u64>,
    /// What it took to reach a probe and to come back. Where it was not measured, `profiler_cpu_s` is without it.
    #[serde(default)]
    pub dispatch_ns_per_run: Option<f64>,
}

impl Cost {
    /// Profiler and driver, as a part of what all CPUs of the host could do in the time.
    pub fn share_of_host(&self) -> Option<f64> {
        let host_s = self.host_cpu_s();
        (host_s > 0.0).then_some((self.profiler_cpu_s? + self.driver_cpu_s) / host_s)
    }

    /// What all CPUs of the host could do in the time.
    pub fn host_cpu_s(&self) -> f64 {
        self.duration_s * f64::from(self.cpus)
    }
}

impl Measures {
    /// Adds what the report of the run's upload says.
    pub fn with_upload(mut self, report: &Report) -> Self {
        self.transfers.extend(report.transfers.iter().map(transfer));
        self.degraded.extend(degraded(report).into_iter().map(|reason| format!("upload: {reason}")));
        self.events_lost += events_lost(report);
        self
    }
}

pub fn of(report: &Report, timeline: &Timeline, nodes: &[NodeRecord]) -> Measures {
    let duration_s = report.capture.duration_s;
    let overhead = &report.overhead;
    let cpu = |fraction: Option<f64>| fraction.map(|fraction| fraction * duration_s);
    let profiler_cpu_s = cpu(overhead.daemon_cpu_fraction)
        .map(|daemon_s| daemon_s + probes_cpu_s(overhead, duration_s).unwrap_or_default());
    Measures {
        transfers: report.transfers.iter().map(transfer).collect(),
        uploads: uploads::of(timeline, nodes),
        cost: Cost {
            duration_s,
            cpus: report.capture.host.cpus,
            profiler_cpu_s,
            driver_cpu_s: report.transfers.iter().filter_map(|t| Some(t.polling.as_ref()?.cpu_s)).sum(),
            nodes_cpu_s: nodes_cpu_s(report, timeline),
            profiler_anon_rss_bytes: overhead.daemon_anon_rss_bytes,
            dispatch_ns_per_run: overhead.dispatch_ns_per_run,
        },
        degraded: degraded(report),
        events_lost: events_lost(report),
    }
}

/// Where the time of threads is not recorded, by the kernel's ticks of 10 ms.
fn nodes_cpu_s(report: &Report, timeline: &Timeline) -> f64 {
    let ns: u64 = if timeline.has_family(SCHEDULING) {
        report
            .processes
            .iter()
            .filter(|process| process.role.is_some())
            .filter_map(|process| Some(process.time?.cpu_ns))
            .sum()
    } else {
        let readings = timeline.cross_checks.processes.iter();
        readings
            .filter(|(serial, _)| {
                timeline.processes.get(serial).is_some_and(|process| process.label.is_some())
            })
            .filter_map(|(_, readings)| Some(readings.grown(|reading| reading.cpu_ns)?.least))
            .sum()
    };
    ns as f64 / 1e9
}

/// Outside of the windows in which the kernel counts, the probes do not pay for the counting. The way to them is always
/// paid; where it was not measured it is missing.
fn probes_cpu_s(overhead: &Overhead, duration_s: f64) -> Option<f64> {
    let (windows_s, counted) = (overhead.windows_s?, overhead.probe_cpu_fraction?);
    let net = overhead.probe_net_cpu_fraction.unwrap_or(counted);
    let way = overhead.probe_whole_cpu_fraction.map_or(0.0, |whole| whole - net);
    Some((counted + way) * windows_s + (net + way) * (duration_s - windows_s).max(0.0))
}

fn degraded(report: &Report) -> Vec<String> {
    match report.trust.verdict {
        Verdict::Complete => Vec::new(),
        Verdict::Degraded => report.trust.reasons.clone(),
    }
}

fn events_lost(report: &Report) -> u64 {
    report.trust.events_lost.values().sum()
}

fn transfer(transfer: &TransferReport) -> TransferMeasures {
    let times = |at_s: fn(&analysis::report::MilestoneReport) -> Option<f64>| {
        let of = |name| transfer.milestones.iter().find(|m| m.name == name).and_then(at_s);
        Times {
            first_byte_s: of(MilestoneName::FirstByte),
            p50_s: of(MilestoneName::P50),
            p90_s: of(MilestoneName::P90),
            p100_s: of(MilestoneName::P100),
        }
    };
    let phases = transfer.phases.iter().map(|phase| PhaseMeasures {
        name: format!("{}_to_{}", phase.from, phase.to),
        wall_s: phase.wall_s,
        shares: phase.budget.as_ref().map(|budget| budget.shares),
        network_detail: phase.budget.as_ref().map(|budget| budget.network_detail),
    });
    TransferMeasures {
        label: transfer.label.clone(),
        direction: transfer.direction,
        app: times(|milestone| milestone.app_s),
        kernel: times(|milestone| milestone.kernel_s),
        app_resolution_s: transfer
            .milestones
            .iter()
            .filter_map(|milestone| milestone.app_resolution_s)
            .max_by(f64::total_cmp),
        app_bytes_per_s: transfer.throughput.app_bytes_per_s,
        kernel_bytes_per_s: transfer.throughput.kernel_bytes_per_s,
        overhead_ratio: transfer.throughput.overhead_ratio,
        write_amplification_ratio: transfer.throughput.write_amplification,
        phases: phases.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::RunRecord;
    use analysis::report;
    use analysis::timeline::sample::timeline;
    use capture::testing::sample::records;

    #[test]
    fn a_transfer_is_as_uncertain_as_its_least_certain_milestone() {
        let mut of = report::build(&timeline(records())).transfers.swap_remove(0);
        let mut check = |resolutions: [Option<f64>; 4], expected: Option<f64>| {
            for (milestone, resolution_s) in of.milestones.iter_mut().zip(resolutions) {
                milestone.app_resolution_s = resolution_s;
            }
            assert_eq!(transfer(&of).app_resolution_s, expected, "{resolutions:?}");
        };
        check([Some(0.1), Some(0.4), None, Some(0.2)], Some(0.4));
        check([Some(0.0), None, None, None], Some(0.0));
        check([None; 4], None);
    }

    #[test]
    fn results_from_before_the_resolution_was_kept_can_be_read() {
        let old: RunRecord = serde_json::from_str(include_str!(
            "../../../../results/2026-11-24-bittorrent-100MiB/deluge-2n-1s-100MiB/1/run.json"
        ))
        .expect("a run's record");
        let transfers = old.measures.expect("complete").transfers;
        assert!(transfers.iter().all(|transfer| transfer.app_resolution_s.is_none()));
        assert!(!transfers.is_empty());
    }
}
