//! `report.md`: what was run on what, a table for each load, and the cost of each probe.

use std::fmt::Write as _;

use super::{
    ratio::Ratio,
    results::Results,
    toggled::{InState, Toggled},
    trimmed::Estimate,
};

const MIB: f64 = 1024.0 * 1024.0;
/// Probes shown for each load, the busiest.
const PROBES: usize = 12;

pub fn render(results: &Results) -> String {
    let mut out = String::from("# What watching costs\n\n");
    let about = &results.about;
    let _ = write!(
        out,
        "{}, Linux {}, {} CPUs, profiler {}; `{}`. Our own probes were attached and detached in segments of one run, each between two \
         without; ratios are to these two, 20 % trimmed geometric means with their 95 % confidence interval, in the state of the \
         host that is named. Then {}, in each of them every tool once, in an order \
         that is another one in each round. Their ratios are to the unprofiled run of the same round, medians with \
         their 95 % confidence interval (sign test), of runs in the fast state of the host alone: not slower than the tool's \
         fastest by more than a factor of √2. The tools' files were on {}. The kernel's \
         buffers of perf are in no column of memory: they are neither the tool's own memory nor BPF maps.\n\n",
        about.date,
        about.kernel,
        about.cpus,
        about.profiler,
        about.command,
        rounds(results.rounds, results.rounds_asked),
        about.scratch_filesystem.as_deref().unwrap_or("a file system that could not be told"),
    );
    for tool in &about.tools {
        let version = tool.version.as_deref().map_or_else(String::new, |version| format!(" ({version})"));
        match &tool.left_out {
            Some(reason) => {
                let _ = writeln!(out, "- **{}** left out: {reason}", tool.tool);
            }
            None => {
                let _ = writeln!(out, "- **{}**{version}: {}", tool.tool, in_line(&tool.description));
            }
        }
    }
    for load in &results.loads {
        let _ = write!(out, "\n## {load}\n\n{}\n\n", load.description());
        let toggled: Vec<&Toggled> = results.toggled.iter().filter(|found| found.load == *load).collect();
        if !toggled.is_empty() {
            segments(&mut out, &toggled);
        }
        if !results.summaries.iter().any(|summary| summary.load == *load) {
            continue;
        }
        out += "| tool | fast runs of all | MB/s, median | throughput, ratio | CPU of the machine per byte, ratio | CPU of the machine s, median \
                | CPU of the tool s, median | the same, start to end | anonymous memory MiB, max | BPF maps MiB | events lost |\n";
        out += "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
        for summary in results.summaries.iter().filter(|summary| summary.load == *load) {
            let _ = writeln!(
                out,
                "| {} | {} of {} | {:.1} | {} | {} | {:.2} | {:.3} | {:.3} | {:.1} | {:.1} | {} |",
                summary.tool,
                summary.fast_runs,
                summary.runs,
                summary.bytes_per_s_median / 1e6,
                ratio(summary.throughput_ratio),
                ratio(summary.cpu_per_byte_ratio),
                summary.machine_cpu_s_median,
                summary.tool_cpu_s_median,
                summary.tool_cpu_whole_s_median,
                summary.tool_anon_peak_bytes_max as f64 / MIB,
                summary.tool_map_bytes_max as f64 / MIB,
                lost(summary.events_lost, summary.runs_with_unknown_losses),
            );
        }
        let Some(probes) = results.probes.iter().find(|probes| probes.load == *load) else { continue };
        let _ = write!(
            out,
            "\nThe profiler's busiest probes, in one more run with the kernel's statistics on; an empty program took \
             {:.0} ns in the same run ({} runs).\n\n| probe | runs counted | ns per run | net of an empty program |\n\
             | --- | ---: | ---: | ---: |\n",
            probes.empty_ns_per_run, probes.empty_runs,
        );
        for probe in probes.probes.iter().take(PROBES) {
            let _ = writeln!(
                out,
                "| {} | {} | {:.0} | {:.0} |",
                probe.probe, probe.runs, probe.ns_per_run, probe.net_ns_per_run
            );
        }
    }
    out
}

/// What was measured in segments, and what each program's runs took.
fn segments(out: &mut String, toggled: &[&Toggled]) {
    out.push_str(
        "| in segments | host | segments | MB/s without | throughput, ratio | CPU of both ends per byte, ratio \
         | with the profiler's own | profiler, % of a CPU | |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n",
    );
    for found in toggled {
        let states = [("fast", found.fast), ("slow", found.slow)];
        for (host, state) in states.into_iter().filter_map(|(host, state)| Some((host, state?))) {
            let InState { segments, bytes_per_s, throughput, ends_cpu, all_cpu } = state;
            let is_decided = if found.is_decided { "" } else { "not decided" };
            let _ = writeln!(
                out,
                "| {} | {host} | {segments} | {:.0} | {} | {} | {} | {:.1} | {} |",
                found.tool,
                bytes_per_s / 1e6,
                interval(throughput),
                interval(ends_cpu),
                interval(all_cpu),
                found.tool_cpu * 100.0,
                if host == "fast" { is_decided } else { "" },
            );
        }
        if found.changed > 0 {
            let _ = writeln!(
                out,
                "| {} | changed | {} | — | — | — | — | — | left out |",
                found.tool, found.changed
            );
        }
    }
    for found in toggled.iter().filter(|found| !found.probes.is_empty()) {
        let _ = write!(
            out,
            "\n{}: what the runs of each program took, with the kernel's statistics on (`empty` does nothing).\n\n\
             | probe | runs per s | ns per run | % of a CPU |\n| --- | ---: | ---: | ---: |\n",
            found.tool
        );
        for probe in &found.probes {
            let _ = writeln!(
                out,
                "| {} | {:.0} | {:.0} | {:.2} |",
                probe.probe,
                probe.runs_per_s,
                probe.ns_per_run,
                probe.runs_per_s * probe.ns_per_run / 1e7,
            );
        }
    }
    out.push('\n');
}

fn interval(found: Option<Estimate>) -> String {
    found.map_or_else(
        || "—".to_owned(),
        |found| format!("{:.3} ({:.3} to {:.3})", found.ratio, found.ci95_low, found.ci95_high),
    )
}

fn ratio(ratio: Option<Ratio>) -> String {
    match ratio {
        None => "—".to_owned(),
        Some(Ratio { ratio, ci95_low: Some(low), ci95_high: Some(high), .. }) => {
            format!("{ratio:.3} ({low:.3} to {high:.3})")
        }
        Some(Ratio { ratio, .. }) => format!("{ratio:.3}"),
    }
}

fn rounds(whole: usize, asked: usize) -> String {
    if whole < asked { format!("{whole} of {}", counted(asked, "round")) } else { counted(whole, "round") }
}

fn lost(events: u64, unknown_runs: usize) -> String {
    if unknown_runs > 0 {
        format!("{events}, unknown in {}", counted(unknown_runs, "run"))
    } else {
        events.to_string()
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A script as one line of code.
fn in_line(text: &str) -> String {
    format!("`{}`", text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_without_an_interval_has_none() {
        let pairs = |low, high| Some(Ratio { ratio: 0.9, ci95_low: low, ci95_high: high, pairs: 3 });
        assert_eq!(ratio(pairs(Some(0.85), Some(0.95))), "0.900 (0.850 to 0.950)");
        assert_eq!(ratio(pairs(None, None)), "0.900");
        assert_eq!(ratio(None), "—");
        assert_eq!(in_line("a {\n  b\n}\n"), "`a { b }`");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(
            [lost(7, 0), lost(7, 1), lost(7, 2)],
            ["7", "7, unknown in 1 run", "7, unknown in 2 runs"]
        );
        assert_eq!([rounds(1, 1), rounds(5, 5)], ["1 round", "5 rounds"]);
        assert_eq!([rounds(0, 1), rounds(3, 20)], ["0 of 1 round", "3 of 20 rounds"]);
    }
}
