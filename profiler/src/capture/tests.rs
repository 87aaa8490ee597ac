//! Hostile captures. What their values mean is not looked at here.

use proptest::{collection::vec, prelude::any};

use super::{Capture, HEADER_BYTES, MAGIC, Record, Stack, VERSION, Writer, read as open};
use crate::{fuzz::fuzz, timeline::sample};

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
        let body = postcard::to_stdvec(record).expect("a record");
        plain.extend((body.len() as u32).to_le_bytes());
        plain.extend(body);
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
fn no_damaged_file_ends_in_a_panic() {
    let file = packed(&plain(&sample::records()));
    let changes = vec((0..file.len(), any::<u8>()), 0..12);
    fuzz(&(changes, HEADER_BYTES..=file.len(), vec(any::<u8>(), 0..200)), |(changes, length, noise)| {
        let mut damaged = file.clone();
        changes.into_iter().for_each(|(at, byte)| damaged[at] = byte);
        read(&damaged[..length]);
        read(&[&file[..12], noise.as_slice()].concat());
    });
}

/// Checksums keep nobody from writing what he likes.
#[test]
fn no_hostile_record_ends_in_a_panic() {
    let plain = plain(&sample::records());
    let changes = vec((0..plain.len(), any::<u8>()), 0..6);
    fuzz(&(changes, 0..=plain.len(), vec(any::<u8>(), 0..100)), |(changes, length, noise)| {
        let mut hostile = plain.clone();
        changes.into_iter().for_each(|(at, byte)| hostile[at] = byte);
        hostile.truncate(length);
        read(&packed(&hostile));
        let length = (noise.len() as u32).to_le_bytes();
        read(&packed(&[&length, noise.as_slice()].concat()));
    });
}
