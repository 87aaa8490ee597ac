//! The report for people: every number that can be checked stands there exactly, beside the readable one.

pub(crate) mod layout;

use std::io::Write;

use anyhow::Result;

use super::{
    Format, Source,
    sections::{self, Part, Section, cells::clean_lines},
};
use analysis::report::Report;
use layout::{INDENT, lines, paragraph};

pub struct Text;

impl Format for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    fn extension(&self) -> &'static str {
        "txt"
    }

    fn is_for_people(&self) -> bool {
        true
    }

    fn write(&self, source: Source, out: &mut dyn Write) -> Result<()> {
        Ok(out.write_all(render(source.report).as_bytes())?)
    }
}

/// Lines of at most 100 columns, without colours. Names and addresses are whole.
pub fn render(report: &Report) -> String {
    let sections: Vec<String> = sections::of(report).iter().map(section).collect();
    clean_lines(&sections.join("\n"))
}

fn section(section: &Section) -> String {
    let parts = |block: &Vec<Part>| block.iter().map(part).collect::<String>();
    let blocks: Vec<String> = section.blocks.iter().map(parts).collect();
    paragraph(&section.title) + &blocks.join("\n")
}

fn part(part: &Part) -> String {
    match part {
        Part::Table(table) => lines(table),
        Part::Said(said) => paragraph(said),
        Part::Hint(hint) => format!("{}{hint}\n", " ".repeat(INDENT)),
    }
}

#[cfg(test)]
mod tests;
