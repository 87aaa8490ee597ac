//! Bytes and rate of a transfer over its time, with what the application said, and when packets were dropped.

use analysis::{
    figures::{Bin, TransferFigure},
    report::{MilestoneReport, TransferReport},
};
use maud::{Markup, html};

use super::{
    axis::{Axis, px, x},
    figure::{Shape, milestones, name, outline, unseen},
};
use crate::export::sections::cells::{human, rate};

/// Heights, px.
const BYTES: f64 = 120.0;
const RATE: f64 = 60.0;

pub fn bytes(transfer: &TransferReport, figure: &TransferFigure, scale: Axis) -> Markup {
    let most =
        figure.bins.iter().map(|bin| bin.bytes).chain([transfer.file_size_bytes]).max().unwrap_or(0).max(1)
            as f64;
    // Room above for the last dots.
    let y = |bytes: f64| 100.0 - 94.0 * bytes / most;
    let mut line = String::from("M0 100");
    for bin in &figure.bins {
        line.push_str(&format!("H{:.1}V{:.1}", 1000.0 * scale.at(bin.to_s), y(bin.bytes as f64)));
    }
    let size = y(transfer.file_size_bytes as f64);
    let claims = transfer.milestones.iter().filter_map(|milestone| Some((milestone, milestone.app_s?)));
    html! {
        span.label { b { "bytes" } small { "to " (human(most as u64)) } }
        svg height=(BYTES) role="img" aria-label="bytes over time" {
            line.grid x1="0" x2="100%" y1=(x(size / 100.0)) y2=(x(size / 100.0)) {}
            text.note x="2" y=(px(size / 100.0 * BYTES + 13.0)) { "file size " (human(transfer.file_size_bytes)) }
            svg width="100%" height="100%" viewBox="0 0 1000 100" preserveAspectRatio="none" { path.curve d=(line) {} }
            @for (milestone, app_s) in claims {
                (claim(milestone, app_s, y(said_bytes(milestone, transfer)) / 100.0, scale))
            }
            (unseen(figure, scale))
            (milestones(transfer, scale))
        }
        span.label {}
        p.about.key { "Line: the kernel’s count. Dots: the application’s word, and how late it may be." }
    }
}

/// A dot for what the application said, and a bar for how much earlier it may have been.
fn claim(milestone: &MilestoneReport, app_s: f64, y: f64, scale: Axis) -> Markup {
    let since_s = app_s - milestone.app_resolution_s.unwrap_or(0.0);
    html! {
        line.claim x1=(x(scale.at(since_s))) x2=(x(scale.at(app_s))) y1=(x(y)) y2=(x(y)) {}
        circle.claim cx=(x(scale.at(app_s))) cy=(x(y)) r="3.5" {
            title { "the application: " (name(milestone.name)) (format!(" at {app_s:.3} s")) }
        }
    }
}

fn said_bytes(milestone: &MilestoneReport, transfer: &TransferReport) -> f64 {
    milestone.fraction * transfer.file_size_bytes as f64
}

pub fn rates(transfer: &TransferReport, figure: &TransferFigure, scale: Axis) -> Markup {
    let mut before = 0;
    let rates: Vec<(&Bin, f64)> = figure
        .bins
        .iter()
        .map(|bin| {
            let moved = bin.bytes.saturating_sub(before);
            before = bin.bytes;
            (bin, moved as f64 / (bin.to_s - bin.from_s))
        })
        .collect();
    let most = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let shapes: Vec<Shape> = rates
        .iter()
        .filter(|(_, rate)| *rate > 0.0)
        .map(|(bin, rate)| {
            let tall = 100.0 * rate / most;
            Shape {
                from: 1000.0 * scale.at(bin.from_s),
                to: 1000.0 * scale.at(bin.to_s),
                top: 100.0 - tall,
                tall,
            }
        })
        .collect();
    html! {
        span.label { b { "rate" } small { "to " (rate(most)) } }
        svg height=(RATE) role="img" aria-label="rate over time" {
            svg width="100%" height="100%" viewBox="0 0 1000 100" preserveAspectRatio="none" { path.rate d=(outline(&shapes)) {} }
            (milestones(transfer, scale))
            @for bin in figure.bins.iter().filter(|bin| bin.dropped > 0) {
                @let at = x(scale.at((bin.from_s + bin.to_s) / 2.0));
                line.dropped x1=(at) x2=(at) y1="0" y2="8" { title { (bin.dropped) " packets were dropped" } }
            }
        }
        @let dropped: u64 = figure.bins.iter().map(|bin| bin.dropped).sum();
        @if dropped > 0 {
            span.label {}
            p.about.key { "Marks: when the kernel threw away packets of the targets’ sockets, " (dropped) " in all." }
        }
    }
}
