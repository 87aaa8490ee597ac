//! `summary.csv`: one row for each configuration of the matrix. `results/README.md` explains the columns.

use anyhow::{Context as _, Result};

use super::{
    Summary,
    statistics::Distribution,
    summary::{PHASES, PhaseSummary},
};
use analysis::attribution::shares::{NetworkDetail, Shares};

/// The table with its head. A cell without a value is empty.
pub fn render(summaries: &[Summary]) -> Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    for (number, summary) in summaries.iter().enumerate() {
        let columns = columns(summary);
        if number == 0 {
            table.write_record(columns.iter().map(|(name, _)| name)).context("write the head")?;
        }
        table.write_record(columns.iter().map(|(_, value)| value)).context("write a row")?;
    }
    table.into_inner().map_err(|error| error.into_error()).context("write the table")
}

/// Names and values in their order; the names are the same for every configuration.
fn columns(summary: &Summary) -> Vec<(String, String)> {
    let cell = &summary.cell;
    let mut columns: Vec<(String, String)> = [
        ("system", cell.system.to_string()),
        ("nodes", cell.nodes.to_string()),
        ("seeders", cell.seeders.to_string()),
        ("file_size_bytes", cell.file_size_bytes.to_string()),
        ("runs_planned", summary.runs_planned.to_string()),
        ("runs_complete", summary.runs_complete.to_string()),
        ("runs_degraded", summary.runs_degraded.to_string()),
        ("runs_failed", summary.failures.len().to_string()),
        ("skipped", summary.skipped.clone().unwrap_or_default()),
        ("capture_bytes", summary.capture_bytes.to_string()),
        ("from_seeders_bytes_mean", number(summary.uploads.map(|uploads| uploads.from_seeders_bytes))),
        ("from_leechers_bytes_mean", number(summary.uploads.map(|uploads| uploads.from_leechers_bytes))),
        ("profiler_cpu_s_mean", number(summary.cost.map(|cost| cost.profiler_cpu_s))),
        ("driver_cpu_s_mean", number(summary.cost.map(|cost| cost.driver_cpu_s))),
        ("nodes_cpu_s_mean", number(summary.cost.map(|cost| cost.nodes_cpu_s))),
        ("profiler_and_driver_share_of_host_mean", number(summary.cost.map(|cost| cost.share_of_host))),
        ("profiler_anon_rss_bytes_mean", number(summary.cost.map(|cost| cost.profiler_anon_rss_bytes))),
        ("dispatch_ns_per_run_mean", number(summary.cost.and_then(|cost| cost.dispatch_ns_per_run))),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for (name, found) in &summary.metrics {
        columns.extend(statistics(name, found.as_ref()));
    }
    for name in PHASES {
        columns.extend(phase(name, summary.phase(name)));
    }
    columns
}

fn statistics(name: &str, found: Option<&Distribution>) -> [(String, String); 8] {
    let values = [
        ("median", found.map(|found| found.median)),
        ("q1", found.map(|found| found.q1)),
        ("q3", found.map(|found| found.q3)),
        ("min", found.map(|found| found.min)),
        ("max", found.map(|found| found.max)),
        ("mean", found.map(|found| found.mean)),
        ("ci95_low", found.and_then(|found| found.ci95_low)),
        ("ci95_high", found.and_then(|found| found.ci95_high)),
    ];
    values.map(|(statistic, value)| (format!("{name}_{statistic}"), number(value)))
}

fn phase(name: &str, phase: Option<&PhaseSummary>) -> Vec<(String, String)> {
    let shares = phase.and_then(|phase| phase.shares);
    let detail = phase.and_then(|phase| phase.network_detail);
    let bottleneck = phase.and_then(|phase| phase.bottleneck.clone()).unwrap_or_default();
    let mut columns = vec![
        (format!("{name}_bottleneck"), bottleneck),
        (format!("{name}_wall_s_mean"), number(phase.map(|phase| phase.wall_s))),
    ];
    // The names are there without values, too.
    for (share, value) in shares.unwrap_or(Shares::default().named()) {
        columns.push((format!("{name}_{share}_share"), number(shares.and(Some(value)))));
    }
    for (part, value) in detail.unwrap_or(NetworkDetail::default().named()) {
        columns.push((format!("{name}_network_{part}_share"), number(detail.and(Some(value)))));
    }
    columns
}

fn number(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::summary::{
        METRICS,
        tests::{CELL, failed, run},
    };

    const README: &str = include_str!("../../../../results/README.md");

    #[test]
    fn each_configuration_has_a_row() -> Result<()> {
        let summaries = [
            super::super::summary::of(CELL, 2, None, &[run(1, [10.0, 20.0]), failed(2)]),
            super::super::summary::of(CELL, 2, Some("a run needs 9 MiB, and 8 are free".to_owned()), &[]),
        ];
        let table = String::from_utf8(render(&summaries)?)?;
        let mut reader = csv::Reader::from_reader(table.as_bytes());
        let head = reader.headers()?.clone();
        assert!(table.starts_with("system,nodes,seeders,file_size_bytes,"), "{table}");
        let rows: Vec<_> = reader.records().collect::<Result<_, _>>()?;
        let check = |row: usize, column: &str, expected: &str| {
            let place = head.iter().position(|name| name == column).expect(column);
            assert_eq!(&rows[row][place], expected, "{column}");
        };
        assert_eq!(rows.len(), 2);
        check(0, "nodes", "3");
        check(0, "runs_complete", "1");
        check(0, "runs_failed", "1");
        check(0, "app_p100_s_median", "15");
        check(0, "app_p100_s_ci95_low", "");
        check(0, "app_resolution_s_median", "1.875");
        check(0, "app_resolution_s_max", "2.5");
        check(0, "transfer_bottleneck", "network: peer_timer");
        check(0, "p90_to_p100_timer_share", "0.19999999999999996");
        check(1, "skipped", "a run needs 9 MiB, and 8 are free");
        check(1, "app_p100_s_median", "");
        check(1, "app_resolution_s_max", "");
        Ok(())
    }

    #[test]
    fn every_column_is_explained() {
        let summary = super::super::summary::of(CELL, 1, None, &[]);
        let names: Vec<String> = columns(&summary).into_iter().map(|(name, _)| name).collect();
        let explained = |text: &str| README.contains(&format!("`{text}`"));
        for (metric, _, _) in METRICS {
            assert!(explained(&format!("{metric}_*")), "{metric}");
        }
        for phase in PHASES {
            assert!(explained(&format!("{phase}_*")), "{phase}");
        }
        for (share, _) in Shares::<f64>::default().named() {
            assert!(explained(&format!("*_{share}_share")), "{share}");
        }
        for (part, _) in NetworkDetail::<f64>::default().named() {
            assert!(explained(&format!("*_network_{part}_share")), "{part}");
        }
        let is_of_a_family = |name: &String| {
            METRICS.iter().map(|metric| metric.0).chain(PHASES).any(|family| name.starts_with(family))
        };
        for name in names.iter().filter(|name| !is_of_a_family(name)) {
            assert!(explained(name), "{name}");
        }
    }
}
