//! The HTTP layer against what a node of era A, v0.2.5, answered.

use std::time::Duration;

use super::rest::{Limits, Rest};
use super::stub::{self, Answer, Then, recorded, serve};
use super::{era, intake};
use crate::bench::stream;

const DEBUG_INFO: &[u8] = include_bytes!("../../../../tests/fixtures/codex-v0.2.5/debug-info.http");
const PEER_ID_JSON: &[u8] = include_bytes!("../../../../tests/fixtures/codex-v0.2.5/peerid-json.http");
const PEER_ID_TEXT: &[u8] = include_bytes!("../../../../tests/fixtures/codex-v0.2.5/peerid-text.http");
const SPR_JSON: &[u8] = include_bytes!("../../../../tests/fixtures/codex-v0.2.5/spr-json.http");
const SPR_TEXT: &[u8] = include_bytes!("../../../../tests/fixtures/codex-v0.2.5/spr-text.http");
const STREAM_HEAD: &[u8] = include_bytes!("../../../../tests/fixtures/codex-v0.2.5/network-stream-head.http");
const NOT_FOUND: &[u8] = include_bytes!("../../../../tests/fixtures/codex-v0.2.5/exists.http");
const BAD_CID: &[u8] = include_bytes!("../../../../tests/fixtures/codex-v0.2.5/bad-cid.http");
const UPLOADED: &[u8] = include_bytes!("../../../../tests/fixtures/codex-v0.2.5/upload-plain.http");
const UPLOADED_NAMED: &[u8] = include_bytes!("../../../../tests/fixtures/codex-v0.2.5/upload-named.http");
const BAD_TYPE: &[u8] = include_bytes!("../../../../tests/fixtures/codex-v0.2.5/upload-bad-type.http");
const EMPTY: &[u8] = include_bytes!("../../../../tests/fixtures/codex-v0.2.5/upload-empty.http");

/// Of the recorded head of a stream.
const STREAM_BYTES: u64 = 1_048_577;

/// A client of a stub that tells of itself first, and then answers so.
fn client(answers: Vec<Answer>) -> (Rest, std::sync::mpsc::Receiver<stub::Request>) {
    let (address, requests) = serve([recorded(DEBUG_INFO)].into_iter().chain(answers).collect());
    let short = Duration::from_millis(300);
    (Rest::new(address, Limits { answer: short, stored: short, found: short, stall: short }), requests)
}

/// The head of a stream, and so many bytes of it.
fn part_of_stream(bytes: u64, then: Then) -> Answer {
    let mut answer = recorded(STREAM_HEAD);
    answer.bytes.resize(answer.bytes.len() + bytes as usize, b'x');
    Answer { bytes: answer.bytes, then }
}

#[track_caller]
fn check_error<T>(result: anyhow::Result<T>, has: &[&str]) {
    let error = format!("{:#}", result.err().expect("no error"));
    for part in has {
        assert!(error.contains(part), "{part:?} is missing in: {error}");
    }
}

#[test]
fn the_version_is_the_last_tag() {
    let (mut rest, requests) = client(Vec::new());
    let (base, info) = rest.debug_info().unwrap();
    let version = era::version(base, era::Listen::Multiaddress, &info).unwrap();
    assert_eq!(version, "v0.2.5 (36f64ad3, era A)");
    assert!(requests.recv().unwrap().head.starts_with("get /api/codex/v1/debug/info "));
}

#[test]
fn a_base_that_is_not_found_is_followed_by_the_next() {
    let (address, requests) = serve(vec![recorded(NOT_FOUND), recorded(DEBUG_INFO)]);
    let (base, _) = Rest::new(address, Limits::default()).debug_info().unwrap();
    assert_eq!(base, "/api/storage/v1");
    assert!(requests.iter().nth(1).unwrap().head.starts_with("get /api/storage/v1/debug/info "));

    let (address, _requests) = serve(vec![recorded(NOT_FOUND), recorded(NOT_FOUND)]);
    check_error(Rest::new(address, Limits::default()).debug_info(), &["none of the APIs", "/api/storage/v1"]);
}

#[test]
fn json_and_plain_text_say_the_same() {
    let check = |exchange, path, field, expected: &str| {
        let (mut rest, _requests) = client(vec![recorded(exchange)]);
        let found = rest.text_or_field(path, field).unwrap();
        assert!(found.starts_with(expected), "{found}");
    };
    for exchange in [PEER_ID_JSON, PEER_ID_TEXT] {
        check(exchange, "peerid", "id", "16Uiu2HAm9ejk155wd6PjHAYsT5TENRU8gEY9wCeEJWG5RicBM1RJ");
    }
    for exchange in [SPR_JSON, SPR_TEXT] {
        check(exchange, "spr", "spr", "spr:CiUIAhIhAtNca-NZaFTz41ac982yDPCTtRFt6c4r2o");
    }
}

#[test]
fn an_upload_is_read_piece_by_piece_and_told_of() {
    const FILE_BYTES: u64 = 32 << 20;
    for exchange in [UPLOADED, UPLOADED_NAMED] {
        let (mut rest, requests) = client(vec![recorded(exchange)]);
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(FILE_BYTES).unwrap();
        let mut told = Vec::new();
        let cid = intake::upload(&mut rest, file.path(), &mut |sample| {
            told.push(sample.bytes);
            Ok(())
        });
        assert!(cid.unwrap().starts_with("zDvZRwz"));
        let request = requests.iter().nth(1).unwrap();
        assert!(request.head.starts_with("post /api/codex/v1/data "), "{}", request.head);
        assert!(request.head.contains("content-type: application/octet-stream"), "{}", request.head);
        assert_eq!(request.body_bytes, FILE_BYTES);
        assert_eq!((told[0], told.last()), (0, Some(&FILE_BYTES)));
        let largest = told.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(largest <= Some(1 << 20), "the file was not read in pieces: {largest:?}");
    }
}

#[test]
fn refusals_keep_their_words_whatever_their_type() {
    let upload = |exchange| {
        let (mut rest, _requests) = client(vec![recorded(exchange)]);
        rest.upload(&mut &b"x"[..], 1)
    };
    check_error(upload(BAD_TYPE), &["/data answered 415 Unsupported Media Type"]);
    check_error(upload(EMPTY), &["answered 500", "Request do not have body available"]);
    let (mut rest, _requests) = client(vec![recorded(BAD_CID)]);
    check_error(rest.stream("zDvNotACid").map(drop), &["zDvNotACid", "answered 400", "Incorrect Cid"]);
}

#[test]
fn no_answer_at_all_is_an_error_in_time() {
    let silent = || Answer { bytes: Vec::new(), then: Then::Stall };
    let (mut rest, _requests) = client(vec![silent()]);
    check_error(rest.stream("zDvUnknown").map(drop), &["zDvUnknown", "did not answer in time"]);
    let (mut rest, _requests) = client(vec![silent()]);
    check_error(rest.upload(&mut &b"x"[..], 1), &["/data", "did not answer in time"]);
    let (address, _requests) = serve(vec![silent()]);
    let limits = Limits { answer: Duration::from_millis(300), ..Limits::default() };
    check_error(Rest::new(address, limits).debug_info(), &["debug/info", "did not answer in time"]);
}

#[test]
fn a_stream_is_hashed_as_it_comes() {
    let (mut rest, _requests) = client(vec![part_of_stream(STREAM_BYTES, Then::Close)]);
    let mut told = Vec::new();
    let received = stream::receive(rest.stream("zDv").unwrap(), STREAM_BYTES, |sample| {
        told.push(sample.bytes);
        Ok(())
    });
    // `head -c 1048577 /dev/zero | tr '\0' x | sha256sum`
    assert_eq!(received.unwrap().sha256, "154b8ed3c2383ce429058768595935faf7851b5c38db2b1732594be1d88bc05a");
    assert_eq!((told[0], told.last()), (0, Some(&STREAM_BYTES)));
    assert!(told.is_sorted());
}

#[test]
fn a_stream_that_stalls_or_ends_early_is_an_error() {
    let receive = |then| {
        let (mut rest, _requests) = client(vec![part_of_stream(1000, then)]);
        stream::receive(rest.stream("zDv").unwrap(), STREAM_BYTES, |_| Ok(()))
    };
    check_error(receive(Then::Stall), &["after 1000 of 1048577 bytes", "zDv/network/stream", "timeout"]);
    check_error(receive(Then::Close), &["after 1000 of 1048577 bytes", "zDv/network/stream"]);
    // A file that is longer than the stream.
    let (mut rest, _requests) = client(vec![part_of_stream(STREAM_BYTES, Then::Close)]);
    check_error(
        stream::receive(rest.stream("zDv").unwrap(), STREAM_BYTES + 1, |_| Ok(())),
        &["ended after 1048577 of 1048578 bytes"],
    );
    // And one that is shorter.
    let (mut rest, _requests) = client(vec![part_of_stream(STREAM_BYTES, Then::Close)]);
    check_error(
        stream::receive(rest.stream("zDv").unwrap(), STREAM_BYTES - 1, |_| Ok(())),
        &["more than the 1048576 bytes"],
    );
}
