//! The driver against a stub, which answers as nodes of v0.2.5 and of mid-2026 did.

mod control;
mod http;

use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::rest::{Limits, Rest};
use super::stub::{Answer, Request, Then, recorded, serve};

const DEBUG_INFO: &[u8] = include_bytes!("../../../../../tests/fixtures/codex-v0.2.5/debug-info.http");
const NOT_FOUND: &[u8] = include_bytes!("../../../../../tests/fixtures/codex-v0.2.5/exists.http");
const PEER_ID_TEXT: &[u8] = include_bytes!("../../../../../tests/fixtures/codex-v0.2.5/peerid-text.http");
const STREAM_HEAD: &[u8] =
    include_bytes!("../../../../../tests/fixtures/codex-v0.2.5/network-stream-head.http");

/// Of the recorded head of a stream.
const STREAM_BYTES: u64 = 1_048_577;
/// `head -c 1048577 /dev/zero | tr '\0' x | xxh128sum`
const STREAM_CHECKSUM: &str = "xxh128:46f0a2df4d5e633874f5b1b5c6b330cb";

/// For answers that never come; those that do may be late on a busy machine.
const SHORT: Duration = Duration::from_secs(1);
const LIMITS: Limits = Limits { answer: SHORT, stored: SHORT, found: SHORT, stall: SHORT };

/// A client of a stub that tells of itself first, and then answers so.
fn client(answers: Vec<Answer>) -> (Rest, Receiver<Request>) {
    let (address, requests) = serve([recorded(DEBUG_INFO)].into_iter().chain(answers).collect());
    (Rest::new(address, LIMITS), requests)
}

/// The head of a stream, and so many bytes of it.
fn part_of_stream(bytes: u64, then: Then) -> Answer {
    let mut answer = recorded(STREAM_HEAD);
    answer.bytes.resize(answer.bytes.len() + bytes as usize, b'x');
    Answer { then, ..answer }
}

#[track_caller]
fn check_error<T>(result: anyhow::Result<T>, has: &[&str]) {
    let error = format!("{:#}", result.err().expect("no error"));
    for part in has {
        assert!(error.contains(part), "{part:?} is missing in: {error}");
    }
}
