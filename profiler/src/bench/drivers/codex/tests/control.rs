//! How a node is known by others, and how its downloads are followed, with the answers of v0.2.5 and of mid-2026.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::super::Node;
use super::super::abilities::Abilities;
use super::super::rest::{Limits, Rest};
use super::super::stub::{Answer, Request, Then, json, recorded, serve};
use super::{
    DEBUG_INFO, LIMITS, NOT_FOUND, PEER_ID_TEXT, STREAM_BYTES, STREAM_CHECKSUM, check_error, part_of_stream,
};
use crate::bench::dataset::stream;
use crate::bench::drivers::{Control, Download};

const DEAD_BOOTSTRAP: &[u8] =
    include_bytes!("../../../../../tests/fixtures/codex-v0.2.5/debug-info-dead-bootstrap.http");

/// What nodes of mid-2026 answered.
mod later {
    pub const DEBUG_INFO: &[u8] = include_bytes!("../../../../../tests/fixtures/codex-2026/debug-info.http");
    pub const NETWORK_POST: &[u8] =
        include_bytes!("../../../../../tests/fixtures/codex-2026/network-post.http");
    pub const UNKNOWN_PROGRESS: &[u8] =
        include_bytes!("../../../../../tests/fixtures/codex-2026/progress-unknown.http");
    pub const FIRST: &[u8] =
        include_bytes!("../../../../../tests/fixtures/codex-2026/progress-tree-cid-first.http");
    pub const MIDDLE: &[u8] =
        include_bytes!("../../../../../tests/fixtures/codex-2026/progress-tree-cid-middle.http");
    pub const ENDED: &[u8] =
        include_bytes!("../../../../../tests/fixtures/codex-2026/progress-tree-cid-ended.http");
    pub const SPACE_AFTER: &[u8] =
        include_bytes!("../../../../../tests/fixtures/codex-2026/space-after.http");
    pub const UNKNOWN_CID: &[u8] =
        include_bytes!("../../../../../tests/fixtures/codex-2026/unknown-cid.http");
    pub const PEER_ID: &[u8] = include_bytes!("../../../../../tests/fixtures/codex-2026/peerid-text.http");
    pub const RECORD: &[u8] = include_bytes!("../../../../../tests/fixtures/codex-2026/spr-text.http");
    pub const UPLOADED: &[u8] = include_bytes!("../../../../../tests/fixtures/codex-2026/upload-plain.http");
    pub const BAD_TYPE: &[u8] =
        include_bytes!("../../../../../tests/fixtures/codex-2026/upload-bad-type.http");
}

/// Of the recorded POST.
const FETCHED_BYTES: u64 = 104_857_600;
const TREE: &str = "zdzsvjtf7zjyipkwwju2pwes61sfghkgaqzk6ay985gtzvncjctm";

/// For answers that come, on a busy machine too.
const LONG: Duration = Duration::from_secs(20);
const PATIENT: Limits = Limits { answer: LONG, stored: LONG, found: LONG, stall: LONG };

fn node_of(answers: Vec<Answer>, help: &str) -> (Node, Receiver<Request>) {
    let (address, requests) = serve(answers);
    (Node::new(Rest::new(address, PATIENT), Abilities::of_help(help)), requests)
}

/// A node of v0.2.5, which was asked what it can.
fn node(answers: Vec<Answer>) -> (Node, Receiver<Request>) {
    let told = [DEBUG_INFO, NOT_FOUND].map(recorded);
    let (mut node, requests) = node_of(told.into_iter().chain(answers).collect(), "--disc-port");
    assert_eq!(node.version().unwrap(), "v0.2.5 (36f64ad3; discovery over UDP, tells no progress)");
    (node, requests)
}

/// A node of mid-2026, which was.
fn later_node(answers: Vec<Answer>) -> (Node, Receiver<Request>) {
    let told = [NOT_FOUND, later::DEBUG_INFO, later::UNKNOWN_PROGRESS].map(recorded);
    let (mut node, requests) = node_of(told.into_iter().chain(answers).collect(), "--listen-ip");
    let version = node.version().unwrap();
    assert!(version.ends_with("; discovery over TCP, tells its progress)"), "{version}");
    (node, requests)
}

#[test]
fn a_node_is_known_by_its_peer_id() {
    let (mut known, _requests) = node([PEER_ID_TEXT, DEBUG_INFO, DEBUG_INFO].map(recorded).into());
    let identity = known.identity().unwrap();
    assert!(!known.knows(&identity).unwrap(), "the node itself is no other");
    assert!(known.knows("16Uiu2HAkyA54Kk3ZuUgZhPAGtCiX916DiGCUojUJQG87hHP7FYmk").unwrap());

    let (mut known, _requests) =
        later_node([later::PEER_ID, later::DEBUG_INFO, later::RECORD].map(recorded).into());
    let identity = known.identity().unwrap();
    assert!(identity.starts_with("16Uiu2HAm5Td6") && !known.knows(&identity).unwrap());
    assert!(known.contact().unwrap().starts_with("spr:"));
}

/// Why nobody asks a newcomer whom it knows: its bootstrap node had been killed before it was started.
#[test]
fn a_newcomer_lists_a_dead_bootstrap_node() {
    let (mut node, _requests) = node(vec![recorded(DEAD_BOOTSTRAP)]);
    assert!(node.knows("16Uiu2HAmDRidqDJDMKAD8Bwgki5PdhPWvQyLA35VdkeW5pCrmPPD").unwrap());
}

#[test]
fn a_node_that_tells_no_progress_is_followed_by_its_stream_and_fetches_nothing_beside() {
    let (mut node, requests) = node(vec![part_of_stream(STREAM_BYTES, Then::Close)]);
    let Download::Streamed(reader) = node.download("zDv").unwrap() else { panic!("no stream") };
    let received = stream::receive(reader, STREAM_BYTES, |_| Ok(())).unwrap();
    assert_eq!(received.checksum, STREAM_CHECKSUM);
    check_error(node.bytes_there(), &["not polled"]);
    let heads: Vec<_> = requests.try_iter().map(|request| request.head).collect();
    assert!(heads.iter().all(|head| head.starts_with("get ")), "something was fetched: {heads:?}");
    assert!(heads[2].starts_with("get /api/codex/v1/data/zdv/network/stream "), "{heads:?}");
}

#[test]
fn a_node_that_tells_its_progress_is_asked_by_the_trees_id() {
    let answers = [later::UPLOADED, later::NETWORK_POST, later::FIRST, later::MIDDLE, later::ENDED];
    let mut answers: Vec<_> = answers.map(recorded).into();
    answers.extend([recorded(later::SPACE_AFTER), part_of_stream(STREAM_BYTES, Then::Close)]);
    let (mut node, requests) = later_node(answers);
    let cid = node.rest.upload(&mut &b"x"[..], 1).unwrap();
    assert!(cid.starts_with("zDvZRwz"), "{cid}");
    assert!(matches!(node.download("zDv").unwrap(), Download::Held));
    let bytes: Vec<_> = (0..3).map(|_| node.bytes_there().unwrap()).collect();
    assert_eq!(bytes, [0, 48_234_496, FETCHED_BYTES], "the node has forgotten what was complete");
    assert_eq!(node.batch_bytes(), 1 << 20);
    let read = stream::receive(node.read_back("zDv").unwrap(), STREAM_BYTES, |_| Ok(()));
    assert_eq!(read.unwrap().checksum, STREAM_CHECKSUM);
    let heads: Vec<_> = requests.iter().skip(4).map(|request| request.head).collect();
    let progress = format!("get /api/storage/v1/data/{TREE}/network/progress/7 ");
    for (head, expected) in heads.iter().zip([
        "post /api/storage/v1/data/zdv/network ",
        &progress,
        &progress,
        &progress,
        "get /api/storage/v1/space ",
        "get /api/storage/v1/data/zdv ",
    ]) {
        assert!(head.starts_with(expected), "{head}");
    }
}

#[test]
fn a_download_that_ended_before_it_was_asked_for_is_complete() {
    let (mut node, _requests) =
        later_node([later::NETWORK_POST, later::ENDED, later::SPACE_AFTER].map(recorded).into());
    node.download("zDv").unwrap();
    assert_eq!(node.bytes_there().unwrap(), FETCHED_BYTES);
}

#[test]
fn a_node_that_fetches_and_names_no_id_is_asked_for_its_store() {
    let post = r#"{ "manifest": { "treeCid": "zDz", "datasetSize": 1000 } }"#;
    let space = |bytes: u64| json(&format!(r#"{{ "quotaUsedBytes": {bytes} }}"#));
    let (mut node, requests) = later_node(vec![json(post), space(0), space(400), space(1200)]);
    assert!(matches!(node.download("zDv").unwrap(), Download::Held), "a stream beside it moved 125 %");
    let bytes: Vec<_> = (0..3).map(|_| node.bytes_there().unwrap()).collect();
    assert_eq!(bytes, [0, 400, 1000]);
    assert!(!requests.try_iter().any(|request| request.head.contains("/stream ")));
}

/// The recorded one came after 27 s: it is waited for as long as an answer through the network may take.
#[test]
fn a_file_that_nobody_has_is_told_late_or_never() {
    let late = |then| Answer { then, after: Duration::from_millis(1500), ..recorded(later::UNKNOWN_CID) };
    let (mut node, _requests) = later_node(vec![late(Then::Close)]);
    check_error(node.download("zDv").map(drop), &["answered 404", "Failed to fetch manifest"]);
    let told = [NOT_FOUND, later::DEBUG_INFO, later::UNKNOWN_PROGRESS].map(recorded);
    let silent = Answer { bytes: Vec::new(), ..late(Then::Stall) };
    let (address, _requests) = serve(told.into_iter().chain([silent]).collect());
    let mut node = Node::new(Rest::new(address, LIMITS), Abilities::of_help(""));
    check_error(node.download("zDv").map(drop), &["/network", "did not answer in time"]);
}

#[test]
fn progress_that_makes_no_sense_is_an_error() {
    let ask = |answers: Vec<Answer>| {
        let all = [recorded(later::NETWORK_POST)].into_iter().chain(answers).collect();
        let (mut node, _requests) = later_node(all);
        node.download("zDv").unwrap();
        node.bytes_there()
    };
    check_error(ask(vec![json("{}")]), &["no flag `active`"]);
    check_error(ask(vec![json(r#"{ "active": true }"#)]), &["no number `bytes`"]);
    let nothing = vec![recorded(later::ENDED), json(r#"{ "quotaUsedBytes": 0 }"#)];
    check_error(ask(nothing), &["not known to the node", "0 of 104857600 bytes"]);
    check_error(ask(vec![recorded(later::ENDED), json("{}")]), &["no number `quotaUsedBytes`"]);
    check_error(ask(vec![json("<html>")]), &["parse the answer of", "/network/progress/7"]);
    let (mut node, _requests) = later_node(vec![json("{}")]);
    check_error(node.download("zDv").map(drop), &["manifest.datasetSize"]);
    let (mut node, _requests) = later_node(vec![recorded(later::BAD_TYPE)]);
    check_error(node.rest.upload(&mut &b"x"[..], 1), &["/data answered 422", "is not valid"]);
}
