//! Who sent to whom, as a map: the more, the darker, on a scale of square roots.

use analysis::figures::Exchange;
use maud::{Markup, html};

use crate::export::sections::cells::{clean, human};

/// Shades of the style sheet.
const SHADES: f64 = 8.0;

pub fn draw(exchange: &Exchange) -> Markup {
    let most = exchange.sent_bytes.iter().flatten().copied().max().unwrap_or(0);
    let shade = |bytes: u64| match bytes {
        0 => "h0".to_owned(),
        bytes => format!("h{}", ((bytes as f64 / most as f64).sqrt() * SHADES).ceil()),
    };
    let nodes = exchange.nodes.len();
    let received = |to: usize| exchange.sent_bytes.iter().map(|row| row[to]).sum::<u64>();
    let any_elsewhere = exchange.elsewhere_bytes.iter().any(|bytes| *bytes > 0);
    html! {
        section {
            h2 { "Who sent to whom" }
            div.scroll tabindex="0" {
                table.exchange {
                    thead { tr {
                        th { "from \\ to" }
                        @for node in &exchange.nodes { th { bdi { (clean(node)) } } }
                        @if any_elsewhere { th { "not known whom" } }
                        th { "sent" }
                    } }
                    tbody {
                        @for from in 0..nodes {
                            tr {
                                th { bdi { (clean(&exchange.nodes[from])) } }
                                @for to in 0..nodes {
                                    @let bytes = exchange.sent_bytes[from][to];
                                    td class=(shade(bytes)) { (if bytes == 0 { "·".to_owned() } else { human(bytes) }) }
                                }
                                @if any_elsewhere { td.sum { (human(exchange.elsewhere_bytes[from])) } }
                                td.sum {
                                    (human(exchange.sent_bytes[from].iter().sum::<u64>() + exchange.elsewhere_bytes[from]))
                                }
                            }
                        }
                        tr {
                            th { "received" }
                            @for to in 0..nodes { td.sum { (human(received(to))) } }
                            @if any_elsewhere { td {} }
                            td {}
                        }
                    }
                }
            }
            p.about { "Payload by the senders’ calls, without control connections." }
        }
    }
}
