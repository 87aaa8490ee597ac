//! What the runs of one configuration come to: over its repetitions and its leechers.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::bench::plan::Cell;
use analysis::attribution::shares::{NetworkDetail, Shares};
use capture::{Direction, Role};

use super::{
    Measures, RunRecord, Status,
    measures::TransferMeasures,
    statistics::{Distribution, distribution},
};

#[derive(Serialize, Clone, Debug)]
pub struct Summary {
    #[serde(flatten)]
    pub cell: Cell,
    pub runs_planned: u32,
    pub runs_complete: u32,
    /// Complete, but something was lost or could not be attached.
    pub runs_degraded: u32,
    /// Why, run by run.
    pub degraded: Vec<Degraded>,
    /// What the nodes ran, by their own word: `transmission 3.00 (bb6b5a062e)`.
    pub programs: BTreeSet<String>,
    pub failures: Vec<Failure>,
    /// Why it did not run at all.
    pub skipped: Option<String>,
    /// In the order of [`METRICS`].
    pub metrics: Vec<(&'static str, Option<Distribution>)>,
    /// Complete runs, each by itself.
    pub runs: Vec<RunMeans>,
    /// From request to 100 %, then phase by phase. Means over transfers.
    pub phases: Vec<PhaseSummary>,
    /// Means over runs.
    pub uploads: Option<UploadsSummary>,
    pub cost: Option<CostSummary>,
    /// Of all runs, whether they are kept or not.
    pub capture_bytes: u64,
}

/// One repetition: means over its transfers.
#[derive(Serialize, Clone, Debug)]
pub struct RunMeans {
    pub repetition: u32,
    pub is_degraded: bool,
    /// In the order of [`METRICS`].
    pub metrics: Vec<(&'static str, Option<f64>)>,
}

#[derive(Serialize, Clone, Debug)]
pub struct Failure {
    pub repetition: u32,
    pub reason: String,
    pub after_s: f64,
}

#[derive(Serialize, Clone, Debug)]
pub struct Degraded {
    pub repetition: u32,
    pub reasons: Vec<String>,
}

/// One phase, over all downloads.
#[derive(Serialize, Clone, Debug)]
pub struct PhaseSummary {
    pub name: String,
    pub wall_s: f64,
    pub shares: Option<[Named; 8]>,
    /// Sums to the network's share.
    pub network_detail: Option<[Named; 15]>,
    /// The largest share; of the network's, with its largest part.
    pub bottleneck: Option<String>,
}

/// What leechers received, by who sent it. Mean bytes of a run.
#[derive(Serialize, Clone, Copy, Debug, PartialEq)]
pub struct UploadsSummary {
    pub from_seeders_bytes: f64,
    pub from_leechers_bytes: f64,
}

/// Means over runs.
#[derive(Serialize, Clone, Copy, Debug, PartialEq)]
pub struct CostSummary {
    pub profiler_cpu_s: f64,
    pub driver_cpu_s: f64,
    pub nodes_cpu_s: f64,
    /// What all CPUs of the host could do meanwhile.
    pub host_cpu_s: f64,
    /// Profiler and driver, of that.
    pub share_of_host: f64,
    pub profiler_anon_rss_bytes: f64,
    /// Where every run has it.
    pub dispatch_ns_per_run: Option<f64>,
}

/// A share of a phase by its name.
pub type Named = (&'static str, f64);

type Metric = fn(&TransferMeasures) -> Option<f64>;

/// Names with their units, and where they are found. Rates of uploads stand apart, everything else is of downloads.
pub const METRICS: [(&str, Direction, Metric); 14] = [
    ("download_app_bytes_per_s", Direction::Download, |t| t.app_bytes_per_s),
    ("download_kernel_bytes_per_s", Direction::Download, |t| t.kernel_bytes_per_s),
    ("upload_app_bytes_per_s", Direction::Intake, |t| t.app_bytes_per_s),
    ("app_first_byte_s", Direction::Download, |t| t.app.first_byte_s),
    ("app_p50_s", Direction::Download, |t| t.app.p50_s),
    ("app_p90_s", Direction::Download, |t| t.app.p90_s),
    ("app_p100_s", Direction::Download, |t| t.app.p100_s),
    ("app_resolution_s", Direction::Download, |t| t.app_resolution_s),
    ("kernel_first_byte_s", Direction::Download, |t| t.kernel.first_byte_s),
    ("kernel_p50_s", Direction::Download, |t| t.kernel.p50_s),
    ("kernel_p90_s", Direction::Download, |t| t.kernel.p90_s),
    ("kernel_p100_s", Direction::Download, |t| t.kernel.p100_s),
    ("overhead_ratio", Direction::Download, |t| t.overhead_ratio),
    ("write_amplification_ratio", Direction::Download, |t| t.write_amplification_ratio),
];

/// The phases of a transfer in their order; the first is all of it.
pub const PHASES: [&str; 5] =
    ["transfer", "request_to_first_byte", "first_byte_to_p50", "p50_to_p90", "p90_to_p100"];

/// The summary of a configuration from the records of its runs.
pub fn of(cell: Cell, runs_planned: u32, skipped: Option<String>, runs: &[RunRecord]) -> Summary {
    let measures: Vec<&Measures> = runs.iter().filter_map(|run| run.measures.as_ref()).collect();
    let failed = runs.iter().filter(|run| run.status == Status::Failed);
    let degraded: Vec<Degraded> = runs.iter().filter_map(degraded).collect();
    let metrics = METRICS.map(|(name, direction, metric)| {
        let of_run = |run: &&Measures| {
            run.transfers.iter().filter(|t| t.direction == direction).filter_map(metric).collect()
        };
        (name, distribution(&measures.iter().map(of_run).collect::<Vec<Vec<f64>>>()))
    });
    Summary {
        cell,
        runs_planned,
        runs_complete: runs.iter().filter(|run| run.status == Status::Complete).count() as u32,
        runs_degraded: degraded.len() as u32,
        degraded,
        programs: runs.iter().flat_map(|run| &run.nodes).map(|node| node.program.clone()).collect(),
        failures: failed
            .map(|run| Failure {
                repetition: run.repetition,
                reason: run.reason.clone().unwrap_or_default(),
                after_s: run.duration_s,
            })
            .collect(),
        skipped,
        metrics: metrics.into(),
        runs: runs.iter().filter_map(run_means).collect(),
        phases: PHASES.iter().filter_map(|name| phase(name, &measures)).collect(),
        uploads: mean(&runs.iter().filter_map(uploads).collect::<Vec<_>>()).map(|[seeders, leechers]| {
            UploadsSummary { from_seeders_bytes: seeders, from_leechers_bytes: leechers }
        }),
        cost: cost(&measures),
        capture_bytes: runs.iter().filter_map(|run| run.capture_bytes).sum(),
    }
}

impl RunMeans {
    pub fn mean(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|(found, _)| *found == name).and_then(|(_, mean)| *mean)
    }
}

impl Summary {
    pub fn metric(&self, name: &str) -> Option<&Distribution> {
        self.metrics.iter().find(|(found, _)| *found == name).and_then(|(_, found)| found.as_ref())
    }

    pub fn phase(&self, name: &str) -> Option<&PhaseSummary> {
        self.phases.iter().find(|phase| phase.name == name)
    }
}

fn run_means(run: &RunRecord) -> Option<RunMeans> {
    let measures = run.measures.as_ref()?;
    let metrics = METRICS.map(|(name, direction, metric)| {
        let of =
            measures.transfers.iter().filter(|transfer| transfer.direction == direction).filter_map(metric);
        let of: Vec<[f64; 1]> = of.map(|value| [value]).collect();
        (name, mean(&of).map(|[mean]| mean))
    });
    Some(RunMeans {
        repetition: run.repetition,
        is_degraded: !measures.degraded.is_empty(),
        metrics: metrics.into(),
    })
}

fn degraded(run: &RunRecord) -> Option<Degraded> {
    let reasons = run.measures.as_ref()?.degraded.clone();
    (!reasons.is_empty()).then_some(Degraded { repetition: run.repetition, reasons })
}

/// Weighted with the time that each transfer spent in it: the shares are of the phase's total time.
fn phase(name: &str, measures: &[&Measures]) -> Option<PhaseSummary> {
    let downloads = measures
        .iter()
        .flat_map(|run| &run.transfers)
        .filter(|transfer| transfer.direction == Direction::Download && !transfer.phases.is_empty());
    let (mut transfers, mut wall_s, mut weighed_s) = (0.0, 0.0, 0.0);
    let mut shares = Shares::<f64>::default().named();
    let mut detail = NetworkDetail::<f64>::default().named();
    for transfer in downloads {
        transfers += 1.0;
        for phase in transfer.phases.iter().filter(|phase| name == PHASES[0] || phase.name == name) {
            wall_s += phase.wall_s;
            if let (Some(of_phase), Some(detail_of_phase)) = (&phase.shares, &phase.network_detail) {
                weighed_s += phase.wall_s;
                add(&mut shares, of_phase.named(), phase.wall_s);
                add(&mut detail, detail_of_phase.named(), phase.wall_s);
            }
        }
    }
    let is_weighed = weighed_s > 0.0;
    let shares = is_weighed.then(|| shares.map(|(name, sum)| (name, sum / weighed_s)));
    let network_detail = is_weighed.then(|| detail.map(|(name, sum)| (name, sum / weighed_s)));
    (transfers > 0.0).then(|| PhaseSummary {
        name: name.to_owned(),
        wall_s: wall_s / transfers,
        bottleneck: shares.zip(network_detail).map(|(shares, detail)| bottleneck(&shares, &detail)),
        shares,
        network_detail,
    })
}

/// As in `timer`, or `network: peer_timer`.
fn bottleneck(shares: &[Named], detail: &[Named]) -> String {
    let largest =
        |named: &[Named]| named.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or("", |(name, _)| *name);
    match largest(shares) {
        "network" => format!("network: {}", largest(detail)),
        share => share.to_owned(),
    }
}

fn add<const N: usize>(sums: &mut [Named; N], shares: [Named; N], weight: f64) {
    for (sum, (_, share)) in sums.iter_mut().zip(shares) {
        sum.1 += share * weight;
    }
}

/// Bytes that leechers got from seeders and from leechers.
fn uploads(run: &RunRecord) -> Option<[f64; 2]> {
    let uploads = &run.measures.as_ref()?.uploads;
    let is_a = |label: &str, role| run.nodes.iter().any(|node| node.label == label && node.role == role);
    let from = |role| {
        let pairs = uploads.iter().filter(|pair| is_a(&pair.from, role) && is_a(&pair.to, Role::Leecher));
        pairs.map(|pair| pair.bytes).sum::<u64>() as f64
    };
    (!uploads.is_empty()).then(|| [from(Role::Seeder), from(Role::Leecher)])
}

fn cost(measures: &[&Measures]) -> Option<CostSummary> {
    let dispatch: Option<Vec<f64>> = measures.iter().map(|run| run.cost.dispatch_ns_per_run).collect();
    let dispatch_ns_per_run = dispatch.map(|ns| ns.iter().sum::<f64>() / ns.len() as f64);
    let means = mean_of(measures, |run| {
        let cost = &run.cost;
        let rss_bytes = cost.profiler_anon_rss_bytes? as f64;
        let (host_s, share) = (cost.host_cpu_s(), cost.share_of_host()?);
        Some([cost.profiler_cpu_s?, cost.driver_cpu_s, cost.nodes_cpu_s, host_s, share, rss_bytes])
    });
    means.map(|[profiler_cpu_s, driver_cpu_s, nodes_cpu_s, host_cpu_s, share_of_host, rss_bytes]| {
        CostSummary {
            profiler_cpu_s,
            driver_cpu_s,
            nodes_cpu_s,
            host_cpu_s,
            share_of_host,
            profiler_anon_rss_bytes: rss_bytes,
            dispatch_ns_per_run,
        }
    })
}

/// Means over the runs that have the values.
fn mean_of<const N: usize>(
    measures: &[&Measures],
    values: impl Fn(&Measures) -> Option<[f64; N]>,
) -> Option<[f64; N]> {
    mean(&measures.iter().filter_map(|run| values(run)).collect::<Vec<_>>())
}

/// `None` without values.
fn mean<const N: usize>(of_runs: &[[f64; N]]) -> Option<[f64; N]> {
    let count = of_runs.len() as f64;
    (count > 0.0)
        .then(|| std::array::from_fn(|place| of_runs.iter().map(|run| run[place]).sum::<f64>() / count))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::bench::results::measures::Upload;
    use crate::bench::results::{
        NodeRecord,
        measures::{Cost, PhaseMeasures, Times},
    };

    pub const CELL: Cell = Cell {
        system: crate::bench::drivers::transmission::SYSTEM,
        nodes: 3,
        seeders: 1,
        file_size_bytes: 100,
    };

    fn transfer(p100_s: f64, network: f64) -> TransferMeasures {
        let phase = |name: &str, wall_s: f64, network: f64| PhaseMeasures {
            name: name.to_owned(),
            wall_s,
            shares: Some(Shares { network, timer: 1.0 - network, ..Shares::default() }),
            network_detail: Some(NetworkDetail { peer_timer: network, ..NetworkDetail::default() }),
        };
        TransferMeasures {
            label: "leecher-1".to_owned(),
            direction: Direction::Download,
            app: Times { p100_s: Some(p100_s), ..Times::default() },
            kernel: Times::default(),
            app_resolution_s: Some(p100_s / 8.0),
            app_bytes_per_s: Some(100.0 / p100_s),
            kernel_bytes_per_s: None,
            overhead_ratio: Some(1.01),
            write_amplification_ratio: None,
            phases: vec![phase("request_to_first_byte", 1.0, 0.0), phase("p90_to_p100", 3.0, network)],
        }
    }

    fn node(label: &str, role: Role) -> NodeRecord {
        NodeRecord {
            label: label.to_owned(),
            role,
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            program: "transmission 3.00".to_owned(),
        }
    }

    pub fn run(repetition: u32, p100_s: [f64; 2]) -> RunRecord {
        let upload = |from: &str, to: &str, bytes| Upload { from: from.into(), to: to.into(), bytes };
        RunRecord {
            cell: CELL,
            repetition,
            status: Status::Complete,
            reason: None,
            started_at: String::new(),
            duration_s: 50.0,
            nodes: vec![
                node("leecher-1", Role::Leecher),
                node("leecher-2", Role::Leecher),
                node("seeder-1", Role::Seeder),
            ],
            capture_bytes: Some(1000),
            capture_kept: true,
            packets: None,
            measures: Some(Measures {
                transfers: p100_s.map(|p100_s| transfer(p100_s, 0.8)).into(),
                uploads: vec![
                    upload("leecher-1", "leecher-2", 40),
                    upload("leecher-1", "seeder-1", 7),
                    upload("seeder-1", "leecher-1", 100),
                    upload("seeder-1", "leecher-2", 60),
                ],
                cost: Cost {
                    duration_s: 50.0,
                    cpus: 2,
                    profiler_cpu_s: Some(0.5),
                    driver_cpu_s: 0.5,
                    nodes_cpu_s: 4.0,
                    profiler_anon_rss_bytes: Some(30 << 20),
                    dispatch_ns_per_run: Some(60.0),
                },
                degraded: Vec::new(),
                events_lost: 0,
            }),
        }
    }

    pub fn failed(repetition: u32) -> RunRecord {
        RunRecord {
            status: Status::Failed,
            reason: Some("leecher-1 ended early".to_owned()),
            measures: None,
            ..run(repetition, [0.0; 2])
        }
    }

    #[test]
    fn runs_add_up() {
        let summary = of(CELL, 3, None, &[run(1, [10.0, 20.0]), run(2, [30.0, 40.0]), failed(3)]);
        assert_eq!((summary.runs_planned, summary.runs_complete, summary.failures.len()), (3, 2, 1));
        let p100 = summary.metric("app_p100_s").expect("measured");
        assert_eq!((p100.median, p100.min, p100.max, p100.mean), (25.0, 10.0, 40.0, 25.0));
        assert!(summary.metric("upload_app_bytes_per_s").is_none());
        assert_eq!(summary.programs.iter().map(String::as_str).collect::<Vec<_>>(), ["transmission 3.00"]);
        let uploads = summary.uploads.expect("measured");
        assert_eq!((uploads.from_seeders_bytes, uploads.from_leechers_bytes), (160.0, 40.0));
        assert_eq!(summary.cost.expect("measured").share_of_host, 0.01);
    }

    #[test]
    fn an_upload_has_a_rate_of_its_own() {
        let mut with_upload = run(1, [10.0, 20.0]);
        let upload = TransferMeasures { direction: Direction::Intake, ..transfer(4.0, 0.5) };
        with_upload.measures.as_mut().expect("complete").transfers.push(upload);
        let summary = of(CELL, 1, None, &[with_upload]);
        assert_eq!(summary.metric("upload_app_bytes_per_s").expect("measured").mean, 25.0);
        assert_eq!(summary.metric("app_p100_s").expect("measured").max, 20.0, "downloads stand apart");
        assert_eq!(summary.phase("transfer").expect("measured").wall_s, 4.0);
    }

    #[test]
    fn phases_weigh_as_long_as_they_lasted() {
        let summary = of(CELL, 1, None, &[run(1, [10.0, 20.0])]);
        let check = |name: &str, wall_s: f64, network: f64, bottleneck: &str| {
            let phase = summary.phase(name).expect(name);
            assert_eq!((phase.wall_s, phase.bottleneck.as_deref()), (wall_s, Some(bottleneck)), "{name}");
            let (_, share) = phase.shares.expect("weighed")[0];
            assert!((share - network).abs() < 1e-9, "{name}: {share}");
        };
        check("transfer", 4.0, 0.6, "network: peer_timer");
        check("request_to_first_byte", 1.0, 0.0, "timer");
        check("p90_to_p100", 3.0, 0.8, "network: peer_timer");
    }

    #[test]
    fn nothing_measured_is_nothing() {
        let summary = of(CELL, 1, Some("no disk".to_owned()), &[]);
        assert!(summary.metrics.iter().all(|(_, found)| found.is_none()));
        assert!(summary.phases.is_empty() && summary.uploads.is_none() && summary.cost.is_none());
    }
}
