//! A comparison for reading: a line per socket and direction.

use crate::export::text::cells::{clean, clean_lines, exact, lines, signed, table};
use capture::Protocol;

use super::compare::{Comparison, Row, Side, Verdict};

pub fn render(comparison: &Comparison) -> String {
    let mut rows = table(
        &["process", "", "local", "peer", "", "kernel", "packets", "difference", "again", "late", "verdict"],
        5..10,
    );
    for row in &comparison.rows {
        for (way, side) in [("rx", &row.received), ("tx", &row.sent)] {
            rows.add_row(cells(row, way, side));
        }
    }
    let mut text = lines(&rows);
    let reasons = comparison.rows.iter().filter(|row| !row.reasons.is_empty());
    for (i, row) in reasons.enumerate() {
        text.push_str(if i == 0 { "\n" } else { "" });
        text.push_str(&format!("  {}: {}\n", title(row), row.reasons.join("; ")));
    }
    text.push_str(&format!("\n{}\n", conclusion(comparison)));
    clean_lines(&text)
}

fn cells(row: &Row, way: &str, side: &Side) -> [String; 11] {
    let unknown = || "-".to_owned();
    [
        clean(&row.processes.join(", ")),
        protocol(row).to_owned(),
        row.local.clone().unwrap_or_else(unknown),
        row.peer.clone().unwrap_or_else(unknown),
        way.to_owned(),
        exact(side.kernel_bytes),
        exact(side.packet_bytes),
        signed(side.difference_bytes),
        exact(side.retransmitted_bytes),
        exact(side.out_of_order_bytes),
        match row.verdict {
            Verdict::Equal => "equal",
            Verdict::WithinTolerance => "within tolerance",
            Verdict::Differs => "differs",
            Verdict::NotComparable => "not comparable",
        }
        .to_owned(),
    ]
}

fn title(row: &Row) -> String {
    let end = |address: &Option<String>| address.clone().unwrap_or_else(|| "anyone".to_owned());
    format!("{} {} to {}", protocol(row), end(&row.local), end(&row.peer))
}

fn protocol(row: &Row) -> &'static str {
    match row.protocol {
        Some(Protocol::Tcp) => "TCP",
        Some(Protocol::Udp) => "UDP",
        None => "-",
    }
}

fn conclusion(comparison: &Comparison) -> String {
    let Comparison { compared, differing, rows, packets, unread, tolerance_bytes, .. } = comparison;
    let mut text = match (compared, differing) {
        (0, _) => "nothing could be compared".to_owned(),
        (_, 0) => format!("kernel and packets agree on {compared} of {} sockets", rows.len()),
        _ => format!(
            "kernel and packets differ by more than {tolerance_bytes} bytes on {differing} of {compared} sockets"
        ),
    };
    text.push_str(&format!(" ({} packets", exact(*packets)));
    for (count, what) in [
        (unread.other, "neither TCP nor UDP"),
        (unread.later_fragments, "later fragments"),
        (unread.headless, "cut before the end of their headers"),
        (unread.flows_full, "beyond the limit of flows"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {} {what}", exact(count)));
        }
    }
    text + ")"
}
