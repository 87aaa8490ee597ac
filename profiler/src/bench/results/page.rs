//! `report.html`: the results at a glance. A card for each configuration, and each measure with its repetitions as dots.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use crate::{
    bench::plan::{Cell, size},
    export::{
        html::{axis, head, parts},
        sections::cells::{clean, rate},
    },
};

use super::{
    Manifest, Summary,
    statistics::Distribution,
    summary::{METRICS, PhaseSummary},
};

/// The measure that cards show.
const TIME: &str = "kernel_p100_s";

/// px
const BAR: f64 = 20.0;
const DOTS: f64 = 22.0;

/// Of one or several folders of results, each with its own conditions.
pub fn render(all: &[(&Manifest, &[Summary])]) -> String {
    let names: Vec<String> = all.iter().map(|(manifest, _)| clean(&manifest.name)).collect();
    let title = format!("Benchmark {}", names.join(", "));
    let summaries: Vec<&Summary> = all.iter().flat_map(|(_, summaries)| summaries.iter()).collect();
    let slowest = summaries.iter().filter_map(|summary| Some(summary.metric(TIME)?.mean)).fold(0.0, f64::max);
    let body = html! {
        header {
            h1 { (title) }
            @for (manifest, summaries) in all { p.about { (conditions(manifest, summaries)) } }
        }
        section {
            h2 { "Time to 100 %, and where it went" }
            p.about {
                "Mean over repetitions with its 95 % interval, by the kernel’s count; dots: the repetitions, from 0 to the slowest. "
                "Bars: shares of all downloads’ time."
            }
            @for (system, file_size_bytes) in rows(&summaries) {
                h3 { (system) " · " (size::name(file_size_bytes)) }
                div.cards {
                    @for summary in &summaries {
                        @if (summary.cell.system.to_string(), summary.cell.file_size_bytes) == (system.clone(), file_size_bytes) {
                            (card(summary, slowest))
                        }
                    }
                }
            }
            (legend(&summaries))
        }
        section {
            h2 { "Each measure" }
            @for (name, ..) in METRICS { (measure(name, &summaries)) }
        }
        (reasons(&summaries))
    };
    head::document(&title, body)
}

/// Systems and sizes of files, in the order of the matrix.
fn rows(summaries: &[&Summary]) -> Vec<(String, u64)> {
    let mut rows = Vec::new();
    for Cell { system, file_size_bytes, .. } in summaries.iter().map(|summary| summary.cell) {
        let row = (system.to_string(), file_size_bytes);
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    rows
}

fn conditions(manifest: &Manifest, summaries: &[Summary]) -> String {
    let sum = |of: fn(&Summary) -> u32| summaries.iter().map(of).sum::<u32>();
    let programs: BTreeSet<&str> =
        summaries.iter().flat_map(|summary| &summary.programs).map(String::as_str).collect();
    let programs: Vec<String> = programs.into_iter().map(clean).collect();
    let commit = manifest.profiler.git_commit.as_deref().unwrap_or("unknown");
    format!(
        "{} · {} · {}, Linux {}, {} CPUs · {} of {} runs complete, {} of them degraded · {} · profiler {}, commit {}",
        clean(&manifest.name),
        clean(&manifest.started_at),
        clean(&manifest.host.name),
        clean(&manifest.host.kernel),
        manifest.host.cpus,
        sum(|summary| summary.runs_complete),
        sum(|summary| summary.runs_planned),
        sum(|summary| summary.runs_degraded),
        programs.join(", "),
        clean(&manifest.profiler.version),
        clean(commit),
    )
}

fn swarm(cell: &Cell) -> String {
    format!("{} nodes, {} seeding", cell.nodes, cell.seeders)
}

fn card(summary: &Summary, slowest: f64) -> Markup {
    let scale = axis::Axis { to_s: slowest };
    let class = if summary.runs_complete == 0 { "card none" } else { "card" };
    html! {
        div class=(class) {
            p { (swarm(&summary.cell)) }
            @match summary.metric(TIME) {
                Some(time) => {
                    p { b.large { (format!("{:.2} s", time.mean)) } " " small { (interval(time)) } }
                    (dots(summary, TIME, scale))
                    @if let Some(phase) = summary.phase("transfer") { (bar(phase)) }
                }
                None => p { small { (clean(summary.skipped.as_deref().unwrap_or("no run was complete"))) } }
            }
            @if summary.runs_degraded > 0 {
                p { small { (summary.runs_degraded) " of " (summary.runs_complete) " degraded" } }
            }
            @if !summary.failures.is_empty() {
                p { small { (summary.failures.len()) " failed" } }
            }
        }
    }
}

fn interval(found: &Distribution) -> String {
    match found.ci95_low.zip(found.ci95_high) {
        Some((low, high)) if found.mean > 0.0 => format!("± {:.0} %", 50.0 * (high - low) / found.mean),
        _ => "one repetition".to_owned(),
    }
}

/// A dot for each repetition's mean.
fn dots(summary: &Summary, metric: &str, scale: axis::Axis) -> Markup {
    html! {
        svg.dots height=(DOTS) role="img" aria-label="repetitions" {
            line.grid x1="0" x2="100%" y1=(DOTS / 2.0) y2=(DOTS / 2.0) {}
            @if let Some((low, high)) = summary.metric(metric).and_then(|found| found.ci95_low.zip(found.ci95_high)) {
                line.interval x1=(axis::x(scale.at(low))) x2=(axis::x(scale.at(high))) y1=(DOTS / 2.0) y2=(DOTS / 2.0) {}
            }
            @for run in &summary.runs {
                @if let Some(mean) = run.mean(metric) {
                    circle class=(if run.is_degraded { "run degraded-run" } else { "run" }) cx=(axis::x(scale.at(mean)))
                        cy=(DOTS / 2.0) r="4" {
                        title { "repetition " (run.repetition) ": " (shown(metric, mean)) (if run.is_degraded { ", degraded" } else { "" }) }
                    }
                }
            }
        }
    }
}

fn bar(phase: &PhaseSummary) -> Markup {
    let named = parts_of(phase);
    let mut from = 0.0;
    let placed: Vec<_> = named
        .iter()
        .map(|&(part, share)| {
            let begin = from;
            from += share;
            (part, begin, share)
        })
        .collect();
    let top = named.iter().max_by(|one, other| one.1.total_cmp(&other.1));
    html! {
        svg.bar height=(BAR) role="img" aria-label="shares of time" {
            @for (part, from, share) in placed {
                rect class=(part.class) x=(axis::x(from)) width=(axis::x(share)) height=(BAR) {
                    title { (part.label) (format!(": {:.1} %", 100.0 * share)) }
                }
            }
        }
        @if let Some((part, share)) = top {
            p { small { (part.label) (format!(" {:.0} %", 100.0 * share)) } }
        }
    }
}

/// In the order of parts; nothing where there are no shares. What older results said of the network in parts that there are
/// no more is the network's unknown part.
fn parts_of(phase: &PhaseSummary) -> Vec<(&'static parts::Part, f64)> {
    let mut named: BTreeMap<&str, f64> = phase.shares.iter().flatten().copied().collect();
    let network = named.remove("network").unwrap_or(0.0);
    let detail = phase.network_detail.iter().flatten().copied();
    let told: f64 = detail.clone().map(|(_, share)| share).sum();
    named.extend(detail);
    *named.entry("unknown").or_default() += (network - told).max(0.0);
    let parts = parts::PARTS.iter().filter_map(|part| Some((part, *named.get(part.class)?)));
    parts.filter(|(_, share)| *share > 0.0).collect()
}

fn legend(summaries: &[&Summary]) -> Markup {
    let phases = || summaries.iter().filter_map(|summary| summary.phase("transfer"));
    let seen: BTreeSet<&str> = phases()
        .flat_map(parts_of)
        .filter(|(_, share)| *share >= 0.005)
        .map(|(part, _)| part.class)
        .collect();
    html! {
        ul.legend {
            @for part in parts::PARTS.iter().filter(|part| seen.contains(part.class)) {
                li { svg width="12" height="12" aria-hidden="true" { rect class=(part.class) width="12" height="12" rx="2" {} } " " (part.label) }
            }
        }
    }
}

/// A row for each configuration, on one axis.
fn measure(name: &str, summaries: &[&Summary]) -> Markup {
    let with: Vec<(&&Summary, &Distribution)> =
        summaries.iter().filter_map(|summary| Some((summary, summary.metric(name)?))).collect();
    let most = with.iter().map(|(_, found)| found.max).fold(0.0, f64::max);
    let scale = axis::Axis { to_s: most };
    html! {
        @if !with.is_empty() {
            details open[name == TIME] {
                summary { (title(name)) ", 0 to " (shown(name, most)) }
                div.measures {
                    @for (summary, found) in with {
                        span { (summary.cell.system.to_string()) ", " (size::name(summary.cell.file_size_bytes)) ": " (swarm(&summary.cell)) }
                        (dots(summary, name, scale))
                        span.value { (shown(name, found.mean)) " " small { (interval(found)) } }
                    }
                }
            }
        }
    }
}

/// `kernel_p100_s` in words.
fn title(name: &str) -> String {
    let words = name.trim_end_matches("_s").trim_end_matches("_bytes_per").replace('_', " ");
    words.replace("p50", "50 %").replace("p90", "90 %").replace("p100", "100 %").replace("app", "application")
}

fn shown(name: &str, value: f64) -> String {
    match name {
        name if name.ends_with("_bytes_per_s") => rate(value),
        name if name.ends_with("_s") => format!("{value:.3} s"),
        _ => format!("{value:.3}"),
    }
}

fn reasons(summaries: &[&Summary]) -> Markup {
    let degraded: Vec<(&Cell, u32, &String)> = summaries
        .iter()
        .flat_map(|summary| summary.degraded.iter().map(move |run| (&summary.cell, run)))
        .flat_map(|(cell, run)| run.reasons.iter().map(move |reason| (cell, run.repetition, reason)))
        .collect();
    let failed: Vec<_> = summaries
        .iter()
        .flat_map(|summary| summary.failures.iter().map(move |failure| (&summary.cell, failure)))
        .collect();
    html! {
        @if !degraded.is_empty() || !failed.is_empty() {
            section id="trust" {
                h2 { "Degraded and failed runs" }
                ul {
                    @for (cell, failure) in failed {
                        li { (cell.to_string()) ", repetition " (failure.repetition) ": failed: " (clean(&failure.reason)) }
                    }
                    @for (cell, repetition, reason) in degraded {
                        li { (cell.to_string()) ", repetition " (repetition) ": " (clean(reason)) }
                    }
                }
            }
        }
    }
}
