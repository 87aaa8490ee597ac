//! `report.md`: what was run on what, a table for each load, and the cost of each probe.

use std::fmt::Write as _;

use super::{ratio::Ratio, results::Results};

const MIB: f64 = 1024.0 * 1024.0;
/// Probes shown for each load, the busiest.
const PROBES: usize = 12;

pub fn render(results: &Results) -> String {
    let mut out = String::from("# What watching costs\n\n");
    let about = &results.about;
    let _ = write!(
        out,
        "{}, Linux {}, {} CPUs, profiler {}; `{}`: {}, in each of them every tool once, in an order \
         that is another one in each round. Ratios are to the unprofiled run of the same round, geometric means with \
         their 95 % confidence interval (Student's t on logarithms, paired). The tools' files were on {}. The kernel's \
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
        out += "| tool | MB/s, median | throughput, ratio | CPU of the machine per byte, ratio | CPU of the machine s, median \
                | CPU of the tool s, median | the same, start to end | anonymous memory MiB, max | BPF maps MiB | events lost |\n";
        out += "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
        for summary in results.summaries.iter().filter(|summary| summary.load == *load) {
            let _ = writeln!(
                out,
                "| {} | {:.1} | {} | {} | {:.2} | {:.3} | {:.3} | {:.1} | {:.1} | {} |",
                summary.tool,
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
