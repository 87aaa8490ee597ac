//! How a node is known by others, and how its downloads are followed in each era.

use std::sync::mpsc::Receiver;

use super::super::rest::Rest;
use super::super::stub::{Answer, Request, Then, json, recorded, serve};
use super::super::{Node, era};
use super::{
    DEBUG_INFO, LIMITS, NOT_FOUND, PEER_ID_TEXT, STREAM_BYTES, STREAM_CHECKSUM, check_error, part_of_stream,
};
use crate::bench::dataset::stream;
use crate::bench::drivers::{Control, Download};

const DEAD_BOOTSTRAP: &[u8] =
    include_bytes!("../../../../../tests/fixtures/codex-v0.2.5/debug-info-dead-bootstrap.http");
const NETWORK_POST: &[u8] = include_bytes!("../../../../../tests/fixtures/codex-v0.2.5/network-post.http");

/// A node whose stub tells of itself at the API base of era A, or of the later ones.
fn node(is_later: bool, answers: Vec<Answer>) -> (Node, Receiver<Request>) {
    let before = if is_later { vec![recorded(NOT_FOUND)] } else { Vec::new() };
    let told = before.into_iter().chain([recorded(DEBUG_INFO)]);
    let (address, requests) = serve(told.chain(answers).collect());
    let rest = Rest::new(address, LIMITS);
    (Node { rest, listen: era::Listen::Multiaddress, fetch: None }, requests)
}

#[test]
fn a_node_is_known_by_its_peer_id() {
    let (mut node, _requests) =
        node(false, vec![recorded(PEER_ID_TEXT), recorded(DEBUG_INFO), recorded(DEBUG_INFO)]);
    let identity = node.identity().unwrap();
    assert!(!node.knows(&identity).unwrap(), "the node itself is no other");
    assert!(node.knows("16Uiu2HAkyA54Kk3ZuUgZhPAGtCiX916DiGCUojUJQG87hHP7FYmk").unwrap());
}

/// Why nobody asks a newcomer whom it knows: its bootstrap node had been killed before it was started.
#[test]
fn a_newcomer_lists_a_dead_bootstrap_node() {
    let (mut node, _requests) = node(false, vec![recorded(DEAD_BOOTSTRAP)]);
    node.version().unwrap();
    assert!(node.knows("16Uiu2HAmDRidqDJDMKAD8Bwgki5PdhPWvQyLA35VdkeW5pCrmPPD").unwrap());
}

#[test]
fn era_a_is_followed_by_its_stream() {
    let (mut node, requests) = node(false, vec![part_of_stream(1000, Then::Close)]);
    assert!(matches!(node.download("zDv").unwrap(), Download::Streamed(_)));
    let head = requests.iter().nth(1).unwrap().head;
    assert!(head.starts_with("get /api/codex/v1/data/zdv/network/stream "), "{head}");
}

/// As the documents have it: no node that tells of its progress was seen live.
#[test]
fn later_eras_are_asked_for_their_progress() {
    let (mut node, requests) = node(
        true,
        vec![
            json(r#"{ "downloadId": 7 }"#),
            json(r#"{ "active": true, "received": 1, "total": 16, "bytes": 65536 }"#),
            json(r#"{ "active": false, "received": 0, "total": 0, "bytes": 0 }"#),
            json(r#"{ "quotaUsedBytes": 1048577 }"#),
            part_of_stream(STREAM_BYTES, Then::Close),
        ],
    );
    assert!(matches!(node.download("zDv").unwrap(), Download::Held));
    assert_eq!(node.bytes_there().unwrap(), 65536);
    assert_eq!(node.bytes_there().unwrap(), 1_048_577, "the node has forgotten what was complete");
    let read = stream::receive(node.read_back("zDv").unwrap(), STREAM_BYTES, |_| Ok(()));
    assert_eq!(read.unwrap().checksum, STREAM_CHECKSUM);
    let heads: Vec<_> = requests.iter().skip(2).map(|request| request.head).collect();
    for (head, expected) in heads.iter().zip([
        "post /api/storage/v1/data/zdv/network ",
        "get /api/storage/v1/data/zdv/network/progress/7 ",
        "get /api/storage/v1/data/zdv/network/progress/7 ",
        "get /api/storage/v1/space ",
        "get /api/storage/v1/data/zdv ",
    ]) {
        assert!(head.starts_with(expected), "{head}");
    }
}

#[test]
fn a_later_node_without_progress_is_followed_by_its_stream() {
    let (mut node, _requests) = node(true, vec![recorded(NETWORK_POST), part_of_stream(1000, Then::Close)]);
    assert!(matches!(node.download("zDv").unwrap(), Download::Streamed(_)));
    check_error(node.bytes_there(), &["not polled"]);
}

#[test]
fn progress_that_makes_no_sense_is_an_error() {
    let ask = |answer| {
        let (mut node, _requests) = node(true, vec![json(r#"{ "downloadId": "a-b" }"#), json(answer)]);
        node.download("zDv").unwrap();
        node.bytes_there()
    };
    check_error(ask("{}"), &["no flag `active`"]);
    check_error(ask(r#"{ "active": true }"#), &["no number `bytes`"]);
    check_error(ask(r#"{ "active": false }"#), &["knows nothing of the download"]);
    check_error(ask("<html>"), &["parse the answer of", "/network/progress/a-b"]);
}
