//! The driver against a stub, which answers as Transmission 3.00 does, or as no server should.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::bittorrent::Client as _;
use super::rpc::Rpc;
use super::{Client, STATUS_SEEDING};

/// Of an answer that never comes; those that do may be late on a busy machine.
const SHORT: Duration = Duration::from_secs(1);

const CONFLICT: &str =
    "HTTP/1.1 409 Conflict\r\nX-Transmission-Session-Id: abc\r\nContent-Length: 9\r\n\r\n<h1>409: ";
const PROGRESS: &str = r#"{"arguments":{"torrents":[{"error":0,"errorString":"","haveUnchecked":3,"haveValid":4}]},"result":"success"}"#;

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nServer: Transmission\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Serves one connection after the other: for each, so many requests get these answers, and then it is closed. Tells
/// of each request, with the number of its connection. An answer that is empty is none: the stub waits for the client
/// to go.
fn serve(connections: Vec<Vec<String>>) -> (SocketAddr, Receiver<(usize, String)>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, requests) = mpsc::channel();
    thread::spawn(move || {
        for (number, answers) in connections.into_iter().enumerate() {
            let (mut stream, _) = listener.accept().unwrap();
            for answer in answers {
                let Some(request) = read_request(&mut stream) else { break };
                // The test may have seen enough.
                let _ = tell.send((number, request));
                match answer.is_empty() {
                    true => drop(stream.read(&mut [0])),
                    false => answer.split_inclusive('|').for_each(|part| send(&mut stream, part)),
                }
            }
        }
    });
    (address, requests)
}

/// Sends a part of an answer; one that ends in a `|`, without it and long before the next.
fn send(stream: &mut TcpStream, part: &str) {
    let _ = stream.write_all(part.trim_end_matches('|').as_bytes());
    if part.ends_with('|') {
        thread::sleep(Duration::from_millis(20));
    }
}

/// Head and body; none if the client is gone.
fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let mut request = String::from_utf8(head).unwrap();
    let length = request.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    stream.take(length.parse().unwrap()).read_to_string(&mut request).ok()?;
    Some(request)
}

fn client(connections: Vec<Vec<String>>) -> (Client, Receiver<(usize, String)>) {
    let (address, requests) = serve(connections);
    (Client { rpc: Rpc::with_limit(address, SHORT) }, requests)
}

/// The progress that the client makes of one answer, which is the only one on its connection.
fn bytes_there(answer: &str) -> Result<u64> {
    client(vec![vec![answer.to_owned()]]).0.bytes_there()
}

#[track_caller]
fn check_error<T>(result: Result<T>, has: &[&str]) {
    let error = format!("{:#}", result.err().expect("no error"));
    for part in has {
        assert!(error.contains(part), "{part:?} is missing in: {error}");
    }
}

#[test]
fn the_id_of_a_refusal_is_repeated_from_then_on_and_the_connection_is_kept() {
    let (mut client, requests) = client(vec![vec![CONFLICT.to_owned(), ok(PROGRESS), ok(PROGRESS)]]);
    assert_eq!(client.bytes_there().unwrap(), 7);
    assert_eq!(client.bytes_there().unwrap(), 7);
    let requests: Vec<_> = requests.iter().collect();
    let has_id = |(connection, request): &(usize, String)| {
        let body = r#"{"method":"torrent-get","arguments":{"fields":["haveValid","haveUnchecked","error","errorString"]}}"#;
        assert!(*connection == 0 && request.starts_with("POST /transmission/rpc HTTP/1.1\r\n"), "{request}");
        assert!(request.ends_with(&format!("\r\n\r\n{body}")), "{request}");
        request.contains("X-Transmission-Session-Id: abc\r\n")
    };
    assert_eq!(requests.iter().map(has_id).collect::<Vec<_>>(), [false, true, true]);
}

#[test]
fn a_connection_that_the_server_closed_is_made_anew() {
    let close = ok(PROGRESS).replace("Server: Transmission", "Connection: Close");
    let (mut client, requests) = client(vec![vec![ok(PROGRESS)], vec![close], vec![ok(PROGRESS)]]);
    assert_eq!(client.bytes_there().unwrap(), 7);
    // Until its end has come.
    thread::sleep(Duration::from_millis(100));
    assert_eq!(client.bytes_there().unwrap(), 7);
    assert_eq!(client.bytes_there().unwrap(), 7);
    let connections: Vec<_> = requests.iter().map(|(connection, _)| connection).collect();
    assert_eq!(connections, [0, 1, 2]);
}

#[test]
fn what_follows_an_answer_is_not_taken_for_the_next() {
    let other = ok(&PROGRESS.replace('4', "9"));
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{PROGRESS}\r\n0\r\n\r\n",
        PROGRESS.len()
    );
    for answer in [ok(PROGRESS), chunked] {
        for stray in [format!("{answer}{other}"), format!("{answer}|{other}")] {
            // The first connection stays open for a second question.
            let (mut client, _requests) = client(vec![vec![stray, other.clone()], vec![ok(PROGRESS)]]);
            assert_eq!(client.bytes_there().unwrap(), 7);
            // Until it has come.
            thread::sleep(Duration::from_millis(100));
            assert_eq!(client.bytes_there().unwrap(), 7);
        }
    }
}

#[test]
fn an_answer_may_come_in_pieces_in_chunks_or_without_a_length() {
    assert_eq!(bytes_there(&ok(PROGRESS).replace("\r\n", "\r|\n").replace(':', "|:")).unwrap(), 7);
    assert_eq!(bytes_there(&format!("HTTP/1.1 200 OK\r\n\r\n{PROGRESS}")).unwrap(), 7);
    assert_eq!(bytes_there(&format!("HTTP/1.0 200 OK\r\n\r\n|{PROGRESS}")).unwrap(), 7);

    let (first, second) = PROGRESS.split_at(20);
    let chunks = format!("14\r\n{first}\r\n{:x};name=value\r\n{second}\r\n0\r\n\r\n", second.len());
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    let (mut client, requests) =
        client(vec![vec![chunked.clone(), chunked.replace("\r\n", "\r|\n"), ok(PROGRESS)]]);
    for _ in 0..3 {
        assert_eq!(client.bytes_there().unwrap(), 7);
    }
    assert!(requests.iter().all(|(connection, _)| connection == 0));
}

#[test]
fn an_answer_that_does_not_come_is_an_error_in_time_and_the_next_has_a_new_connection() {
    let (mut client, _requests) = client(vec![vec![String::new()], vec![ok(PROGRESS)]]);
    check_error(client.bytes_there(), &["/transmission/rpc", "did not answer within 1s"]);
    assert_eq!(client.bytes_there().unwrap(), 7);
    // However many pieces come.
    check_error(bytes_there(&format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n|".repeat(60))), &["within 1s"]);
}

#[test]
fn what_is_no_answer_is_an_error() {
    let whole = ok(PROGRESS);
    check_error(bytes_there(&whole[..20]), &["/transmission/rpc", "closed the connection after 20 bytes"]);
    check_error(bytes_there(&whole[..whole.len() - 1]), &["closed the connection"]);
    check_error(bytes_there("SSH-2.0-OpenSSH\r\n\r\n"), &["parse the head"]);
    check_error(bytes_there(&ok("{")), &["parse the answer to torrent-get"]);
    let length = |length: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{PROGRESS}");
    check_error(bytes_there(&length("-1")), &["length is no number"]);
    check_error(bytes_there(&length("99999999999999999999")), &["length is no number"]);
    let encoded = |encoding: &str, body: &str| {
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {encoding}\r\n\r\n{body}")
    };
    check_error(bytes_there(&encoded("gzip, chunked", "0\r\n\r\n")), &["encoded"]);
    check_error(bytes_there(&encoded("chunked", "x\r\n\r\n")), &["size is no number"]);
    check_error(bytes_there(&encoded("chunked", "1\r\nabc\r\n")), &["does not end where it should"]);
    check_error(bytes_there(&encoded("chunked", "ffffffffffffffff\r\nabc")), &["closed the connection"]);
}

#[test]
fn refusals_are_told_in_the_servers_words() {
    let conflict = CONFLICT.replace("Session", "Other");
    check_error(bytes_there(&conflict), &["refused without a session id"]);
    check_error(
        bytes_there("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"),
        &["torrent-get", "HTTP 401"],
    );
    let refused = r#"{"arguments":{},"result":"no such method"}"#;
    check_error(bytes_there(&ok(refused)), &["refused torrent-get: no such method"]);
    check_error(bytes_there(&ok("{}")), &["refused torrent-get: no result in its answer"]);
    check_error(bytes_there(&ok(r#"{"result":"success"}"#)), &["parse the answer to torrent-get"]);
    let twice = CONFLICT.to_owned();
    let (mut client, _requests) = client(vec![vec![twice.clone(), twice]]);
    check_error(client.bytes_there(), &["torrent-get", "HTTP 409"]);
}

#[test]
fn only_an_error_of_the_node_itself_ends_a_transfer() {
    let failed = |error: &str| ok(&PROGRESS.replace(r#""error":0,"errorString":"""#, error));
    let error = bytes_there(&failed(r#""error":3,"errorString":"No space left on device""#));
    check_error(error, &["the client reports: No space left on device"]);
    assert_eq!(bytes_there(&failed(r#""error":2,"errorString":"tracker""#)).unwrap(), 7);
    check_error(bytes_there(&ok(&PROGRESS.replace("haveValid", "other"))), &["missing field `haveValid`"]);
    let nothing = ok(r#"{"arguments":{"torrents":[]},"result":"success"}"#);
    check_error(bytes_there(&nothing), &["parse the answer to torrent-get"]);
}

#[test]
fn a_node_seeds_when_its_file_is_whole_and_its_tracker_knows() {
    #[track_caller]
    fn check(status: u64, left: u64, trackers: &str, expected: bool) {
        let torrent = format!(
            r#"{{"error":0,"errorString":"","leftUntilDone":{left},"status":{status},"trackerStats":[{trackers}]}}"#
        );
        let answer = ok(&format!(r#"{{"arguments":{{"torrents":[{torrent}]}},"result":"success"}}"#));
        assert_eq!(client(vec![vec![answer]]).0.is_seeding().unwrap(), expected);
    }
    let known = r#"{"id":0,"lastAnnounceSucceeded":true}"#;
    check(STATUS_SEEDING, 0, known, true);
    check(STATUS_SEEDING, 1, known, false);
    check(4, 0, known, false);
    check(STATUS_SEEDING, 0, &known.replace("true", "false"), false);
    check(STATUS_SEEDING, 0, "", false);
}
