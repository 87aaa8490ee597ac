//! A stub of a node, for tests: answers each connection with recorded bytes, whatever it was asked.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// Longer than a client in a test waits.
const DEAF_FOR: Duration = Duration::from_secs(10);

/// What one connection gets.
pub struct Answer {
    pub bytes: Vec<u8>,
    pub then: Then,
    /// How long it is thought about.
    pub after: Duration,
}

pub enum Then {
    Close,
    /// Neither bytes nor an end, until the client goes.
    Stall,
    /// For a while, and the body of the request is not read either.
    Deaf,
}

/// What a client sent: the head, and how long the body was.
pub struct Request {
    pub head: String,
    pub body_bytes: u64,
}

/// An answer with this JSON.
pub fn json(body: &str) -> Answer {
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    Answer { bytes: format!("{head}{body}").into_bytes(), then: Then::Close, after: Duration::ZERO }
}

/// A recorded answer: what `curl -i` showed, behind the command if that was noted.
pub fn recorded(exchange: &[u8]) -> Answer {
    let start = exchange.windows(5).position(|bytes| bytes == b"HTTP/").expect("no HTTP in the recording");
    Answer { bytes: exchange[start..].to_vec(), then: Then::Close, after: Duration::ZERO }
}

/// Serves one connection for each answer, in order.
pub fn serve(answers: Vec<Answer>) -> (SocketAddr, Receiver<Request>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, requests) = mpsc::channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let request = read_request(&mut stream, !matches!(answer.then, Then::Deaf));
            // The test may have seen enough.
            let _ = tell.send(request);
            thread::sleep(answer.after);
            let _ = stream.write_all(&answer.bytes);
            match answer.then {
                Then::Close => (),
                Then::Stall => drop(stream.read(&mut [0])),
                // A read would make room for more of the body.
                Then::Deaf => thread::sleep(DEAF_FOR),
            }
        }
    });
    (address, requests)
}

fn read_request(stream: &mut TcpStream, with_body: bool) -> Request {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = stream.take(length.filter(|_| with_body).unwrap_or(0));
    let body_bytes = std::io::copy(&mut body, &mut std::io::sink()).unwrap();
    Request { head, body_bytes }
}
