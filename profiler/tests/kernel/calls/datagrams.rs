//! Calls that receive datagrams, and datagrams that are put together or taken apart.

use std::{
    io::{Read as _, Write as _},
    os::fd::{AsRawFd as _, OwnedFd},
};

use super::{
    Row,
    Side::{Both, Receives},
    check,
    messages::{self, Message},
    pair::{DATAGRAM_BYTES, DATAGRAMS, Pair, file, moved, set_option},
    receives::recv,
    splices::splice_out,
};

const ROWS: &[Row] = &[
    ("recv", Receives(|socket| each(|buffer| recv(socket, buffer, 0)))),
    (
        "read",
        Receives(|socket| (0..DATAGRAMS).map(|_| file(socket).read(&mut [0; 9000]).unwrap() as u64).sum()),
    ),
    ("readv", Receives(readv)),
    ("recvmsg", Receives(|socket| each(|_| messages::receive(socket, &mut Message::of(&[1, 9000]), 0)))),
    ("recvmmsg", Receives(recvmmsg)),
    ("MSG_PEEK before each recv", Receives(peek)),
    // The result is the datagram's length, which is counted: what the kernel took, not what was copied.
    ("MSG_TRUNC", Receives(|socket| each(|buffer| recv(socket, &mut buffer[..100], libc::MSG_TRUNC)))),
    // The rest of the datagram is lost.
    ("a short buffer", Receives(|socket| each(|buffer| recv(socket, &mut buffer[..100], 0)))),
    ("splice to a pipe", Receives(|socket| (0..DATAGRAMS).map(|_| splice_out(socket, DATAGRAM_BYTES)).sum())),
    ("UDP_CORK", Both(cork)),
    ("UDP_SEGMENT", Both(segments)),
    ("UDP_SEGMENT and UDP_GRO", Both(coalesced)),
];

#[test]
fn every_call_that_receives_on_a_udp_socket_and_every_kind_of_datagram() {
    check("UDP", Pair::udp, &[ROWS]);
}

/// Of each datagram that was sent.
fn each(mut receive: impl FnMut(&mut [u8]) -> isize) -> u64 {
    (0..DATAGRAMS).map(|_| moved(receive(&mut [0; 9000]))).sum()
}

fn readv(socket: &OwnedFd) -> u64 {
    let message = Message::of(&[1, 9000]);
    // SAFETY: vectors of live memory.
    each(|_| unsafe {
        libc::readv(socket.as_raw_fd(), message.vectors.as_ptr(), message.vectors.len() as i32)
    })
}

fn recvmmsg(socket: &OwnedFd) -> u64 {
    let mut into = [0; DATAGRAMS].map(|_| Message::of(&[9000]));
    let (got, bytes) = messages::receive_many(socket, &mut into, 0);
    assert_eq!(got, DATAGRAMS);
    bytes
}

fn peek(socket: &OwnedFd) -> u64 {
    each(|buffer| {
        assert_eq!(recv(socket, buffer, libc::MSG_PEEK), recv(socket, &mut buffer.to_vec(), libc::MSG_PEEK));
        recv(socket, buffer, 0)
    })
}

/// Each call counts as it puts its bytes in; they leave as one datagram.
fn cork(near: &OwnedFd, far: &OwnedFd) -> (u64, u64) {
    set_option(near, libc::IPPROTO_UDP, libc::UDP_CORK, 1);
    let sent = (0..3).map(|_| file(near).write(&[7; DATAGRAM_BYTES]).unwrap() as u64).sum();
    set_option(near, libc::IPPROTO_UDP, libc::UDP_CORK, 0);
    (sent, file(far).read(&mut [0; 9000]).unwrap() as u64)
}

/// One call, ten datagrams.
fn segments(near: &OwnedFd, far: &OwnedFd) -> (u64, u64) {
    set_option(near, libc::IPPROTO_UDP, libc::UDP_SEGMENT, DATAGRAM_BYTES as i32);
    let sent = file(near).write(&[7; DATAGRAMS * DATAGRAM_BYTES]).unwrap() as u64;
    (sent, each(|buffer| recv(far, buffer, 0)))
}

/// One call, ten datagrams, one call.
fn coalesced(near: &OwnedFd, far: &OwnedFd) -> (u64, u64) {
    set_option(far, libc::IPPROTO_UDP, libc::UDP_GRO, 1);
    set_option(near, libc::IPPROTO_UDP, libc::UDP_SEGMENT, DATAGRAM_BYTES as i32);
    let sent = file(near).write(&[7; DATAGRAMS * DATAGRAM_BYTES]).unwrap();
    let mut buffer = vec![0; 2 * sent];
    let (mut received, mut calls) = (0, 0);
    while received < sent as u64 {
        received += moved(recv(far, &mut buffer, 0));
        calls += 1;
    }
    assert!(calls < DATAGRAMS, "{calls} calls for {DATAGRAMS} datagrams");
    (sent as u64, received)
}
