//! A flame graph of each phase: the path by process, thread, stack and what was waited for. Time off the CPU, too.

use analysis::{
    figures::{Flame, Folded, Frame, TransferFigure},
    report::{Phase, TransferReport},
};
use maud::{Markup, html};

use super::{
    axis::{px, x},
    figure::{self, room},
    parts::PARTS,
    percent,
};
use crate::export::sections::cells::clean;

/// px
const ROW: f64 = 17.0;

/// Parts of a phase that are drawn at least.
const LEAST: f64 = 0.001;

pub fn draw(transfer: &TransferReport, figure: &TransferFigure) -> Markup {
    let drawn: Vec<(&Phase, &Flame)> =
        transfer.phases.iter().zip(&figure.flames).filter(|(_, flame)| !flame.stacks.is_empty()).collect();
    html! {
        @for (phase, flame) in drawn {
            details.flame {
                summary {
                    "Flame graph: " (figure::phase_name(phase))
                    (format!(", {:.3} s", phase.wall_s))
                }
                p.about {
                    "Width is time on the path, on the CPU and off it; from the top: process, thread, user and kernel frames, "
                    "what was waited for. "
                    @if let Some(with_stack) = flame.with_stack {
                        "The stack is known of " (percent(with_stack)) " of the time off the CPU; of running, none. "
                    }
                    span.search hidden { label { "Search: " input type="search" size="18"; } " " output {} }
                }
                (graph(flame))
            }
        }
    }
}

/// A frame with where it lies, as parts of the whole, and how deep.
struct Placed<'f> {
    frame: &'f Frame,
    from: f64,
    width: f64,
    depth: usize,
}

fn graph(flame: &Flame) -> Markup {
    let whole_s: f64 = flame.stacks.iter().map(|stack| stack.seconds).sum();
    let mut placed = Vec::new();
    place(&flame.stacks, 0, 0.0, whole_s, &mut placed);
    let rows = placed.iter().map(|placed| placed.depth + 1).max().unwrap_or(0);
    html! {
        svg.flame height=(px(rows as f64 * ROW)) role="img" aria-label="flame graph" {
            @for Placed { frame, from, width, depth } in &placed {
                @let (class, label) = class_and_label(frame);
                @let y = *depth as f64 * ROW;
                g data-from=(from) data-width=(width) {
                    rect class=(class) x=(x(*from)) y=(px(y)) width=(x(*width)) height=(px(ROW - 1.0)) {
                        title { (label) (format!(": {:.4} s, {}", width * whole_s, percent(*width))) }
                    }
                    @if let Some(size) = room(&label, *width, ROW) {
                        text class=(format!("on-{class} {size}")) x=(x(*from)) dx="3" y=(px(y + 12.0)) { (label) }
                    }
                }
            }
        }
    }
}

/// Stacks that share their first `depth` frames, in order, side by side from `from` on.
fn place<'f>(stacks: &'f [Folded], depth: usize, from: f64, whole_s: f64, placed: &mut Vec<Placed<'f>>) {
    let mut from = from;
    for same in stacks.chunk_by(|one, other| one.frames.get(depth) == other.frames.get(depth)) {
        let width = same.iter().map(|stack| stack.seconds).sum::<f64>() / whole_s;
        if let Some(frame) = same[0].frames.get(depth)
            && width >= LEAST
        {
            placed.push(Placed { frame, from, width, depth });
            place(same, depth + 1, from, whole_s, placed);
        }
        from += width;
    }
}

fn class_and_label(frame: &Frame) -> (&'static str, String) {
    match frame {
        Frame::Process(name) => ("process", clean(name)),
        Frame::Thread(name) => ("thread", clean(name)),
        Frame::User(name) => ("user", clean(name)),
        Frame::Kernel(name) => ("kernel", clean(name)),
        Frame::Share(name) => {
            let part = PARTS.iter().find(|part| part.class == *name);
            part.map_or(("other", (*name).to_owned()), |part| (part.class, part.label.to_owned()))
        }
    }
}
