//! A stub of a node, for tests: answers each connection with recorded bytes, whatever it was asked.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;

/// What one connection gets.
pub struct Answer {
    pub bytes: Vec<u8>,
    pub then: Then,
}

pub enum Then {
    Close,
    /// Neither bytes nor an end, until the client goes.
    Stall,
}

/// What a client sent: the head, and how long the body was.
pub struct Request {
    pub head: String,
    pub body_bytes: u64,
}

/// A recorded answer: what `curl -i` showed, behind the command if that was noted.
pub fn recorded(exchange: &[u8]) -> Answer {
    let start = exchange.windows(5).position(|bytes| bytes == b"HTTP/").expect("no HTTP in the recording");
    Answer { bytes: exchange[start..].to_vec(), then: Then::Close }
}

/// Serves one connection for each answer, in order.
pub fn serve(answers: Vec<Answer>) -> (SocketAddr, Receiver<Request>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, requests) = mpsc::channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let request = read_request(&mut stream);
            // The test may have seen enough.
            let _ = tell.send(request);
            let _ = stream.write_all(&answer.bytes);
            if let Then::Stall = answer.then {
                let _ = stream.read(&mut [0]);
            }
        }
    });
    (address, requests)
}

fn read_request(stream: &mut TcpStream) -> Request {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = stream.take(length.unwrap_or(0));
    let body_bytes = std::io::copy(&mut body, &mut std::io::sink()).unwrap();
    Request { head, body_bytes }
}
