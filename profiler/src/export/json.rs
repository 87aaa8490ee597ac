//! The report for programs.

use analysis::report::Report;

/// One JSON object, indented, with a newline at its end.
pub fn render(report: &Report) -> String {
    let mut json = serde_json::to_string_pretty(report).expect("a report has text keys only");
    json.push('\n');
    json
}
