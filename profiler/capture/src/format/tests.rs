//! Hostile captures. What their values mean is not looked at here.

use proptest::{collection::vec, prelude::any};

use abi::{
    arrival::Arrival,
    event::Event as _,
    payload::{Payload, RECEIVED},
    sockets::IPPROTO_UDP,
    span::{Span, SpanByOutsider},
};

use super::{
    Capture, Ending, HEADER_BYTES, MAGIC, VERSION, Writer, pack, read as open, write::record_header,
};
use crate::{End, Kind, Record, Stack, Watermark, records};
use crate::{
    events,
    testing::{fuzz::fuzz, sample},
};

/// A capture of one frame whose lengths and checksum are right.
fn packed(plain: &[u8]) -> Vec<u8> {
    let packed = zstd::bulk::compress(plain, 1).expect("pack");
    let mut bytes = [MAGIC.as_slice(), &VERSION.to_le_bytes()].concat();
    for word in [packed.len() as u32, plain.len() as u32, crc32fast::hash(&packed)] {
        bytes.extend(word.to_le_bytes());
    }
    [bytes, packed].concat()
}

/// The frame's records, each with its length.
fn plain(records: &[Record]) -> Vec<u8> {
    let mut plain = Vec::new();
    for record in records {
        let mut room = [0; 4 << 10];
        let body = record.encode(&mut room).expect("a record");
        plain.extend(record_header(record.number(), body.len()));
        plain.extend_from_slice(body);
    }
    plain
}

/// Reads to the end or to an error that names the file; gives how many records there were.
fn read(bytes: &[u8]) -> Option<usize> {
    let read = || {
        let mut capture = Capture::new(bytes, "made.capture".to_owned())?;
        let mut records = 0;
        while capture.next()?.is_some() {
            records += 1;
        }
        anyhow::Ok(records)
    };
    match read() {
        Ok(records) => Some(records),
        Err(error) => {
            let error = format!("{error:#}");
            assert!(error.contains("made.capture"), "{error}");
            None
        }
    }
}

#[test]
fn a_whole_capture_is_read() {
    let records = sample::records();
    assert_eq!(read(&packed(&plain(&records))), Some(records.len()));
}

#[test]
fn a_record_larger_than_a_frame_is_whole_and_so_are_those_around_it() {
    let stack = |id, len| Record::Stack(Stack { id, frames: vec!["f".repeat(len)], truncated: false });
    let records: Vec<Record> =
        (0..400).map(|id| stack(id, if id == 100 { 1 << 20 } else { 5_000 })).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("large.capture");
    let mut writer = Writer::create(&path).expect("create");
    records.iter().try_for_each(|record| writer.push(record)).expect("push");
    writer.finish_frame().expect("finish");
    let bytes = std::fs::metadata(&path).expect("it is there").len();
    let mut capture = open(&path).expect("open");
    let found: Vec<Record> = std::iter::from_fn(|| capture.next().expect("whole")).collect();
    assert_eq!((found == records, writer.written_bytes()), (true, bytes));
}

#[test]
fn events_are_records_in_their_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("events.capture");
    write_with_events(&path);
    let mut capture = open(&path).expect("open");
    let mut kinds = Vec::new();
    while let Some(record) = capture.next().expect("whole") {
        kinds.push(record.name());
    }
    let (before, after) = (vec!["watermark"], vec!["watermark", "payload", "arrival"]);
    assert_eq!(kinds, [before, vec!["span"; EVENTS], after, vec!["end"]].concat());
    assert_eq!(capture.ending(), Ending::Complete);
}

/// Together more than a frame's room.
const EVENTS: usize = 4_000;

fn write_with_events(path: &std::path::Path) {
    let mut writer = Writer::create(path).expect("create");
    let span = Span { kind: Span::KIND as u32, ..Span::default() };
    let receive = Payload {
        kind: Payload::KIND as u32,
        direction: RECEIVED,
        protocol: IPPROTO_UDP,
        arrived_ns: 1,
        ..Payload::default()
    };
    writer.push(&Record::Watermark(Watermark { at_ns: 1 })).expect("push");
    writer.push_events(&events::bytes(&span).repeat(EVENTS)).expect("push");
    writer.push_events(&[]).expect("nothing is no record");
    writer.push(&Record::Watermark(Watermark { at_ns: 2 })).expect("push");
    writer.push_events(events::bytes(&receive)).expect("push");
    writer.push(&Record::End(End { at_ns: 3, reason: "done".to_owned() })).expect("push");
    writer.finish_frame().expect("finish");
}

/// As a frame holds them.
fn with_header(events: &[u8]) -> Vec<u8> {
    [&record_header(records::EVENTS, events.len()), events].concat()
}

fn some_events() -> Vec<u8> {
    let span = Span { kind: Span::KIND as u32, ..Span::default() };
    let by_outsider = SpanByOutsider { span, stranger: *b"a name of sixtee" };
    let by_outsider =
        SpanByOutsider { span: Span { kind: SpanByOutsider::KIND as u32, ..span }, ..by_outsider };
    let payload = Payload { kind: Payload::KIND as u32, ..Payload::default() };
    [events::bytes(&span), events::bytes(&by_outsider), events::bytes(&payload)].concat()
}

#[test]
fn what_is_no_event_is_damage() {
    let event = events::bytes(&Arrival { kind: Arrival::KIND as u32, ..Arrival::default() }).to_vec();
    let frame = |events: &[u8]| packed(&with_header(events));
    assert_eq!(read(&frame(&event.repeat(3))), Some(3));
    assert_eq!(read(&frame(&event.repeat(3)[..50])), None, "the third is not whole");
    assert_eq!(read(&frame(&[9; 24])), None, "an unknown kind");
    assert_eq!(read(&frame(&[])), None, "no event at all");
}

#[test]
fn a_packed_capture_has_the_same_records_and_is_smaller() {
    let (folder, path) = written(&sample::records());
    let before = std::fs::read(&path).expect("it is there");
    pack(&path).expect("it can be packed");
    let after = std::fs::read(&path).expect("it is there");
    assert_eq!((read(&before), read(&after)), (Some(sample::records().len()), read(&before)));
    assert!(after.len() * 3 < before.len() * 2, "{} and {} bytes", before.len(), after.len());
    assert_eq!(folder.path().read_dir().expect("a folder").count(), 1, "nothing else is left");
    pack(&path).expect("once more");
    assert_eq!(std::fs::read(&path).expect("it is there"), after);
}

#[test]
fn what_cannot_be_packed_stays_as_it_is() {
    let (folder, path) = written(&sample::records());
    let mut damaged = std::fs::read(&path).expect("it is there");
    *damaged.last_mut().expect("not empty") ^= 1;
    std::fs::write(&path, &damaged).expect("damage it");
    let error = format!("{:#}", pack(&path).expect_err("its checksum differs"));
    assert!(error.contains("made.capture") && error.contains("checksum"), "{error}");
    assert_eq!(std::fs::read(&path).expect("it is there"), damaged);
    assert_eq!(folder.path().read_dir().expect("a folder").count(), 1, "nothing else is left");
}

/// In several frames, as a recording writes them.
fn written(records: &[Record]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("made.capture");
    let mut writer = Writer::create(&path).expect("create");
    for records in records.chunks(records.len().div_ceil(3)) {
        records.iter().try_for_each(|record| writer.push(record)).expect("push");
        writer.finish_frame().expect("finish");
    }
    (folder, path)
}

#[test]
fn no_damaged_file_ends_in_a_panic() {
    damage(&packed(&plain(&sample::records())));
}

#[test]
fn no_damaged_file_of_plain_frames_ends_in_a_panic() {
    let (_folder, path) = written(&sample::records());
    damage(&std::fs::read(&path).expect("it is there"));
}

fn damage(file: &[u8]) {
    let changes = vec((0..file.len(), any::<u8>()), 0..12);
    fuzz(&(changes, HEADER_BYTES..=file.len(), vec(any::<u8>(), 0..200)), |(changes, length, noise)| {
        let mut damaged = file.to_vec();
        changes.into_iter().for_each(|(at, byte)| damaged[at] = byte);
        read(&damaged[..length]);
        read(&[&file[..12], noise.as_slice()].concat());
    });
}

/// Checksums keep nobody from writing what he likes.
#[test]
fn no_hostile_record_ends_in_a_panic() {
    let plain = [plain(&sample::records()), with_header(&some_events())].concat();
    let changes = vec((0..plain.len(), any::<u8>()), 0..6);
    fuzz(&(changes, 0..=plain.len(), vec(any::<u8>(), 0..100)), |(changes, length, noise)| {
        let mut hostile = plain.clone();
        changes.into_iter().for_each(|(at, byte)| hostile[at] = byte);
        hostile.truncate(length);
        read(&packed(&hostile));
        let header = record_header(u32::from(noise.first().copied().unwrap_or_default()), noise.len());
        read(&packed(&[&header, noise.as_slice()].concat()));
    });
}

/// A kind that a newer writer has, between two that are known.
#[test]
fn unknown_kinds_are_skipped_and_counted() {
    let known =
        [Record::Watermark(Watermark { at_ns: 1 }), Record::End(End { at_ns: 3, reason: String::new() })];
    let [before, after] = [plain(&known[..1]), plain(&known[1..])];
    let unknown = [&record_header(0x7777, 5), b"newer".as_slice()].concat();
    let mut capture = of(packed(&[before, unknown.repeat(3), after].concat()));
    let found: Vec<Record> = std::iter::from_fn(|| capture.next().expect("whole")).collect();
    assert_eq!((found.as_slice(), capture.ending()), (known.as_slice(), Ending::Complete));
    assert_eq!(capture.skipped(), &[(0x7777, 3)].into());
}

/// Events have no length of their own: the start of the capture tells it.
#[test]
fn unknown_events_are_skipped_by_the_size_that_the_start_tells() {
    let Record::Start(mut start) = sample::start() else { panic!("a start") };
    start.layout.events.push(Kind { number: 99, name: "newer".to_owned(), size_bytes: 12 });
    let newer = [&99_u32.to_le_bytes(), b"12345678".as_slice()].concat();
    let known = events::bytes(&Arrival { kind: Arrival::KIND as u32, ..Arrival::default() }).to_vec();
    let events = with_header(&[known.clone(), newer.repeat(2), known].concat());
    let mut capture = of(packed(&[plain(&[Record::Start(start)]), events.clone()].concat()));
    let found: Vec<&str> = std::iter::from_fn(|| capture.next().expect("whole")).map(|r| r.name()).collect();
    assert_eq!(found, ["start", "arrival", "arrival"]);
    assert_eq!(capture.skipped(), &[(99, 2)].into());
    assert_eq!(read(&packed(&[plain(&[sample::start()]), events].concat())), None, "of an unknown size");
}

#[test]
fn every_kind_has_a_number_of_its_own() {
    let mut numbers: Vec<u32> = Record::KINDS.iter().map(|(number, _)| *number).collect();
    numbers.dedup();
    assert!(numbers.is_sorted() && numbers.len() == Record::KINDS.len());
    assert!(numbers.iter().all(|number| *number < records::EVENTS));
}

fn of(bytes: Vec<u8>) -> Capture<std::io::Cursor<Vec<u8>>> {
    Capture::new(std::io::Cursor::new(bytes), "made.capture".to_owned()).expect("a capture")
}
