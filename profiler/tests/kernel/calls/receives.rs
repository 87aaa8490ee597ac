//! Calls that receive, over TCP.

use std::{
    io::{self, Read as _},
    os::fd::{AsRawFd as _, OwnedFd},
};

use super::{
    Row,
    Side::Receives,
    check,
    messages::{self, Message},
    pair::{Pair, STREAM_BYTES, file, moved, read_all, wait_for_more},
};

const ROWS: &[Row] = &[
    ("recv", Receives(|socket| until_the_end(|buffer| recv(socket, buffer, 0)))),
    ("read", Receives(read_all)),
    ("readv", Receives(readv)),
    ("recvmsg", Receives(recvmsg)),
    ("recvmmsg", Receives(recvmmsg)),
    ("MSG_PEEK before each recv", Receives(peek)),
    ("MSG_TRUNC", Receives(truncate)),
    ("MSG_WAITALL", Receives(wait_for_all)),
    ("MSG_DONTWAIT with EAGAIN", Receives(without_waiting)),
];

#[test]
fn every_call_that_receives_on_a_tcp_socket() {
    check("TCP", Pair::tcp, &[ROWS]);
}

pub fn recv(socket: &OwnedFd, buffer: &mut [u8], flags: i32) -> isize {
    // SAFETY: the memory and its length belong together.
    unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags) }
}

/// Adds up the results until one is 0.
fn until_the_end(mut receive: impl FnMut(&mut [u8]) -> isize) -> u64 {
    let (mut buffer, mut received) = (vec![0; 70_001], 0);
    loop {
        match moved(receive(&mut buffer)) {
            0 => return received,
            bytes => received += bytes,
        }
    }
}

fn readv(socket: &OwnedFd) -> u64 {
    let message = Message::of(&[1, 1000, 50_000]);
    // SAFETY: vectors of live memory.
    until_the_end(|_| unsafe {
        libc::readv(socket.as_raw_fd(), message.vectors.as_ptr(), message.vectors.len() as i32)
    })
}

fn recvmsg(socket: &OwnedFd) -> u64 {
    let mut message = Message::of(&[1, 1000, 50_000]);
    until_the_end(|_| messages::receive(socket, &mut message, 0))
}

fn recvmmsg(socket: &OwnedFd) -> u64 {
    let mut into = [Message::of(&[10_000]), Message::of(&[1, 20_000])];
    let mut received = 0;
    loop {
        // A message of 0 bytes is the end of the stream.
        match messages::receive_many(socket, &mut into, libc::MSG_WAITFORONE) {
            (_, 0) => return received,
            (_, bytes) => received += bytes,
        }
    }
}

fn peek(socket: &OwnedFd) -> u64 {
    until_the_end(|buffer| {
        let seen = recv(socket, buffer, libc::MSG_PEEK);
        let got = recv(socket, buffer, 0);
        assert!(got >= seen, "what was seen can be taken");
        got
    })
}

/// Throws the bytes away, and counts them.
fn truncate(socket: &OwnedFd) -> u64 {
    until_the_end(|buffer| recv(socket, buffer, libc::MSG_TRUNC))
}

fn wait_for_all(socket: &OwnedFd) -> u64 {
    let mut all = vec![0; STREAM_BYTES];
    moved(recv(socket, &mut all, libc::MSG_WAITALL)) + file(socket).read(&mut [0]).unwrap() as u64
}

fn without_waiting(socket: &OwnedFd) -> u64 {
    let (mut received, mut refused, mut buffer) = (0, 0, vec![0; 9_999]);
    loop {
        let result = recv(socket, &mut buffer, libc::MSG_DONTWAIT);
        if result == -1 && io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock {
            refused += 1;
            wait_for_more(socket);
            continue;
        }
        match moved(result) {
            0 => break,
            bytes => received += bytes,
        }
    }
    println!("{refused} receives found nothing");
    received
}
