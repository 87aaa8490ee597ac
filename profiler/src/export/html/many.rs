//! Many transfers on one axis, the last to finish first.

use analysis::{figures::TransferFigure, report::TransferReport};
use maud::{Markup, html};

use super::{
    axis::{Axis, px, x},
    figure::legend,
    finish_s, parts,
};
use crate::export::sections::cells::{clean, or_dash, rate};

/// px
const HEIGHT: f64 = 30.0;

pub fn bars(transfers: &[(&TransferReport, &TransferFigure)]) -> Markup {
    let longest_s = transfers.first().map_or(0.0, |(transfer, _)| finish_s(transfer));
    let scale = Axis { to_s: longest_s };
    html! {
        section.figure {
            h2 { (transfers.len()) " transfers, the last to finish first" }
            p.about { "Height is the share of the time between two milestones; dashed: first byte, 50 %, 90 %, 100 %." }
            div.lanes data-s=(scale.to_s) {
                span.label {}
                (scale.ticks())
                @for (transfer, _) in transfers {
                    span.label {
                        b { bdi { (clean(&transfer.label)) } }
                        small {
                            (format!("{:.2} s, ", finish_s(transfer)))
                            (or_dash(transfer.throughput.app_bytes_per_s.or(transfer.throughput.kernel_bytes_per_s), rate))
                        }
                    }
                    svg height=(HEIGHT) role="img" aria-label="shares of time, phase by phase" {
                        (phases(transfer, scale))
                    }
                }
            }
            (legend(&transfers.iter().map(|(transfer, _)| *transfer).collect::<Vec<_>>()))
        }
    }
}

fn phases(transfer: &TransferReport, scale: Axis) -> Markup {
    let mut from_s = 0.0;
    let phases: Vec<_> = transfer
        .phases
        .iter()
        .map(|phase| {
            let began_s = from_s;
            from_s += phase.wall_s;
            (phase, began_s)
        })
        .collect();
    html! {
        @for (phase, from_s) in phases {
            @let to_s = from_s + phase.wall_s;
            @if let Some(budget) = &phase.budget {
                @for (part, top, share) in parts::stacked(parts::values(&budget.shares, &budget.network_detail)) {
                    rect class=(part.class) x=(x(scale.at(from_s))) y=(px(top * HEIGHT))
                        width=(x(scale.at(to_s) - scale.at(from_s))) height=(px(share * HEIGHT)) {
                        title { (part.label) ": " (format!("{:.1} % of {:.3} s", 100.0 * share, phase.wall_s)) }
                    }
                }
            }
            line.milestone x1=(x(scale.at(to_s))) x2=(x(scale.at(to_s))) y1="0" y2="100%" {}
        }
    }
}
