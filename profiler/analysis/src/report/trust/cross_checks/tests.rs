use crate::report::Relation;
use crate::timeline::sample::timeline;
use capture::{
    DropReason, Drops, Mount, ProcessSerial, Record, Run, SocketClosed, ThreadState,
    cross_check::{
        CrossCheck, DiskReading, InterfaceReading, Moment, ProcessReading, Reading, ThreadReading,
    },
    families::{OWNERS, SCHEDULING},
    testing::sample::*,
};

use super::{compare, reasons};

/// `expected` are the rows as text; those that disagree have a reason, and no others.
#[track_caller]
fn check(what: &str, records: Vec<Record>, expected: &[&str]) {
    let rows = compare(&timeline(records));
    let lines: Vec<_> = rows
        .iter()
        .map(|row| {
            let relation = match row.relation {
                Relation::Equal => "=",
                Relation::AtLeast => ">=",
                Relation::AtMost => "<=",
            };
            format!(
                "{} of {}: {} {relation} {} ± {}{}",
                row.what,
                row.of,
                row.ours,
                row.theirs,
                row.tolerance,
                if row.agrees { "" } else { " DISAGREES" }
            )
        })
        .collect();
    assert_eq!(lines, expected, "{what}");
    let disagree = rows.iter().filter(|row| !row.agrees).count();
    assert_eq!(reasons(&rows).len(), disagree, "{what}");
}

/// A capture with these records between its start and its end.
fn whole(records: impl IntoIterator<Item = Record>) -> Vec<Record> {
    [start(), environment()].into_iter().chain(records).chain([end()]).collect()
}

fn reading(moment: Moment, reading: Reading) -> Record {
    let at_ns = if moment == Moment::AfterEnd { END_NS } else { START_NS };
    reading_at(at_ns, moment, reading)
}

fn reading_at(at_ns: u64, moment: Moment, reading: Reading) -> Record {
    Record::CrossCheck(CrossCheck { at_ns, moment, reading })
}

fn process_reading(moment: Moment, process: ProcessSerial, read_chars: u64, cpu_ns: u64) -> Record {
    let reading_of =
        ProcessReading { process, cpu_ns, read_chars, write_chars: 0, read_bytes: 0, write_bytes: 0 };
    reading(moment, Reading::Process(reading_of))
}

fn read_by_thread(baseline: bool, read_chars: u64) -> Record {
    io(LEECHER, baseline, read_chars, 0)
}

#[test]
fn a_processs_reads_are_those_of_its_threads() {
    use Moment::{AfterEnd, AfterStart, BeforeEnd, BeforeStart, During};
    let readings = |threads: u64| {
        whole([
            process(LEECHER, "cat", 0, 0),
            process_reading(BeforeStart, LEECHER, 100, 0),
            read_by_thread(true, 110),
            process_reading(AfterStart, LEECHER, 120, 0),
            process_reading(BeforeEnd, LEECHER, 1_000, 0),
            read_by_thread(false, threads),
            process_reading(AfterEnd, LEECHER, 1_010, 0),
        ])
    };
    check("as much", readings(1_005), &["read by calls of cat-102: 895 = 910 ± 30"]);
    check("at the bound", readings(990), &["read by calls of cat-102: 880 = 910 ± 30"]);
    check("a thread is missing", readings(989), &["read by calls of cat-102: 879 = 910 ± 30 DISAGREES"]);
    check(
        "gone before it was read for the last time",
        whole([
            process(LEECHER, "cat", 0, 0),
            process_reading(During, LEECHER, 500, 0),
            read_by_thread(false, 900),
        ]),
        &["read by calls of cat-102: 900 >= 500 ± 0"],
    );
    check(
        "its last reading is more than its threads have",
        whole([
            process(LEECHER, "cat", 0, 0),
            process_reading(During, LEECHER, 901, 0),
            read_by_thread(false, 900),
        ]),
        &["read by calls of cat-102: 900 >= 901 ± 0 DISAGREES"],
    );
}

#[test]
fn a_process_takes_over_what_its_children_did() {
    let family = |parents: u64| {
        let Record::ProcessTotals(mut child) = process(SEEDER, "child", 0, 0) else { unreachable!() };
        child.parent_pid = 102;
        child.exited_ns = Some(END_NS);
        whole([
            process(LEECHER, "sh", 0, 0),
            Record::ProcessTotals(child),
            io(SEEDER, false, 5_000, 0),
            read_by_thread(false, 70),
            process_reading(Moment::AfterEnd, LEECHER, parents, 0),
        ])
    };
    let row = "read by calls of sh-102 and its children: 5070 >=";
    check("it waited for its child", family(5_070), &[&format!("{row} 5070 ± 0")]);
    check("it did not", family(70), &[&format!("{row} 70 ± 0")]);
    check("more than both have", family(5_071), &[&format!("{row} 5071 ± 0 DISAGREES")]);

    let older_child = |parents: u64| {
        let mut records = family(parents);
        records.insert(2, process_reading(Moment::BeforeStart, SEEDER, 1_000, 0));
        records.insert(3, process_reading(Moment::AfterStart, SEEDER, 1_010, 0));
        records
    };
    check("with what it did before the recording", older_child(6_080), &[&format!("{row} 6080 ± 1010")]);
    check("more than that", older_child(6_081), &[&format!("{row} 6081 ± 1010 DISAGREES")]);
}

#[test]
fn dirtied_pages_are_the_accountings_write_bytes() {
    let writes_with = |metadata_bytes: u64, write_bytes: u64| {
        let Record::ThreadIo(mut io) = io(LEECHER, false, 0, 0) else { unreachable!() };
        io.write_bytes = write_bytes;
        let records = [
            family("device", None),
            family(OWNERS, None),
            process(LEECHER, "dd", 0, 0),
            inode_use(Some(LEECHER), 8 << 20),
            metadata_use(LEECHER, metadata_bytes),
            credit(LEECHER, 2 << 20),
            Record::ThreadIo(io),
        ];
        whole(records)
    };
    let writes = |write_bytes: u64| writes_with(0, write_bytes);
    let row = "dirtied, or direct of dd-102: 10485760 =";
    check("exact", writes(10 << 20), &[&format!("{row} 10485760 ± 1048576")]);
    check("some was not seen", writes((10 << 20) + 40_960), &[&format!("{row} 10526720 ± 1048576")]);
    check("too much was not seen", writes(12 << 20), &[&format!("{row} 12582912 ± 1048576 DISAGREES")]);
    check(
        "pages of no file are in it",
        writes_with(2 << 20, 12 << 20),
        &["dirtied, or direct of dd-102: 12582912 = 12582912 ± 1048576"],
    );
}

#[test]
fn what_is_written_through_to_no_device_of_its_own_is_nothing_unseen() {
    const MIB: u64 = 1 << 20;
    let writes = |major: u32, calls_bytes: u64, write_bytes: u64| {
        let Record::ThreadIo(mut io) = io(LEECHER, false, 0, calls_bytes) else { unreachable!() };
        io.write_bytes = write_bytes;
        let Record::InodeUse(mut through) = inode_use(Some(LEECHER), 0) else { unreachable!() };
        (through.inode.major, through.cached_bytes) = (major, 64 * MIB);
        let records = [
            family("device", None),
            family(OWNERS, None),
            process(LEECHER, "dd", 0, 0),
            Record::InodeUse(through),
            metadata_use(LEECHER, MIB),
            Record::ThreadIo(io),
        ];
        whole(records)
    };
    let row = "dirtied, or direct of dd-102: 1048576";
    check("FUSE", writes(0, 64 * MIB, 65 * MIB), &[&format!("{row} <= 68157440 ± 1048576")]);
    check(
        "FUSE, more than was written",
        writes(0, 63 * MIB, 65 * MIB),
        &[&format!("{row} = 68157440 ± 1048576 DISAGREES")],
    );
    let passing = |capture_has: bool| {
        let mut records = writes(8, 64 * MIB, 65 * MIB);
        let mount = Mount { at_ns: 0, major: 0, minor: 51, kind: "fuse.sshfs".to_owned() };
        records.splice(1..1, capture_has.then_some(Record::Mount(mount)));
        records
    };
    check("FUSE, directly", passing(true), &[&format!("{row} <= 68157440 ± 1048576")]);
    check("no FUSE", passing(false), &[&format!("{row} = 68157440 ± 1048576 DISAGREES")]);
    check("a disk", writes(8, 64 * MIB, 65 * MIB), &[&format!("{row} = 68157440 ± 1048576 DISAGREES")]);
}

#[test]
fn cpu_time_is_the_schedulers() {
    let readings = |process_ns: u64, thread_ns: u64| {
        let run = ThreadReading { process: LEECHER, tid: 102, run_ns: thread_ns };
        whole([
            family(SCHEDULING, None),
            process(LEECHER, "c", 0, 0),
            thread(LEECHER, 1, ThreadState::Blocked),
            process_reading(Moment::AfterEnd, LEECHER, 0, process_ns),
            reading(Moment::AfterEnd, Reading::Thread(run)),
        ])
    };
    // 100 ms by the probes: 1 % for unseen switches, and ticks or an update.
    let (whole_row, thread_row) =
        ("time on the CPU of c-102: 100000000 =", "time on the CPU of live threads of c-102: 100000000 =");
    check(
        "nearly as much",
        readings(90 * MS, 99 * MS),
        &[&format!("{whole_row} 90000000 ± 41000000"), &format!("{thread_row} 99000000 ± 11000000")],
    );
    check(
        "half",
        readings(50 * MS, 50 * MS),
        &[
            &format!("{whole_row} 50000000 ± 41000000 DISAGREES"),
            &format!("{thread_row} 50000000 ± 11000000 DISAGREES"),
        ],
    );
    let busy = |before_end_ns: u64, after_end_ns: u64| {
        let run = |moment, run_ns| {
            reading(moment, Reading::Thread(ThreadReading { process: LEECHER, tid: 102, run_ns }))
        };
        whole([
            family(SCHEDULING, None),
            process(LEECHER, "c", 0, 0),
            run(Moment::BeforeStart, 5 * MS),
            run(Moment::AfterStart, 7 * MS),
            thread(LEECHER, 1, ThreadState::Blocked),
            run(Moment::BeforeEnd, before_end_ns),
            run(Moment::AfterEnd, after_end_ns),
        ])
    };
    // Ended, and its id given to this one.
    let after_another = |end_ns: u64| {
        let run = |moment, run_ns| {
            reading(moment, Reading::Thread(ThreadReading { process: LEECHER, tid: 102, run_ns }))
        };
        let Record::ThreadTotals(mut newcomer) = thread(LEECHER, 1, ThreadState::Blocked) else {
            unreachable!()
        };
        newcomer.start_ns = START_NS + 1;
        whole([
            family(SCHEDULING, None),
            process(LEECHER, "c", 0, 0),
            run(Moment::BeforeStart, 50 * MS),
            run(Moment::AfterStart, 50 * MS),
            Record::ThreadTotals(newcomer),
            run(Moment::BeforeEnd, end_ns),
            run(Moment::AfterEnd, end_ns),
        ])
    };
    check("another had its id", after_another(100 * MS), &[&format!("{thread_row} 100000000 ± 11000000")]);
    check("it ran on", busy(107 * MS, 145 * MS), &[&format!("{thread_row} 140000000 ± 51000000")]);
    check(
        "it ran more before the end",
        busy(130 * MS, 145 * MS),
        &[&format!("{thread_row} 140000000 ± 28000000 DISAGREES")],
    );
}

#[test]
fn a_count_that_is_too_high_is_not_said_to_lack_something() {
    let disk = |moment, writes: u64| {
        let counters =
            DiskReading { major: 8, minor: 0, reads: 0, read_bytes: 0, writes, written_bytes: 512 };
        reading(moment, Reading::Disk(counters))
    };
    let counted = device(capture::Operation::Write, 100 * 4096);
    let rows = |writes: u64| {
        let readings = [disk(Moment::BeforeStart, 1), disk(Moment::BeforeEnd, 1 + writes)];
        let records = [family("device", None), disk(Moment::AfterEnd, 1 + writes), counted.clone()];
        let rows = compare(&timeline(whole(readings.into_iter().chain(records))));
        reasons(&rows.into_iter().filter(|row| row.what == "writes completed").collect::<Vec<_>>()).concat()
    };
    assert!(rows(50).contains("the probes counted more than the device did"), "{}", rows(50));
    assert!(rows(150).contains("completions were not seen"), "{}", rows(150));
}

/// The kernel counts pieces of bios as they end, the probes bios as they are submitted.
#[test]
fn a_device_without_requests_is_compared_by_its_bytes() {
    let disk = |moment, written_bytes: u64| {
        let counters = DiskReading { major: 8, minor: 0, reads: 0, read_bytes: 0, writes: 0, written_bytes };
        reading(moment, Reading::Disk(counters))
    };
    let readings = |end_bytes: u64, more: Vec<Record>| {
        let disks = [disk(Moment::BeforeStart, 0), disk(Moment::BeforeEnd, end_bytes)];
        whole(std::iter::once(family("device", None)).chain(disks).chain(more))
    };
    let written = |bytes| vec![device(capture::Operation::Write, bytes)];
    check(
        "all",
        readings(8 << 20, written(8 << 20)),
        &["written to the device of sda: 8388608 >= 8388608 ± 1048576"],
    );
    check(
        "nothing was counted",
        readings(8 << 20, Vec::new()),
        &["written to the device of sda: 0 >= 8388608 ± 1048576 DISAGREES"],
    );
    check("a driver that counts nothing", readings(0, written(8 << 20)), &[]);
}

#[test]
fn a_device_completed_what_its_statistics_say() {
    let disk = |moment, written_bytes: u64| {
        let counters =
            DiskReading { major: 8, minor: 0, reads: 0, read_bytes: 0, writes: 1000, written_bytes };
        reading(moment, Reading::Disk(counters))
    };
    let readings = |more: Vec<Record>| {
        let records = [
            family("device", None),
            disk(Moment::BeforeStart, 1_000_000),
            disk(Moment::AfterStart, 1_000_000),
            disk(Moment::BeforeEnd, 3_000_000),
            disk(Moment::AfterEnd, 3_000_512),
        ];
        whole(records.into_iter().chain(more))
    };
    // The sample's requests are of 4096 bytes.
    let check = |what, records, ours: u64, agrees: &str| {
        let bytes = format!("written to the device of sda: {ours} = 2000512 ± 1049088{agrees}");
        let requests = format!("writes completed of sda: {} = 0 ± 4 DISAGREES", ours / 4096);
        check(what, records, &[&bytes, &requests]);
    };
    let written = |bytes| device(capture::Operation::Write, bytes);
    check("between", readings(vec![written(2_000_000)]), 2_000_000, "");
    check("a few may be hidden", readings(vec![written(951_424)]), 951_424, "");
    check("completions are missing", readings(vec![written(951_423)]), 951_423, " DISAGREES");
}

/// Of the sample's leecher, in namespace 4: 1,081,344 bytes received and 3,300 sent, on a connection that the
/// recording saw begin.
#[test]
fn payload_passed_an_interface() {
    let carried = |moment, netns, rx_bytes, tx_bytes| {
        let name = "veth0".to_owned();
        reading(moment, Reading::Interface(InterfaceReading { netns, name, rx_bytes, tx_bytes }))
    };
    let readings = |rx: u64| {
        whole([
            socket(LEECHER, 11, Some("10.77.0.1:51413"), false),
            carried(Moment::BeforeStart, 4, 1_000, 1_000),
            carried(Moment::AfterEnd, 4, 1_000 + rx, 51_000),
        ])
    };
    let sent = "payload sent of network namespace 4: 3300 <= 50000 ± 3300";
    check(
        "with headers",
        readings(1_100_000),
        &["payload received of network namespace 4: 1081344 <= 1100000 ± 0", sent],
    );
    check(
        "more payload than packets",
        readings(1_081_343),
        &["payload received of network namespace 4: 1081344 <= 1081343 ± 0 DISAGREES", sent],
    );
    // The first process came by itself, and the namespace was read as a second one was found.
    let carried_at = |at_ns, moment, rx_bytes, tx_bytes| {
        let name = "veth0".to_owned();
        reading_at(at_ns, moment, Reading::Interface(InterfaceReading { netns: 4, name, rx_bytes, tx_bytes }))
    };
    let read_late = |rx: u64| {
        whole([
            socket(LEECHER, 11, Some("10.77.0.1:51413"), false),
            carried_at(START_NS + 1, Moment::BeforeStart, 1_090_000, 49_000),
            carried(Moment::AfterEnd, 4, rx, 50_000),
        ])
    };
    check(
        "nobody read it before the first process used it",
        read_late(1_100_000),
        &["payload received of network namespace 4: 1081344 <= 1100000 ± 0", sent],
    );
    check(
        "it carried less since it was made",
        read_late(1_081_343),
        &["payload received of network namespace 4: 1081344 <= 1081343 ± 0 DISAGREES", sent],
    );
    check(
        "nobody read it after its last use",
        whole([
            socket(LEECHER, 11, Some("10.77.0.1:51413"), false),
            carried(Moment::BeforeStart, 4, 1_000, 1_000),
            carried_at(END_NS - 1, Moment::AfterEnd, 2_000, 2_000),
        ]),
        &[],
    );
    check(
        "another namespace",
        whole([
            socket(LEECHER, 11, Some("10.77.0.1:51413"), false),
            carried(Moment::AfterEnd, 5, 1_000, 1_000),
        ]),
        &[],
    );
    // 20 MiB each way, of which a twentieth was counted.
    let bytes = 20 << 20;
    check(
        "a benchmark's namespace in which nearly nothing was counted",
        whole([
            socket(LEECHER, 11, Some("10.77.0.1:51413"), false),
            carried(Moment::AfterEnd, 4, bytes, bytes),
        ]),
        &[
            "payload received of network namespace 4: 1081344 <= 20971520 ± 0",
            "payload sent of network namespace 4: 3300 <= 20971520 ± 3300",
            "80 % of packets both ways of network namespace 4: 1084644 >= 33554400 ± 0 DISAGREES",
        ],
    );
    // 1 GiB of uTP.
    let mut much = socket(LEECHER, 11, Some("10.77.0.1:51413"), false);
    let Record::SocketTotals(totals) = &mut much else { unreachable!() };
    (totals.rx_bytes, totals.tx_bytes) = (1_073_741_824, 8_000_000);
    check(
        "acknowledgements are packets without payload",
        whole([much, carried(Moment::AfterEnd, 4, 1_110_000_000, 25_000_000)]),
        &[
            "payload received of network namespace 4: 1073741824 <= 1110000000 ± 0",
            "payload sent of network namespace 4: 8000000 <= 25000000 ± 6291456",
            "80 % of packets both ways of network namespace 4: 1081741824 >= 908000000 ± 0",
        ],
    );
    // What the benchmark itself read over loopback was received by nobody that is profiled.
    let loopback = |moment, bytes| {
        let name = "lo".to_owned();
        reading(
            moment,
            Reading::Interface(InterfaceReading { netns: 4, name, rx_bytes: bytes, tx_bytes: bytes }),
        )
    };
    check(
        "a client of the benchmark beside the node",
        whole([
            socket(LEECHER, 11, Some("10.77.0.1:51413"), false),
            carried(Moment::AfterEnd, 4, 1_100_000, 51_000),
            loopback(Moment::AfterEnd, bytes),
        ]),
        &[
            "payload received of network namespace 4: 1081344 <= 22071520 ± 0",
            "payload sent of network namespace 4: 3300 <= 21022520 ± 3300",
        ],
    );
    let Record::Start(start) = start() else { unreachable!() };
    assert!(matches!(start.run, Some(Run { .. })), "the sample is a benchmark's");
}

#[test]
fn a_connections_calls_are_those_of_tcp() {
    let connection = |received: u64, sent: u64, retransmitted: u64, established_ns: u64| {
        let Record::SocketTotals(mut totals) = socket(LEECHER, 11, Some("10.77.0.1:51413"), false) else {
            unreachable!()
        };
        let ends = totals.ends.as_mut().expect("ends");
        ends.established_ns = Some(established_ns);
        ends.closed = Some(SocketClosed {
            at_ns: END_NS,
            bytes_received: received,
            bytes_sent: sent,
            bytes_acked: sent,
            bytes_retransmitted: retransmitted,
        });
        whole([process(LEECHER, "c", PEER_BYTES, 3_300), Record::SocketTotals(totals)])
    };
    check(
        "as TCP says, with its FIN and something sent twice",
        connection(PEER_BYTES + 1, 3_400, 100, START_NS),
        &[
            "received over TCP of 1 whole connections: 1081344 <= 1081345 ± 0",
            "sent over TCP of 1 whole connections: 3300 >= 3300 ± 0",
        ],
    );
    check(
        "more was received than arrived, and less sent than left",
        connection(PEER_BYTES - 1, 3_401, 100, START_NS),
        &[
            "received over TCP of 1 whole connections: 1081344 <= 1081343 ± 0 DISAGREES",
            "sent over TCP of 1 whole connections: 3300 >= 3301 ± 0 DISAGREES",
        ],
    );
    check("a connection from before", connection(5, 5, 0, START_NS - 1), &[]);
    let dropped = |reason| {
        let mut records = connection(PEER_BYTES, 3_350, 0, START_NS);
        let drops = Drops {
            at_ns: END_NS,
            cookie: 11,
            process: None,
            reason,
            source: None,
            drops: 1,
            bytes: 60,
            buffer: 0,
        };
        records.insert(records.len() - 1, Record::Drops(drops));
        records
    };
    let received = "received over TCP of 1 whole connections: 1081344 <= 1081344 ± 0";
    check(
        "what the host's own queue dropped was sent for TCP, and is sent again as if for the first time",
        dropped(DropReason::Qdisc),
        &[received, "sent over TCP of 1 whole connections: 3300 >= 3350 ± 60"],
    );
    check(
        "what did not fit into the receive buffer was not",
        dropped(DropReason::ReceiveBuffer),
        &[received, "sent over TCP of 1 whole connections: 3300 >= 3350 ± 0 DISAGREES"],
    );
}

#[test]
fn of_a_capture_that_was_cut_nothing_is_compared_at_its_end() {
    let mut records = whole([
        process(LEECHER, "cat", 0, 0),
        process_reading(Moment::During, LEECHER, 500, 0),
        read_by_thread(false, 900),
    ]);
    records.pop();
    check("cut", records, &[]);
}
