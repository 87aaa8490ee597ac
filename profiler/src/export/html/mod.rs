//! The report as a page: one file that asks for nothing, reads without its script, and prints.

pub(crate) mod axis;
mod curves;
mod exchange;
mod figure;
mod flame;
pub(crate) mod head;
mod many;
pub(crate) mod parts;
mod tables;

use std::io::Write;

use analysis::{
    figures::{Figures, TransferFigure},
    report::{Report, TransferReport, Verdict},
};
use anyhow::Result;
use maud::{Markup, html};

use super::{
    Format, Source,
    sections::{
        self,
        cells::{clean, human},
    },
};

pub struct Html;

impl Format for Html {
    fn name(&self) -> &'static str {
        "html"
    }

    fn extension(&self) -> &'static str {
        "html"
    }

    fn draws(&self) -> bool {
        true
    }

    fn write(&self, source: Source, out: &mut dyn Write) -> Result<()> {
        Ok(out.write_all(render(source.report, source.figures).as_bytes())?)
    }
}

/// Of more transfers than this, the last to finish have figures of their own.
const FIGURES: usize = 4;

/// A whole document.
pub fn render(report: &Report, figures: &Figures) -> String {
    let title = title(report);
    let mut transfers: Vec<(&TransferReport, &TransferFigure)> =
        report.transfers.iter().zip(&figures.transfers).collect();
    transfers.sort_by(|one, other| finish_s(other.0).total_cmp(&finish_s(one.0)));
    let body = html! {
        header {
            h1 { (title) " " (badge(report)) }
            @for (transfer, _) in transfers.iter().take(1) {
                p.answer { (answer(transfer)) }
            }
            p.about { (about(report)) }
        }
        @if transfers.len() > 1 {
            (many::bars(&transfers))
        }
        @for (transfer, figure) in transfers.iter().take(FIGURES) {
            (figure::draw(transfer, figure))
        }
        @if transfers.len() > FIGURES {
            p.about { "Of " (transfers.len()) " transfers the " (FIGURES) " that ended last are drawn in full." }
        }
        @if let Some(exchange) = &figures.exchange {
            (exchange::draw(exchange))
        }
        @for section in sections::of(report) {
            (tables::section(&section))
        }
    };
    head::document(&title, body)
}

fn title(report: &Report) -> String {
    match &report.capture.run {
        Some(run) => format!(
            "{} · {} nodes, {} seeding · {}",
            clean(&run.system),
            run.nodes,
            run.seeders,
            human(run.file_size_bytes)
        ),
        None => clean(&report.capture.targets),
    }
}

fn badge(report: &Report) -> Markup {
    match report.trust.verdict {
        Verdict::Complete => html! { span.badge.complete { "complete" } },
        Verdict::Degraded => html! { a.badge.degraded href="#trust" { "degraded" } },
    }
}

/// The sentence that is the answer: how long it took, and what for.
fn answer(transfer: &TransferReport) -> Markup {
    let all = parts::of_transfer(transfer);
    let largest = all.iter().take(3).filter(|(_, share)| *share >= 0.01);
    html! {
        bdi { (clean(&transfer.label)) } ": "
        @if transfer.phases.last().is_some() {
            b { (format!("{:.2} s", finish_s(transfer))) } " for " (human(transfer.file_size_bytes))
        } @else {
            (human(transfer.file_size_bytes)) ", of which no milestone was seen"
        }
        @for (place, (part, share)) in largest.enumerate() {
            (if place == 0 { " — " } else { "; " })
            b { (percent(*share)) } " " (part.in_words)
        }
    }
}

fn about(report: &Report) -> String {
    let capture = &report.capture;
    let lost: Vec<String> = report
        .trust
        .events_lost
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(class, count)| format!("{} {count}", clean(class)))
        .collect();
    let lost = if lost.is_empty() {
        "no event lost".to_owned()
    } else {
        format!("events lost: {}", lost.join(", "))
    };
    let checks = &report.trust.cross_checks;
    let agree = checks.iter().filter(|check| check.agrees).count();
    let checks = if checks.is_empty() {
        "no count compared with the kernel's own".to_owned()
    } else {
        format!("{agree} of {} counts agree with the kernel's own", checks.len())
    };
    let started = capture.started_at.as_deref().unwrap_or("at an unknown time");
    format!(
        "capture {} · {started} · Linux {}, {} CPUs · profiler {} · {lost} · {checks}",
        clean(&capture.id),
        clean(&capture.host.kernel),
        capture.host.cpus,
        clean(&capture.profiler)
    )
}

/// When the last phase that is known ended.
fn finish_s(transfer: &TransferReport) -> f64 {
    transfer.phases.iter().map(|phase| phase.wall_s).sum()
}

fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent >= 10.0 { format!("{percent:.0} %") } else { format!("{percent:.1} %") }
}

#[cfg(test)]
mod tests;
