//! Messages as zlib makes and reads them.

use serde_json::json;

use super::rpc::{message, unpack};

/// `[1, 7, {"state": "Seeding"}]`, by zlib 1.2.13 at its default level, which is Deluge's.
const ANSWER: [u8; 26] = [
    120, 156, 59, 204, 200, 158, 222, 90, 92, 146, 88, 146, 218, 30, 156, 154, 154, 146, 153, 151, 14, 0, 66,
    1, 7, 31,
];
/// A list of 4,096 times `x`, by the same.
const REPETITIVE: [u8; 36] = [
    120, 156, 237, 193, 65, 9, 0, 64, 8, 0, 176, 74, 247, 144, 3, 77, 102, 61, 155, 217, 67, 182, 77, 188,
    252, 213, 0, 0, 0, 192, 121, 11, 61, 189, 130, 56,
];

#[test]
fn a_request_is_what_zlib_makes_of_it_at_level_0() {
    let body = [120, 1, 1, 7, 0, 248, 255, 193, 196, 1, 129, 97, 192, 102, 14, 248, 3, 143];
    let found = message(&json!([[1, "a", [], {}]])).unwrap();
    assert_eq!(found, [&[1, 0, 0, 0, 18], &body[..]].concat());
}

#[test]
fn a_request_may_be_larger_than_a_block() {
    let torrent = json!(["x".repeat(200_000)]);
    let found = message(&torrent).unwrap();
    assert_eq!(found[1..5], (found.len() as u32 - 5).to_be_bytes());
    assert_eq!(unpack(&found[5..]).unwrap(), torrent);
}

#[test]
fn answers_are_read_as_zlib_writes_them() {
    assert_eq!(unpack(&ANSWER).unwrap(), json!([1, 7, { "state": "Seeding" }]));
    assert_eq!(unpack(&REPETITIVE).unwrap(), json!(["x".repeat(4096)]));
}

#[test]
fn what_zlib_would_not_read_is_an_error() {
    #[track_caller]
    fn check(body: &[u8], has: &str) {
        let error = format!("{:#}", unpack(body).expect_err("an error"));
        assert!(error.contains(has), "{has:?} is missing in: {error}");
    }
    for length in 0..ANSWER.len() {
        check(&ANSWER[..length], "uncompress it: InsufficientInput");
    }
    let mut damaged = ANSWER;
    damaged[25] ^= 1;
    check(&damaged, "uncompress it: WrongChecksum");
    let too_large = vec![0; (4 << 20) + 1];
    check(&fdeflate::compress_to_vec(&too_large), "more than 4194304 bytes");
    // As large as it may be: read, and no value.
    check(&fdeflate::compress_to_vec(&too_large[1..]), "bytes follow the value");
}
