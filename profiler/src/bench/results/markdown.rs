//! `report.md`: the results for people. Rates are in MiB/s, times in seconds, shares in percent.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::{Table, presets};
use serde_json::Value;

use crate::{collect::probes::families::ProbeSet, export::sections::cells::clean_lines};

use super::{Manifest, Summary, manifest::Skipped, statistics::Distribution};

const MIB: f64 = (1u64 << 20) as f64;

pub fn render(manifest: &Manifest, summaries: &[Summary]) -> String {
    let ran: Vec<&Summary> = summaries.iter().filter(|summary| summary.runs_complete > 0).collect();
    let sections = [
        heading(manifest, summaries),
        section("What each configuration took", &times(&ran), TIMES),
        section("Where the time went", &phases(&ran), PHASES),
        section("Who served the leechers", &uploads(&ran), UPLOADS),
        section("What the measuring cost", &cost(&ran), &cost_note(&ran)),
        section("Why runs are degraded", &degraded(&ran), DEGRADED),
        section(
            "What failed",
            &failures(summaries),
            "Each run's folder keeps its capture and its nodes' logs.",
        ),
        section("What was skipped", &skipped(&manifest.skipped), "By an estimate, before anything ran."),
    ];
    clean_lines(&sections.into_iter().flatten().collect::<Vec<_>>().join("\n"))
}

const TIMES: &str = "Seconds since the request, by the kernel's count; median over all leechers and repetitions, \
    quartiles in\nbrackets. The interval is that of the mean over repetitions, at 95 %.";
const PHASES: &str = "Means over all downloads. Shares of the phase's time; `bottleneck` is the largest, with the \
    largest part of the\nnetwork's.";
const UPLOADS: &str = "Bytes on sockets between nodes, as their senders sent them; means over runs.";
const DEGRADED: &str = "A degraded run is complete, and its report says what of it cannot be trusted. Each reason \
    once, with the runs that\nhave it.";

fn heading(manifest: &Manifest, summaries: &[Summary]) -> Option<String> {
    let Manifest { profiler, host, scratch, .. } = manifest;
    let complete: u32 = summaries.iter().map(|summary| summary.runs_complete).sum();
    let planned: u32 = summaries.iter().map(|summary| summary.runs_planned).sum();
    let degraded: u32 = summaries.iter().map(|summary| summary.runs_degraded).sum();
    let link = match &manifest.matrix["link"] {
        Value::Null => "not limited".to_owned(),
        link => link.to_string(),
    };
    let disks = match &manifest.matrix["disk"] {
        Value::Null => "shared, not limited".to_owned(),
        // See the limits' own documentation.
        disk => format!("{disk} (what is written back later is held with control groups of version 2 only)"),
    };
    let cold = if manifest.matrix["cold"] == true {
        "- the seeders' files were dropped from the page cache before each run\n"
    } else {
        ""
    };
    let packets = if manifest.pcap {
        "- packets were captured beside each run; what that cost is not in this report\n"
    } else {
        ""
    };
    let probes = match manifest.probes {
        ProbeSet::All => "",
        ProbeSet::Counters => "- probes: counters only, so that there are no shares of time\n",
    };
    let ceilings = manifest.ceilings.as_ref().map_or_else(
        || "not measured".to_owned(),
        |ceilings| {
            format!(
                "TCP between two nodes {:.1} MiB/s, sequential write with fsync {:.1} MiB/s",
                ceilings.tcp_bytes_per_s / MIB,
                ceilings.disk_write_bytes_per_s / MIB
            )
        },
    );
    let programs: BTreeSet<&str> =
        summaries.iter().flat_map(|summary| &summary.programs).map(String::as_str).collect();
    Some(format!(
        "# Benchmark {}, {}\n\n\
         {complete} of {planned} runs complete, {degraded} of them degraded.\n\n\
         - host: {}, Linux {}, {} CPUs, {:.0} MiB of memory\n\
         - scratch disk: {}, {}\n\
         - links: {link}\n\
         - disks of the nodes: {disks}\n\
         - ceilings of the set-up: {ceilings}\n\
         - nodes: {}\n\
         - profiler: {}, commit {}\n{cold}{packets}{probes}",
        manifest.name,
        manifest.started_at,
        host.name,
        host.kernel,
        host.cpus,
        host.memory_bytes as f64 / MIB,
        scratch.path.display(),
        scratch.filesystem.as_deref().unwrap_or("not on a device"),
        programs.into_iter().collect::<Vec<_>>().join(", "),
        profiler.version,
        profiler.git_commit.as_deref().unwrap_or("unknown"),
    ))
}

fn times(ran: &[&Summary]) -> Table {
    let head = [
        "configuration",
        "runs",
        "download MiB/s",
        "95 %",
        "first byte s",
        "50 % s",
        "90 % s",
        "100 % s",
        "overhead",
        "write amplification",
        "bottleneck",
    ];
    let mut table = markdown(&head);
    for summary in ran {
        let of = |name: &str, unit: f64| spread(summary.metric(name), unit);
        let ratio = |name: &str| {
            summary.metric(name).map_or_else(String::new, |found| format!("{:.3}", found.median))
        };
        let bottleneck = summary.phase("transfer").and_then(|phase| phase.bottleneck.clone());
        table.add_row([
            summary.cell.to_string(),
            format!("{}/{}", summary.runs_complete, summary.runs_planned),
            of("download_app_bytes_per_s", MIB),
            interval(summary.metric("download_app_bytes_per_s"), MIB),
            of("kernel_first_byte_s", 1.0),
            of("kernel_p50_s", 1.0),
            of("kernel_p90_s", 1.0),
            of("kernel_p100_s", 1.0),
            ratio("overhead_ratio"),
            ratio("write_amplification_ratio"),
            bottleneck.unwrap_or_default(),
        ]);
    }
    table
}

fn phases(ran: &[&Summary]) -> Table {
    let mut table = Table::new();
    for summary in ran {
        for phase in &summary.phases {
            let Some(shares) = phase.shares else { continue };
            if table.row_count() == 0 {
                let names = shares.iter().map(|(name, _)| format!("{name} %"));
                let head = ["configuration", "phase", "s"].map(str::to_owned).into_iter();
                table = markdown(&head.chain(names).chain(["bottleneck".to_owned()]).collect::<Vec<_>>());
            }
            let shares = shares.iter().map(|(_, share)| format!("{:.1}", share * 100.0));
            let first =
                [summary.cell.to_string(), phase.name.replace('_', " "), format!("{:.2}", phase.wall_s)];
            let bottleneck = phase.bottleneck.clone().unwrap_or_default();
            table.add_row(first.into_iter().chain(shares).chain([bottleneck]));
        }
    }
    table
}

fn uploads(ran: &[&Summary]) -> Table {
    let mut table = markdown(&["configuration", "by seeders MiB", "by leechers MiB"]);
    for (summary, uploads) in ran.iter().filter_map(|summary| Some((summary, summary.uploads?))) {
        table.add_row([
            summary.cell.to_string(),
            format!("{:.1}", uploads.from_seeders_bytes / MIB),
            format!("{:.1}", uploads.from_leechers_bytes / MIB),
        ]);
    }
    table
}

fn cost(ran: &[&Summary]) -> Table {
    let head = [
        "configuration",
        "profiler s",
        "driver s",
        "nodes s",
        "profiler and driver, % of the host",
        "to a probe and back, ns",
        "profiler's memory MiB",
        "captures MiB",
    ];
    let mut table = markdown(&head);
    for (summary, cost) in ran.iter().filter_map(|summary| Some((summary, summary.cost?))) {
        table.add_row([
            summary.cell.to_string(),
            format!("{:.2}", cost.profiler_cpu_s),
            format!("{:.2}", cost.driver_cpu_s),
            format!("{:.2}", cost.nodes_cpu_s),
            format!("{:.2}", cost.share_of_host * 100.0),
            cost.dispatch_ns_per_run.map_or_else(String::new, |ns| format!("{ns:.0}")),
            format!("{:.1}", cost.profiler_anon_rss_bytes / MIB),
            format!("{:.1}", summary.capture_bytes as f64 / MIB),
        ]);
    }
    table
}

/// With the share over all runs, to which each counts as long as it took.
fn cost_note(ran: &[&Summary]) -> String {
    let costs = ran.iter().filter_map(|summary| Some((f64::from(summary.runs_complete), summary.cost?)));
    let (used_s, host_s) = costs.fold((0.0, 0.0), |(used_s, host_s), (runs, cost)| {
        (used_s + runs * (cost.profiler_cpu_s + cost.driver_cpu_s), host_s + runs * cost.host_cpu_s)
    });
    format!(
        "CPU time, means over runs. The share is of what all CPUs of the host could do in the time of the recording: \
         {:.2} % over\nall runs. It has the way to the probes and back at each of their runs, except where its column is \
         empty: there it was\nnot measured in every run.",
        used_s / host_s * 100.0
    )
}

fn degraded(ran: &[&Summary]) -> Table {
    let mut table = markdown(&["configuration", "repetitions", "reason"]);
    for summary in ran {
        let mut runs_of = BTreeMap::<&str, BTreeSet<u32>>::new();
        for run in &summary.degraded {
            for reason in &run.reasons {
                runs_of.entry(reason).or_default().insert(run.repetition);
            }
        }
        for (reason, runs) in runs_of {
            let runs: Vec<String> = runs.iter().map(u32::to_string).collect();
            table.add_row([summary.cell.to_string(), runs.join(", "), one_line(reason)]);
        }
    }
    table
}

fn failures(summaries: &[Summary]) -> Table {
    let mut table = markdown(&["configuration", "repetition", "after s", "reason"]);
    for summary in summaries {
        for failure in &summary.failures {
            table.add_row([
                summary.cell.to_string(),
                failure.repetition.to_string(),
                format!("{:.1}", failure.after_s),
                one_line(&failure.reason),
            ]);
        }
    }
    table
}

fn skipped(skipped: &[Skipped]) -> Table {
    let mut table = markdown(&["configuration", "lack", "reason"]);
    for Skipped { cell, lack, reason } in skipped {
        table.add_row([cell.to_string(), lack.clone(), one_line(reason)]);
    }
    table
}

/// None for a table without rows.
fn section(title: &str, table: &Table, note: &str) -> Option<String> {
    (table.row_count() > 0).then(|| format!("## {title}\n\n{note}\n\n{table}\n"))
}

fn markdown(head: &[impl ToString]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(head.iter().map(ToString::to_string));
    table
}

fn spread(found: Option<&Distribution>, unit: f64) -> String {
    found.map_or_else(String::new, |found| {
        format!("{:.2} [{:.2}, {:.2}]", found.median / unit, found.q1 / unit, found.q3 / unit)
    })
}

fn interval(found: Option<&Distribution>, unit: f64) -> String {
    let interval = found.and_then(|found| found.ci95_low.zip(found.ci95_high));
    interval.map_or_else(String::new, |(low, high)| format!("{:.2} to {:.2}", low / unit, high / unit))
}

/// As a cell of a table takes it.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::{
        manifest::tests::sample,
        summary::{
            self,
            tests::{CELL, failed, run},
        },
    };

    #[test]
    fn the_report_has_what_a_write_up_needs() {
        let mut manifest = sample();
        let reason = "a run needs 9 MiB\x1b[2J".to_owned();
        manifest.skipped = vec![Skipped { cell: CELL, lack: "disk".to_owned(), reason }];
        let mut runs = [run(1, [10.0, 20.0]), run(2, [10.0, 40.0]), failed(3)];
        let lossy = runs[1].measures.as_mut().expect("complete");
        lossy.degraded = vec!["3 × ring_full: records are missing".to_owned()];
        let text = render(&manifest, &[summary::of(CELL, 3, None, &runs)]);
        assert!(text.contains("| 1.00                               | 60 "), "{text}");
        for part in [
            "2 of 3 runs complete",
            "Linux 6.18, 2 CPUs",
            "commit 95339ac",
            "- nodes: transmission 3.00",
            "the recording: 1.00 % over",
            "| 2           | 3 × ring_full",
            "| transmission, 3 nodes, 1 seeding, 100B | 2/3",
            "network: peer_timer",
            "| request to first byte | 1.00",
            "leecher-1 ended early",
            "| disk | a run needs 9 MiB?[2J |",
        ] {
            assert!(text.contains(part), "{part:?} is missing in:\n{text}");
        }
    }
}
