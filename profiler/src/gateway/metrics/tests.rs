use std::collections::BTreeSet;

use super::*;
use crate::daemon::{
    status::{DeviceStatus, FamilyStatus, Moved, TableStatus},
    transfers::Direction,
};

fn status() -> Status {
    let target = |name: &str, tcp_rx_bytes| TargetStatus {
        name: name.to_owned(),
        system: "codex".to_owned(),
        role: "storage".to_owned(),
        processes: 2,
        moved: Moved { tcp_rx_bytes, ..Moved::default() },
        ..TargetStatus::default()
    };
    Status {
        targets: vec![target("a", 1 << 60), target("unassigned", 7)],
        devices: vec![DeviceStatus {
            device: "vda".to_owned(),
            operation: "read".to_owned(),
            ..DeviceStatus::default()
        }],
        lost: [("ring_full".to_owned(), 3)].into(),
        tables: vec![TableStatus { table: "sockets".to_owned(), entries: 1, capacity: 16384 }],
        families: vec![FamilyStatus { family: "sockets".to_owned(), attached: true, missing: None }],
        transfers: vec![TransferSum {
            target: "a".to_owned(),
            direction: Direction::Receive,
            outcome: "complete".to_owned(),
            transfers: 2,
            seconds: 1.5,
            ..TransferSum::default()
        }],
        transfers_running: [("a".to_owned(), 1)].into(),
        ..Status::default()
    }
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn what_is_counted_is_there_to_the_byte() {
    let text = render(Some(&status()), Taken::default(), Format::Prometheus).unwrap();
    for line in [
        "profiler_up 1.0",
        r#"profiler_target_payload_bytes_total{target="a",system="codex",role="storage",protocol="tcp",direction="receive"} 1152921504606846976"#,
        r#"profiler_target_processes{target="a",system="codex",role="storage"} 2.0"#,
        r#"profiler_lost_total{class="ring_full"} 3"#,
        r#"profiler_table_capacity{table="sockets"} 16384.0"#,
        r#"profiler_transfers_total{target="a",direction="receive",outcome="complete"} 2"#,
        r#"profiler_transfer_seconds_total{target="a",direction="receive",outcome="complete"} 1.5"#,
        r#"profiler_transfers_running{target="a"} 1.0"#,
        r#"profiler_transfers_running{target="unassigned"} 0.0"#,
        "# TYPE profiler_target_payload_bytes_total counter",
    ] {
        assert!(lines(&text).contains(&line), "{line} is missing in:\n{text}");
    }
}

#[test]
fn without_a_collector_there_is_that_it_is_down() {
    let text = render(None, Taken::default(), Format::Prometheus).unwrap();
    assert!(lines(&text).contains(&"profiler_up 0.0"), "{text}");
    assert!(text.contains("profiler_gateway_scrapes_total") && !text.contains("profiler_target"), "{text}");
}

#[test]
fn no_series_is_there_twice_and_openmetrics_has_the_same() {
    let series = |text: &str| -> Vec<String> {
        let values = text.lines().filter(|line| !line.starts_with('#'));
        values.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
    };
    let [prometheus, open] = [Format::Prometheus, Format::OpenMetrics]
        .map(|format| render(Some(&status()), Taken::default(), format).unwrap());
    assert!(open.ends_with("# EOF\n"));
    let all = series(&prometheus);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{prometheus}");
    assert_eq!(all, series(&open));
}
