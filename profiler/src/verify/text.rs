//! A comparison for reading: a line per socket and direction.

use std::cmp::Reverse;

use crate::export::{
    sections::cells::{Table, clean, clean_lines, exact, signed, table},
    text::layout::{WIDTH, lines, paragraph},
};
use capture::Protocol;
use unicode_width::UnicodeWidthStr as _;

use super::{
    compare::{Comparison, Row, Side, Verdict},
    packets::flows::Unread,
};

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
    let mut reasons = Table::new(&[""], []).prose([0]);
    for row in comparison.rows.iter().filter(|row| !row.reasons.is_empty()) {
        reasons.add_row([format!("{}: {}", title(row), row.reasons.join("; "))]);
    }
    let parts = [lines(&rows), lines(&reasons), paragraph(&conclusion(comparison))];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    clean_lines(&parts.join("\n"))
}

/// As many names as have room in a line, and how many there are more.
fn names(processes: &[String]) -> String {
    /// A line that has nothing else, with its indentation.
    const ROOM: usize = WIDTH - 10;
    let all = clean(&processes.join(", "));
    if all.width() <= ROOM {
        return all;
    }
    let some = |shown: usize| {
        format!("{} and {} more", clean(&processes[..shown].join(", ")), processes.len() - shown)
    };
    let shown = (1..processes.len()).rev().find(|shown| some(*shown).width() <= ROOM);
    // One name that is longer than a line is cut by the table.
    if processes.len() > 1 { some(shown.unwrap_or(1)) } else { all }
}

fn cells(row: &Row, way: &str, side: &Side) -> [String; 11] {
    let unknown = || "-".to_owned();
    [
        names(&row.processes),
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
    if unread.other > 0 {
        text.push_str(&format!(", {} neither TCP nor UDP: {}", exact(unread.other), kinds(unread)));
    }
    for (count, what) in [
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

/// The most frequent kinds of packets that are not read, and how many packets are of others.
fn kinds(unread: &Unread) -> String {
    const SHOWN: usize = 8;
    let mut kinds: Vec<_> = unread.kinds.iter().collect();
    kinds.sort_by_key(|(_, count)| Reverse(**count));
    let shown = &kinds[..kinds.len().min(SHOWN)];
    let left = unread.other - shown.iter().map(|(_, count)| **count).sum::<u64>();
    let names = shown.iter().map(|(kind, count)| format!("{} {kind}", exact(**count)));
    let others = (left > 0).then(|| format!("{} of other kinds", exact(left)));
    names.chain(others).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::packets::kinds::Kind;

    #[track_caller]
    fn check_names(processes: &[&str], expected: &str) {
        let processes: Vec<String> = processes.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(names(&processes), expected);
    }

    #[test]
    fn names_that_have_no_room_in_a_line_are_counted() {
        let long = ["transmission-da-100001"; 5];
        check_names(&["a-1"], "a-1");
        check_names(&["a-1", "b-2"], "a-1, b-2");
        check_names(&long[..3], "transmission-da-100001, transmission-da-100001, transmission-da-100001");
        let three = "transmission-da-100001, transmission-da-100001, transmission-da-100001 and 2 more";
        check_names(&long, three);
        let longest = "x".repeat(120);
        check_names(&[&longest], &longest);
        check_names(&[&longest, "b-2"], &format!("{longest} and 1 more"));
    }

    #[test]
    fn no_line_is_longer_than_a_terminal_and_addresses_stay_whole() {
        let [local, peer] =
            ["[2001:db8:ffff:ffff:ffff:ffff:ffff:1]:51413", "[2001:db8:ffff:ffff:ffff:ffff:ffff:2]:40001"];
        let row = Row {
            processes: (0..7).map(|number| format!("transmission-da-10000{number}")).collect(),
            protocol: Some(Protocol::Tcp),
            local: Some(local.to_owned()),
            peer: Some(peer.to_owned()),
            netns: Some(1),
            sockets: 2,
            received: Side::default(),
            sent: Side::default(),
            verdict: Verdict::NotComparable,
            reasons: vec![
                "2 sockets with these addresses, compared together".to_owned(),
                "its beginning or its end is not in both files".to_owned(),
            ],
        };
        let unread = Unread {
            other: 123_456_789,
            kinds: (0..9).map(|protocol| (Kind::Ip(protocol), 13_000_000)).collect(),
            later_fragments: 123_456_789,
            headless: 123_456_789,
            flows_full: 123_456_789,
        };
        let comparison = Comparison {
            agrees: false,
            tolerance_bytes: 0,
            compared: 1,
            differing: 1,
            rows: vec![row],
            packets: 123_456_789,
            unread,
        };
        let text = render(&comparison);
        for line in text.lines() {
            assert!(line.width() <= WIDTH, "{} columns: {line}", line.width());
        }
        for part in [
            local,
            peer,
            "transmission-da-100002 and 4 more",
            "compared together; its",
            "beyond the limit of",
            "13,000,000 HOPOPT (IP protocol 0), 13,000,000 ICMP",
            "19,456,789 of other kinds",
        ] {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.contains(part), "{part:?} is missing in:\n{text}");
        }
    }
}
