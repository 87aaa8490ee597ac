//! Each call, and what can go wrong with it.

use std::io::Read;
use std::time::{Duration, Instant};

use super::super::intake;
use super::super::rest::{From, Limits, Rest};
use super::super::stub::{Answer, Then, json, recorded, serve};
use super::{
    DEBUG_INFO, NOT_FOUND, PEER_ID_TEXT, STREAM_BYTES, STREAM_CHECKSUM, check_error, client, part_of_stream,
};
use crate::bench::dataset::stream;

const PEER_ID_JSON: &[u8] = include_bytes!("../../../../../tests/fixtures/codex-v0.2.5/peerid-json.http");
const SPR_JSON: &[u8] = include_bytes!("../../../../../tests/fixtures/codex-v0.2.5/spr-json.http");
const SPR_TEXT: &[u8] = include_bytes!("../../../../../tests/fixtures/codex-v0.2.5/spr-text.http");
const BAD_CID: &[u8] = include_bytes!("../../../../../tests/fixtures/codex-v0.2.5/bad-cid.http");
const UPLOADED: &[u8] = include_bytes!("../../../../../tests/fixtures/codex-v0.2.5/upload-plain.http");
const UPLOADED_NAMED: &[u8] = include_bytes!("../../../../../tests/fixtures/codex-v0.2.5/upload-named.http");
const BAD_TYPE: &[u8] = include_bytes!("../../../../../tests/fixtures/codex-v0.2.5/upload-bad-type.http");
const EMPTY: &[u8] = include_bytes!("../../../../../tests/fixtures/codex-v0.2.5/upload-empty.http");

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
    check_error(
        rest.stream("zDvNotACid", From::Network).map(drop),
        &["zDvNotACid", "answered 400", "Incorrect Cid"],
    );
}

#[test]
fn no_answer_at_all_is_an_error_in_time() {
    let silent = || Answer { bytes: Vec::new(), then: Then::Stall, after: Duration::ZERO };
    let (mut rest, _requests) = client(vec![silent()]);
    check_error(
        rest.stream("zDvUnknown", From::Network).map(drop),
        &["zDvUnknown", "did not answer in time"],
    );
    let (mut rest, _requests) = client(vec![silent()]);
    check_error(rest.upload(&mut &b"x"[..], 1), &["/data", "did not answer in time"]);
    let (address, _requests) = serve(vec![silent()]);
    let limits = Limits { answer: Duration::from_millis(300), ..Limits::default() };
    check_error(Rest::new(address, limits).debug_info(), &["debug/info", "did not answer in time"]);
}

#[test]
fn an_answer_that_stalls_or_is_cut_short_is_an_error() {
    let begun = |then| {
        let mut answer = recorded(SPR_TEXT);
        answer.bytes.truncate(answer.bytes.len() - 20);
        let (mut rest, _requests) = client(vec![Answer { then, ..answer }]);
        rest.text_or_field("spr", "spr")
    };
    check_error(begun(Then::Stall), &["read the answer of", "/spr", "timeout"]);
    check_error(begun(Then::Close), &["read the answer of", "/spr"]);
    let (mut rest, _requests) = client(vec![json(r#"{ "other": 1 }"#)]);
    check_error(rest.text_or_field("spr", "spr"), &["/spr has no text `spr`"]);
    let (mut rest, _requests) = client(vec![json("stored")]);
    check_error(rest.upload(&mut &b"x"[..], 1), &["/data is no CID", "stored"]);
}

#[test]
fn an_upload_that_is_not_taken_is_an_error_in_time() {
    let (mut rest, _requests) =
        client(vec![Answer { bytes: Vec::new(), then: Then::Deaf, after: Duration::ZERO }]);
    let started = Instant::now();
    let size_bytes = 64 << 20;
    let content = &mut std::io::repeat(b'x').take(size_bytes);
    check_error(rest.upload(content, size_bytes), &["/data", "did not answer in time"]);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[test]
fn a_stream_is_hashed_as_it_comes() {
    let (mut rest, _requests) = client(vec![part_of_stream(STREAM_BYTES, Then::Close)]);
    let mut told = Vec::new();
    let received = stream::receive(rest.stream("zDv", From::Network).unwrap(), STREAM_BYTES, |sample| {
        told.push(sample.bytes);
        Ok(())
    });
    assert_eq!(received.unwrap().checksum, STREAM_CHECKSUM);
    assert_eq!((told[0], told.last()), (0, Some(&STREAM_BYTES)));
    assert!(told.is_sorted());
}

#[test]
fn a_stream_that_stalls_or_ends_early_is_an_error() {
    let receive = |then| {
        let (mut rest, _requests) = client(vec![part_of_stream(1000, then)]);
        stream::receive(rest.stream("zDv", From::Network).unwrap(), STREAM_BYTES, |_| Ok(()))
    };
    check_error(receive(Then::Stall), &["after 1000 of 1048577 bytes", "zDv/network/stream", "timeout"]);
    check_error(receive(Then::Close), &["after 1000 of 1048577 bytes", "zDv/network/stream"]);
    // A file that is longer than the stream.
    let (mut rest, _requests) = client(vec![part_of_stream(STREAM_BYTES, Then::Close)]);
    check_error(
        stream::receive(rest.stream("zDv", From::Network).unwrap(), STREAM_BYTES + 1, |_| Ok(())),
        &["ended after 1048577 of 1048578 bytes"],
    );
    // And one that is shorter.
    let (mut rest, _requests) = client(vec![part_of_stream(STREAM_BYTES, Then::Close)]);
    check_error(
        stream::receive(rest.stream("zDv", From::Network).unwrap(), STREAM_BYTES - 1, |_| Ok(())),
        &["more than the 1048576 bytes"],
    );
}
