//! What the kernel threw away of the profiled processes' sockets.

use analysis::report::{DropReport, Report};

use super::{
    Part, Section,
    cells::{Table, both, clean, exact},
};

/// Sockets that are shown.
const SHOWN: usize = 12;

/// One socket, one reason.
pub fn said(dropped: &DropReport) -> String {
    let DropReport { process, local, reason, packets, bytes, .. } = dropped;
    let room = match (dropped.buffer_bytes, dropped.accept_queue) {
        (_, Some(length)) => format!(" of {length} connections"),
        (Some(bytes), _) => format!(" of {} bytes", exact(bytes.into())),
        _ => String::new(),
    };
    let local = local.as_ref().map_or_else(String::new, |local| format!(" at {local}"));
    let size = if *bytes > 0 { format!(", {}", both(*bytes)) } else { String::new() };
    format!("{}{local}: {} packets{size}: {}{room}", clean(process), exact(*packets), reason.text())
}

/// Every socket, over the whole capture.
pub fn all(report: &Report) -> Section {
    let mut table = Table::new(&[""], []).prose([0]);
    let dropped: Vec<_> = report.processes.iter().flat_map(|process| &process.dropped).collect();
    dropped.iter().take(SHOWN).for_each(|dropped| table.add_row([said(dropped)]));
    let more = dropped.len().saturating_sub(SHOWN);
    let more = if more == 0 { String::new() } else { format!(" ({more} more in the JSON report)") };
    Section::new(format!("Dropped by the kernel{more}"), [vec![Part::Table(table)]])
}
