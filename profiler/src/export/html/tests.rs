use analysis::{figures, timeline::sample::timeline};
use capture::{DropReason, Drops, Record, Shed, testing::sample::*};

use super::render;

fn page(records: Vec<Record>) -> String {
    let (report, figures) = figures::of_timeline(&mut timeline(records)).expect("a report");
    render(&report, &figures)
}

/// Labels, commands, threads and reasons come from others.
#[test]
fn no_name_becomes_markup() {
    const FOREIGN: &str = "</title></script><script>alert(1)</script>\"'&\u{202e}\n\x1b[2J";
    let mut records = records();
    for record in &mut records {
        match record {
            Record::Start(start) => start.targets = FOREIGN.to_owned(),
            Record::Label(label) => label.label = FOREIGN.to_owned(),
            Record::Transfer(transfer) => transfer.label = FOREIGN.to_owned(),
            Record::Milestone(milestone) => milestone.label = FOREIGN.to_owned(),
            Record::ThreadTotals(thread) => thread.comm = FOREIGN.to_owned(),
            Record::ProcessTotals(process) => process.comm = FOREIGN.to_owned(),
            _ => {}
        }
    }
    records.insert(5, family(FOREIGN, Some(FOREIGN)));
    let page = page(records);
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(!page.contains("<script>alert") && !page.contains('\x1b'), "{page}");
    assert_eq!(page.matches("<script").count(), 1, "{page}");
}

#[test]
fn a_page_asks_for_nothing() {
    let page = page(records());
    for asks in ["http:", "https:", "src=", "@import", "href=\"/"] {
        assert!(!page.contains(asks), "{asks} in {page}");
    }
    let other = page.match_indices("url(").filter(|(at, _)| !page[*at..].starts_with("url(#lost)"));
    assert_eq!(other.count(), 0, "{page}");
}

/// The same numbers as in the text: those of the report.
#[test]
fn a_figure_shows_the_shares_of_its_phases() {
    let page = page(records());
    for said in [
        "first byte to 50 %: network, unknown 44 %",
        "first byte to 50 %: disk 56 %",
        "50 % to 90 %: other 77 %",
    ] {
        assert!(page.contains(said), "{said} in {page}");
    }
}

#[test]
fn what_was_not_seen_is_hatched_and_what_was_thrown_away_is_marked() {
    let mut records = records();
    let socket = records.iter().find_map(|record| match record {
        Record::SocketTotals(totals) if totals.process == LEECHER => Some(totals.cookie),
        _ => None,
    });
    let shed = |at_ms: u64, families: &[&str]| {
        let families = families.iter().map(|name| (*name).to_owned()).collect();
        Record::Shed(Shed { at_ns: START_NS + at_ms * MS, families, cost_ns_per_s: 30, limit_ns_per_s: 20 })
    };
    let dropped = Record::Drops(Drops {
        at_ns: START_NS + 400 * MS,
        cookie: socket.expect("the sample's leecher has a socket"),
        process: None,
        reason: DropReason::ReceiveBuffer,
        source: None,
        drops: 7,
        bytes: 700,
        buffer: 4096,
    });
    let place = records.len() - 1;
    records.splice(place..place, [shed(300, &["samples"]), shed(350, &[]), dropped]);
    let page = page(records);
    for said in [
        "Hatched: without samples, to keep the limit of cost.",
        "class=\"unseen\"",
        ">7 packets were dropped<",
        "sockets, 7 in all",
    ] {
        assert!(page.contains(said), "{said} in {page}");
    }
}

#[test]
fn a_capture_without_transfers_has_its_tables() {
    let page = page(vec![start(), process(LEECHER, "sleeper", 1, 0), end()]);
    assert!(page.contains("Network, payload bytes") && !page.contains("class=\"lanes\""), "{page}");
}
