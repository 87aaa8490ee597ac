//! Hostile captures. What their values mean is not looked at here.

use proptest::{collection::vec, prelude::any};

use super::{Capture, HEADER_BYTES, MAGIC, Record, VERSION};
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
