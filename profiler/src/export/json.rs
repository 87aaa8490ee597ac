//! The report for programs.

use std::io::Write;

use analysis::report::Report;
use anyhow::Result;

use super::{Format, Source};

pub struct Json;

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn extension(&self) -> &'static str {
        "json"
    }

    fn write(&self, source: Source, out: &mut dyn Write) -> Result<()> {
        Ok(out.write_all(render(source.report).as_bytes())?)
    }
}

/// One JSON object, indented, with a newline at its end.
pub fn render(report: &Report) -> String {
    let mut json = serde_json::to_string_pretty(report).expect("a report has text keys only");
    json.push('\n');
    json
}
