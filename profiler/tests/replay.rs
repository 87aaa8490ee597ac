//! From recorded captures to golden reports, without root; and what becomes of captures that are damaged.

mod golden;

use profiler::export::{json, text};
use std::{
    collections::BTreeMap,
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use analysis::{
    attribution::shares::{NetworkDetail, Shares},
    figures::{self, Bin},
    report,
    timeline::Timeline,
};
use anyhow::Result;
use capture::{
    Capture, Clock, Direction, End, Ending, Losses, ProcessSerial, ProcessTotals, Progress, Record, Start,
    Transfer, Watermark, Writer, dump,
};

/// Every `tests/fixtures/NAME.capture` has its text in `NAME.txt` and its JSON in `NAME.json`.
#[test]
fn captures_give_their_golden_reports() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut captures: Vec<PathBuf> = fs::read_dir(&fixtures)
        .expect("the folder of fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "capture"))
        .collect();
    captures.sort();
    assert!(!captures.is_empty(), "no recorded capture in {}", fixtures.display());
    for path in captures {
        let mut capture = capture::read(&path).expect("a capture");
        let report = report::build(&Timeline::from_capture(&mut capture).expect("a timeline"));
        let text = text::render(&report);
        let too_long = text.lines().find(|line| line.chars().count() > 100);
        assert_eq!(too_long, None, "{}", path.display());
        golden::check(&path.with_extension("txt"), &text);
        golden::check(&path.with_extension("json"), &json::render(&report));
    }
}

/// Lanes of a page are drawn of bins: weighed by their length they are the shares of their phase, in every part.
#[test]
fn bins_sum_to_the_shares_of_their_phases() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut compared = 0;
    for name in ["quick", "lost", "format-5"] {
        let mut capture = capture::read(&fixtures.join(name).with_extension("capture")).expect("a capture");
        let (report, figures) =
            figures::of_timeline(&mut Timeline::from_capture(&mut capture).expect("a timeline"))
                .expect("a report");
        for (transfer, figure) in report.transfers.iter().zip(&figures.transfers) {
            let mut from_s = 0.0;
            for phase in &transfer.phases {
                let to_s = from_s + phase.wall_s;
                let bins: Vec<_> = figure
                    .bins
                    .iter()
                    .filter(|bin| from_s - 1e-9 <= bin.from_s && bin.to_s <= to_s + 1e-9)
                    .collect();
                let budget = phase.budget.as_ref().expect("scheduling was recorded");
                let named = |shares: &Shares<f64>, detail: &NetworkDetail<f64>| {
                    shares.named().into_iter().chain(detail.named()).collect::<Vec<_>>()
                };
                for (place, (part, share)) in
                    named(&budget.shares, &budget.network_detail).into_iter().enumerate()
                {
                    let of_bin = |bin: &&Bin| {
                        (bin.to_s - bin.from_s) * named(&bin.shares, &bin.network_detail)[place].1
                    };
                    let sum_s: f64 = bins.iter().map(of_bin).sum();
                    assert!(
                        (sum_s - share * phase.wall_s).abs() < 1e-6,
                        "{name}: {} to {}: {part}: bins have {sum_s} s, the phase {} s",
                        phase.from,
                        phase.to,
                        share * phase.wall_s
                    );
                    compared += 1;
                }
                from_s = to_s;
            }
        }
    }
    assert!(compared >= 3 * 23, "{compared} parts were compared");
}

#[test]
fn the_same_capture_gives_the_same_report() {
    let bytes = packed(&sample(), 3);
    let render = || {
        let report = report::build(&Timeline::from_capture(&mut open(&bytes)?)?);
        Ok::<_, anyhow::Error>(text::render(&report) + &json::render(&report))
    };
    let first = render().expect("a report");
    assert!(first.contains("Transfer leecher: download of 1,000,000 bytes"), "{first}");
    assert_eq!(first, render().expect("a report"));
}

#[test]
fn a_capture_cut_anywhere_gives_its_first_records() {
    let records = sample();
    for bytes in [packed(&records, 3), plain(&records, 3)] {
        for end in 12..=bytes.len() {
            let (got, ending) = read_all(&bytes[..end]).expect("a cut capture is no error");
            assert_eq!(got, records[..got.len()], "cut at {end}");
            assert_eq!(ending == Ending::Complete, end == bytes.len(), "cut at {end}");
            if !got.is_empty() {
                let timeline = Timeline::from_capture(&mut open(&bytes[..end]).expect("a capture"));
                let report = report::build(&timeline.expect("a timeline"));
                assert_eq!(report.trust.reasons.is_empty(), end == bytes.len(), "cut at {end}");
            }
        }
    }
}

#[test]
fn a_frame_is_readable_once_it_is_whole() {
    let records = sample();
    let bytes = packed(&records, 3);
    let (got, _) = read_all(&bytes[..bytes.len() - 1]).expect("a cut capture is no error");
    assert_eq!(got.len(), records.len() - 3);
}

/// A frame's length is outside of its checksum: a longer one reads as a capture that was cut.
#[test]
fn a_flipped_bit_is_an_error_or_changes_nothing_that_is_read() {
    let records = sample();
    let bytes = packed(&records, 3);
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let Ok((got, ending)) = read_all(&damaged) else { continue };
        assert_eq!(got, records[..got.len()], "bit {bit}");
        assert!(
            got.len() == records.len() || ending != Ending::Complete,
            "bit {bit}: records vanish silently"
        );
    }
}

#[test]
fn garbage_after_a_right_head_never_panics() {
    let head = &packed(&sample(), 3)[..12];
    // xorshift64: the same garbage in each run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for length in 0..2_000 {
        let mut bytes = head.to_vec();
        for _ in 0..length {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.push(state as u8);
        }
        if let Ok((got, ending)) = read_all(&bytes) {
            assert!(got.is_empty() && ending != Ending::Complete, "length {length}");
        }
    }
}

#[track_caller]
fn check_refused(what: &str, bytes: &[u8], expected: &str) {
    let error = read_all(bytes).expect_err(what);
    let message = format!("{error:#}");
    assert!(message.contains("test.capture") && message.contains(expected), "{what}: {message}");
}

#[test]
fn what_is_no_capture_is_refused_with_a_way_out() {
    let newer = [b"XFERPROF".as_slice(), &7_u32.to_le_bytes()].concat();
    check_refused("nothing", b"", "is no capture");
    check_refused("half a head", b"XFERPROF\x01", "is no capture");
    check_refused("text", b"not a capture, but some text", "`profiler record -o FILE` makes one");
    check_refused("a newer version", &newer, "format 7; this profiler reads formats 4 and 5");
    let huge = [&packed(&sample(), 3)[..12], &[0xff; 12]].concat();
    // So many records that packing makes them smaller.
    let many = vec![sample(); 20].concat();
    let mut longer = packed(&many, many.len());
    longer[16] += 1;
    check_refused("a frame that claims another length", &longer, "bytes instead of");
    check_refused("a frame of 4 GiB", &huge, "damaged frame at byte 12");
}

/// `expected` are the beginnings of the lines.
#[track_caller]
fn check_dump(what: &str, only: &[&str], expected: &[&str]) {
    let only: Vec<String> = only.iter().map(|kind| (*kind).to_owned()).collect();
    let mut out = Vec::new();
    dump::run(&mut open(&packed(&sample(), 3)).expect("a capture"), &only, &mut out).expect("a dump");
    let lines: Vec<_> = std::str::from_utf8(&out).expect("text").lines().collect();
    assert_eq!(lines.len(), expected.len(), "{what}: {lines:#?}");
    for (line, beginning) in lines.iter().zip(expected) {
        assert!(line.starts_with(beginning), "{what}: {line}");
    }
}

#[test]
fn a_dump_has_a_line_for_each_record() {
    let progress = r#"{"progress":{"at_ns":"#;
    check_dump("one kind", &["end"], &[r#"{"end":{"at_ns":9000,"reason":"done"}}"#]);
    check_dump("two kinds", &["watermark", "clock"], &[r#"{"clock":{"#, r#"{"watermark":{"at_ns":2500}}"#]);
    check_dump(
        "all",
        &[],
        &[
            r#"{"start":"#,
            r#"{"clock":"#,
            r#"{"transfer":"#,
            progress,
            progress,
            r#"{"watermark":"#,
            r#"{"process_totals":"#,
            r#"{"losses":"#,
            r#"{"end":"#,
        ],
    );
}

#[test]
fn kinds_are_the_keys_of_the_lines() {
    for record in sample() {
        let json = serde_json::to_value(&record).expect("JSON");
        let key = json.as_object().and_then(|object| object.keys().next()).expect("one key").clone();
        assert_eq!(record.name(), key);
        assert!(dump::kinds().any(|kind| kind == key), "{key}");
    }
    // Whatever is no kind is refused by the decoder, which lists all that are.
    let error = serde_json::from_str::<Record>(r#"{"none":0}"#).expect_err("no such kind").to_string();
    for kind in dump::kinds() {
        assert!(error.contains(&format!("`{kind}`")), "{kind} is not in: {error}");
    }
    assert_eq!(error.matches('`').count() / 2 - 1, dump::kinds().count(), "{error}");
}

#[test]
fn a_dump_whose_reader_goes_away_ends_quietly() {
    struct Gone;
    impl std::io::Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    dump::run(&mut open(&packed(&sample(), 3)).expect("a capture"), &[], &mut Gone).expect("no error");
}

/// A whole capture of one leecher.
fn sample() -> Vec<Record> {
    let process = ProcessSerial(1);
    let progress = |at_ns, rx_bytes| {
        Record::Progress(Progress { at_ns, process, cookie: 1, tid: 7, rx_bytes, tx_bytes: 0 })
    };
    vec![
        Record::Start(Start {
            id: "sample".to_owned(),
            at_ns: 1_000,
            profiler: "0.1.0".to_owned(),
            boot_id: "b".to_owned(),
            targets: "pid 7".to_owned(),
            size_bytes: None,
            stride_bytes: 64 << 10,
            run: None,
            machine_id: String::new(),
            host_name: String::new(),
            layout: capture::layout(),
        }),
        Record::Clock(Clock { monotonic_ns: 1_000, wall_ns: 1_767_225_600_000_000_000 }),
        Record::Transfer(Transfer {
            label: "leecher".to_owned(),
            process,
            direction: Direction::Download,
            file_size_bytes: 1_000_000,
            requested_ns: 1_000,
        }),
        progress(2_000, 600_000),
        progress(1_500, 300_000),
        Record::Watermark(Watermark { at_ns: 2_500 }),
        Record::ProcessTotals(ProcessTotals {
            at_ns: 9_000,
            process,
            pid: 7,
            parent_pid: 1,
            comm: "leecher".to_owned(),
            since_ns: 1_000,
            exited_ns: None,
            tcp_rx_bytes: 1_030_000,
            tcp_tx_bytes: 0,
            udp_rx_bytes: 0,
            udp_tx_bytes: 0,
            peer_rx_bytes: 1_030_000,
            peer_tx_bytes: 0,
            peer_rx_last_ns: Some(3_000),
            peer_tx_last_ns: None,
        }),
        Record::Losses(Losses { at_ns: 9_000, counts: BTreeMap::from([("ring_full".to_owned(), 0)]) }),
        Record::End(End { at_ns: 9_000, reason: "done".to_owned() }),
    ]
}

/// The bytes of a capture with so many records in a frame.
fn packed(records: &[Record], frame: usize) -> Vec<u8> {
    written(records, frame, |path| capture::pack(path).expect("it can be packed"))
}

/// As it stands while the recording runs.
fn plain(records: &[Record], frame: usize) -> Vec<u8> {
    written(records, frame, |_| ())
}

fn written(records: &[Record], frame: usize, then: impl Fn(&Path)) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("test.capture");
    let mut writer = Writer::create(&path).expect("a capture");
    for frame in records.chunks(frame) {
        for record in frame {
            writer.push(record).expect("a record");
        }
        writer.finish_frame().expect("a frame");
    }
    then(&path);
    fs::read(&path).expect("the capture")
}

fn open(bytes: &[u8]) -> Result<Capture<Cursor<&[u8]>>> {
    Capture::new(Cursor::new(bytes), "test.capture".to_owned())
}

fn read_all(bytes: &[u8]) -> Result<(Vec<Record>, Ending)> {
    let mut capture = open(bytes)?;
    let mut records = Vec::new();
    while let Some(record) = capture.next()? {
        records.push(record);
    }
    Ok((records, capture.ending()))
}
