use crate::timeline::sample::timeline;
use capture::{Family, FileWay, Held, Hook, Record, testing::sample::*};

use super::*;

/// `value` is the JSON at a path of keys and indices.
#[track_caller]
fn check(records: Vec<Record>, rows: &[(&str, &str)]) {
    let json = serde_json::to_string_pretty(&build(&timeline(records))).expect("JSON");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    for (path, value) in rows {
        let pointer = format!("/{}", path.replace('.', "/"));
        let got = json.pointer(&pointer).unwrap_or_else(|| panic!("no {path}"));
        assert_eq!(got.to_string(), *value, "{path}");
    }
}

/// Every time is monotonic; the wall clock only says when the recording began.
#[test]
fn a_step_of_the_wall_clock_changes_nothing() {
    let report = |records| serde_json::to_string_pretty(&build(&timeline(records))).expect("JSON");
    let expected = report(records());
    let Record::Clock(begun) = clock() else { unreachable!("that is what it makes") };
    for wall_ns in [0, begun.wall_ns - 3_600_000_000_000, begun.wall_ns + 3_600_000_000_000, u64::MAX] {
        let mut records = records();
        let monotonic_ns = END_NS - MS;
        records.insert(records.len() - 1, Record::Clock(capture::Clock { monotonic_ns, wall_ns }));
        assert_eq!(report(records), expected, "a second pair with {wall_ns}");
    }
}

#[test]
fn the_json_has_the_names_of_the_design() {
    check(
        records(),
        &[
            ("schema_version", "5"),
            ("transfers.0.phases.1.network_detail.loss", "0.0"),
            ("transfers.0.phases.1.network_detail.retransmit", "0.0"),
            ("transfers.0.phases.1.dropped", "[]"),
            ("capture.id", "\"7f3a9c\""),
            ("capture.started_at", "\"2026-01-01T00:00:00.000Z\""),
            ("capture.duration_s", "1.0"),
            ("capture.host", r#"{"cpus":2,"kernel":"6.18.5","lockdown":"none"}"#),
            (
                "capture.run",
                r#"{"file_size_bytes":1048576,"nodes":2,"repetition":1,"seeders":1,"system":"transmission"}"#,
            ),
            ("trust.verdict", "\"complete\""),
            ("trust.events_lost", r#"{"late":0,"ring_full":0,"wake_unseen":0}"#),
            ("overhead.windows_s", "0.1"),
            ("overhead.probe_runs", "11000"),
            ("overhead.probe_ns", "1280000"),
            ("overhead.probe_cpu_fraction", "0.0128"),
            ("overhead.statistics_ns_per_run", "40.0"),
            ("overhead.probe_net_cpu_fraction", "0.0084"),
            ("overhead.daemon_cpu_fraction", "0.007"),
            ("overhead.capture_bytes_per_s", "50000.0"),
            ("overhead.programs.0", r#"{"ns_per_run":120.0,"program":"sched_switch","runs":10000}"#),
            ("processes.1.pid", "102"),
            ("processes.1.role", "\"leecher\""),
            ("processes.1.network.tcp_rx_bytes", "1081344"),
            ("processes.1.network.tcp_retransmits", "2"),
            ("processes.1.peers.0.peer", "\"10.77.0.1\""),
            ("processes.1.peers.1.control", "true"),
            ("processes.1.disk.file_read_bytes", "2100000"),
            ("processes.1.disk.file_written_bytes", "1048576"),
            ("processes.1.disk.dirtied_bytes", "524288"),
            ("processes.1.disk.device_written_bytes", "786432"),
            ("processes.1.disk.writeback_bytes", "262144"),
            ("processes.1.time.threads", "2"),
            ("processes.1.time.lifetime_ns", "2000000000"),
            ("processes.1.time.wait_network_ns", "100000000"),
            ("processes.1.time.wait_idle_ns", "1700000000"),
            ("devices.0.name", "\"sda\""),
            ("devices.0.written_bytes", "2097152"),
            ("devices.0.credited_written_bytes", "786432"),
            ("devices.0.uncredited_written_bytes", "1310720"),
            ("devices.0.write_mean_queue_us", "4.096"),
            ("devices.0.write_mean_service_us", "40.96"),
            ("transfers.0.direction", "\"download\""),
            ("transfers.0.milestones.0.name", "\"first_byte\""),
            ("transfers.0.milestones.0.kernel_s", "0.01"),
            ("transfers.0.milestones.1.app_s", "0.18"),
            ("transfers.0.milestones.1.app_resolution_s", "0.02"),
            ("transfers.0.milestones.1.kernel_s", "0.17"),
            ("transfers.0.milestones.1.kernel_resolution_s", "0.01"),
            ("transfers.0.milestones.1.kernel_bytes", "589824"),
            ("transfers.0.milestones.3.kernel_s", "0.33"),
            ("transfers.0.phases.0.from", "\"request\""),
            ("transfers.0.phases.0.to", "\"first_byte\""),
            ("transfers.0.phases.0.wall_s", "0.01"),
            (
                "transfers.0.phases.1.shares",
                r#"{"cpu":0.0,"cpu_wait":0.0,"disk":0.5625,"lock":0.0,"memory":0.0,"network":0.4375,"other":0.0,"timer":0.0}"#,
            ),
            ("transfers.0.phases.1.bottleneck", "\"disk\""),
            ("transfers.0.phases.1.network_detail.unknown", "0.4375"),
            ("transfers.0.phases.1.longest.0.call", "\"fsync\""),
            ("transfers.0.phases.1.longest.0.tid", "102"),
            ("transfers.0.phases.1.longest.0.kernel_stack.frames.0", "\"schedule\""),
            ("transfers.0.phases.3.to", "\"p100\""),
            ("transfers.0.throughput.overhead_ratio", "1.03125"),
            ("transfers.0.throughput.device_written_bytes", "786432"),
            ("transfers.0.throughput.write_amplification", "0.75"),
            ("transfers.0.throughput.still_dirty_bytes", "262144"),
            ("transfers.0.polling", r#"{"cpu_s":0.003,"polls":17}"#),
            ("transfers.0.checksum.matched", "true"),
            ("transfers.0.checksum.received", "\"xxh128:5feceb66d41126992bff\""),
            ("processes.1.program", "\"Daemon 1.2\""),
            ("agreement.difference_bytes", "0"),
        ],
    );
}

#[test]
fn nothing_is_invented_where_nothing_was_measured() {
    check(
        vec![start(), process(LEECHER, "curl", PEER_BYTES, 10), end()],
        &[
            ("capture.started_at", "null"),
            ("overhead.windows_s", "null"),
            ("overhead.probe_runs", "null"),
            ("overhead.probe_ns", "null"),
            ("overhead.probe_cpu_fraction", "null"),
            ("overhead.statistics_ns_per_run", "null"),
            ("overhead.probe_net_cpu_fraction", "null"),
            ("overhead.daemon_anon_rss_bytes", "null"),
            ("transfers.0.requested", "\"process_start\""),
            ("transfers.0.milestones.1.app_s", "null"),
            ("transfers.0.throughput.overhead_ratio", "null"),
            ("transfers.0.throughput.write_amplification", "null"),
            ("agreement", "null"),
        ],
    );
}

#[test]
fn a_disk_below_another_is_not_added_to_a_process() {
    let mut records = records();
    records.insert(8, credit_on(16, LEECHER, SIZE_BYTES));
    records.insert(8, credit_on(32, LEECHER, 5));
    check(
        records,
        &[
            ("processes.1.disk.device_written_bytes", "786437"),
            ("devices.1.credited_written_bytes", "1048576"),
        ],
    );
}

#[test]
fn a_partition_below_another_is_not_added_to_a_process_and_the_others_are() {
    let mut records = records();
    let environment = records.iter_mut().find_map(|record| match record {
        Record::Environment(environment) => Some(environment),
        _ => None,
    });
    // sdb2 is below sdc, sdb1 is a file system's.
    environment.unwrap().held = vec![Held { disk_major: 8, disk_minor: 16, major: 8, minor: 18 }];
    records.insert(8, credit_of(16, Some(18), LEECHER, SIZE_BYTES));
    records.insert(8, credit_of(16, Some(17), LEECHER, 100));
    records.insert(8, credit_of(16, None, LEECHER, 20));
    records.insert(8, credit_of(32, None, LEECHER, 5));
    check(
        records,
        &[
            ("processes.1.disk.device_written_bytes", "786557"),
            ("devices.1.credited_written_bytes", "1048696"),
        ],
    );
}

#[test]
fn what_calls_move_past_the_accounting_has_its_way_and_what_is_not_counted_whole_is_named() {
    let moved = || {
        let splices = [(SEEDER, 0), (LEECHER, 7)].map(|(who, bytes)| written_by(FileWay::Splice, who, bytes));
        [written_by(FileWay::IoUring, LEECHER, 62_599)].into_iter().chain(splices)
    };
    let with = |families: &[Record]| {
        let mut records = records();
        records.splice(8..8, families.iter().cloned().chain(moved()));
        records
    };
    let bytes = ("processes.1.disk.other_written_bytes", r#"{"io_uring":62599,"libaio":0,"splice":7}"#);
    check(
        with(&[family("io_uring", None), family("splice", None)]),
        &[
            bytes,
            ("processes.1.disk.uncounted_ways", "[]"),
            ("processes.0.disk.uncounted_ways", "[]"),
            ("trust.verdict", "\"complete\""),
        ],
    );
    check(
        with(&[family("io_uring", None), family("splice", Some("refused"))]),
        &[
            bytes,
            ("processes.1.disk.uncounted_ways", r#"["splice"]"#),
            ("processes.0.disk.uncounted_ways", r#"["splice"]"#),
            ("trust.probes_missing", r#"["splice"]"#),
        ],
    );
}

#[test]
fn a_way_that_is_not_counted_is_no_doubt_where_nobody_went_it() {
    let mut records = records();
    records.insert(8, family("splice", Some("refused")));
    check(records, &[("trust.probes_missing", "[]"), ("trust.verdict", "\"complete\"")]);
}

#[test]
fn what_no_device_has_seen_yet_is_credited_beyond_it() {
    let records = records().into_iter().filter(|record| !matches!(record, Record::DeviceTotals(_)));
    check(records.collect(), &[("devices.0.uncredited_written_bytes", "-786432")]);
}

#[test]
fn without_the_family_nobody_dirtied_anything_that_is_known() {
    let mut records = records();
    records.push(family(capture::families::OWNERS, Some("this kernel has no writeback_dirty_folio")));
    check(
        records,
        &[
            ("processes.1.disk.dirtied_bytes", "null"),
            ("processes.1.disk.writeback_bytes", "null"),
            ("transfers.0.throughput.write_amplification", "null"),
        ],
    );
}

#[test]
fn a_hook_that_stands_in_for_another_is_named_and_takes_nothing_away() {
    let mut records = records();
    let hook = Hook { instead_of: Some("sock_send_length".to_owned()), ..Hook::new("fexit/inet_sendmsg") };
    let sockets = Family::attached("sockets", vec![hook], None);
    records.insert(8, Record::Family(sockets));
    let report = build(&timeline(records));
    assert_eq!(report.trust.probes_second_choice, ["fexit/inet_sendmsg instead of sock_send_length"]);
    assert_eq!(report.trust.verdict, Verdict::Complete);
}
