//! The tables of the text report. Whatever stands in them may be of others.

use maud::{Markup, html};

use crate::export::sections::{
    Part, Section,
    cells::clean,
    table::{Kind, Table},
};

pub fn section(section: &Section) -> Markup {
    let id = (section.title == "Trust").then_some("trust");
    html! {
        section id=[id] {
            h2 { (clean(&section.title)) }
            @for part in section.blocks.iter().flatten() {
                @match part {
                    Part::Table(table) => (self::table(table)),
                    Part::Said(said) => p { (clean(said)) },
                    Part::Hint(hint) => p.about { (hint) },
                }
            }
        }
    }
}

/// It scrolls by itself where it is too wide.
fn table(table: &Table) -> Markup {
    let class = |kind: &Kind| match kind {
        Kind::Name => "name",
        Kind::Number => "number",
        Kind::Prose => "prose",
    };
    html! {
        div.scroll tabindex="0" {
            table {
                @if table.head.iter().any(|head| !head.is_empty()) {
                    thead { tr {
                        @for (head, kind) in table.head.iter().zip(&table.kinds) {
                            th class=(class(kind)) { (clean(head)) }
                        }
                    } }
                }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (cell, kind) in row.iter().zip(&table.kinds) {
                                td class=(class(kind)) { (clean(cell)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
