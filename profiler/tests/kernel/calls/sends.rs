//! Calls that send, over TCP and UDP.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    ptr,
};

use super::{
    Row,
    Side::{Both, Sends},
    check,
    messages::{self, Message},
    pair::{self, DATAGRAM_BYTES, Pair, STREAM_BYTES, file, moved, set_option},
};

/// Of a piece: below what a datagram holds.
const PIECE_BYTES: usize = 12_345;
const PIECES: usize = 5;

const EITHER: &[Row] = &[
    ("send", Sends(send)),
    ("sendto", Sends(send_to)),
    ("write", Sends(write)),
    ("writev", Sends(writev)),
    ("sendmsg", Sends(|socket| moved(messages::send(socket, &mut message(), 0)))),
    ("sendmmsg", Sends(sendmmsg)),
    ("MSG_MORE", Sends(send_more)),
    ("sendfile", Sends(sendfile)),
    ("splice from a pipe", Sends(splice)),
    ("vmsplice and splice", Sends(vmsplice)),
    ("MSG_ZEROCOPY and its error queue", Sends(zero_copy)),
];

#[test]
fn every_call_that_sends_on_a_tcp_socket() {
    check("TCP", Pair::tcp, &[EITHER, &[("short sends and EAGAIN", Sends(short_sends))]]);
}

#[test]
fn every_call_that_sends_on_a_udp_socket() {
    check("UDP", Pair::udp, &[EITHER, &[("a sent datagram in the error queue", Both(timestamped))]]);
}

fn message() -> Message {
    Message::of(&[1, DATAGRAM_BYTES, PIECE_BYTES])
}

fn send(socket: &OwnedFd) -> u64 {
    (0..PIECES).map(|_| send_piece(socket, 0)).sum()
}

#[track_caller]
fn send_piece(socket: &OwnedFd, flags: i32) -> u64 {
    let piece = [7_u8; PIECE_BYTES];
    // SAFETY: the memory and its length belong together.
    moved(unsafe { libc::send(socket.as_raw_fd(), piece.as_ptr().cast(), piece.len(), flags) })
}

/// The sockets are connected: without an address.
fn send_to(socket: &OwnedFd) -> u64 {
    let piece = [7_u8; PIECE_BYTES];
    // SAFETY: the memory and its length belong together; no address.
    moved(unsafe { libc::sendto(socket.as_raw_fd(), piece.as_ptr().cast(), piece.len(), 0, ptr::null(), 0) })
}

fn write(socket: &OwnedFd) -> u64 {
    let mut into = file(socket);
    (0..PIECES).map(|_| into.write(&[7; PIECE_BYTES]).unwrap() as u64).sum()
}

fn writev(socket: &OwnedFd) -> u64 {
    let message = message();
    // SAFETY: vectors of live memory.
    moved(unsafe { libc::writev(socket.as_raw_fd(), message.vectors.as_ptr(), message.vectors.len() as i32) })
}

fn sendmmsg(socket: &OwnedFd) -> u64 {
    messages::send_many(socket, &mut [message(), message(), message()])
}

fn send_more(socket: &OwnedFd) -> u64 {
    send_piece(socket, libc::MSG_MORE) + send_piece(socket, libc::MSG_MORE) + send_piece(socket, 0)
}

/// A file of the page cache.
fn memory_file(bytes: usize) -> File {
    // SAFETY: a string with its end.
    let made = unsafe { libc::memfd_create(c"sent".as_ptr(), 0) };
    assert!(made >= 0, "{}", io::Error::last_os_error());
    // SAFETY: just made, and nobody else has it.
    let mut file = unsafe { File::from_raw_fd(made) };
    file.write_all(&vec![7; bytes]).unwrap();
    file
}

fn sendfile(socket: &OwnedFd) -> u64 {
    let (from, skipped) = (memory_file(2 * PIECE_BYTES), 1);
    let (bytes, mut offset) = (2 * PIECE_BYTES - skipped, skipped as i64);
    // Not one byte more than there are: the kernel waits for the rest of a datagram over IPv6 then (6.18).
    // SAFETY: open files, a live offset.
    moved(unsafe { libc::sendfile(socket.as_raw_fd(), from.as_raw_fd(), &raw mut offset, bytes) })
}

fn splice(socket: &OwnedFd) -> u64 {
    let (from, mut into) = pair::pipe();
    into.write_all(&[7; PIECE_BYTES]).unwrap();
    drain_pipe(&from, socket)
}

fn vmsplice(socket: &OwnedFd) -> u64 {
    let (from, into) = pair::pipe();
    let message = message();
    // SAFETY: vectors of live memory, which nobody changes before the pipe is empty.
    let put = moved(unsafe {
        libc::vmsplice(into.as_raw_fd(), message.vectors.as_ptr(), message.vectors.len(), 0)
    });
    let sent = drain_pipe(&from, socket);
    assert_eq!(sent, put, "the pipe is empty");
    sent
}

fn drain_pipe(from: &File, socket: &OwnedFd) -> u64 {
    let mut sent = 0;
    loop {
        let flags = libc::SPLICE_F_NONBLOCK;
        let (from, into, none) = (from.as_raw_fd(), socket.as_raw_fd(), ptr::null_mut());
        // SAFETY: open files without offsets.
        match unsafe { libc::splice(from, none, into, none, STREAM_BYTES, flags) } {
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock => return sent,
            result => sent += moved(result),
        }
    }
}

fn zero_copy(socket: &OwnedFd) -> u64 {
    set_option(socket, libc::SOL_SOCKET, libc::SO_ZEROCOPY, 1);
    let piece = vec![7_u8; 3 * PIECE_BYTES];
    // SAFETY: the memory and its length belong together, and stays until the kernel has given it back.
    let sent = moved(unsafe {
        libc::send(socket.as_raw_fd(), piece.as_ptr().cast(), piece.len(), libc::MSG_ZEROCOPY)
    });
    wait_for_errors(socket);
    assert_eq!(moved(messages::receive(socket, &mut Message::of(&[100]), libc::MSG_ERRQUEUE)), 0);
    sent
}

/// Waits until the error queue holds something. The far end may have to receive first.
fn wait_for_errors(socket: &OwnedFd) {
    let mut polled = libc::pollfd { fd: socket.as_raw_fd(), events: 0, revents: 0 };
    // SAFETY: one live entry.
    assert_eq!(unsafe { libc::poll(&raw mut polled, 1, 5000) }, 1, "the error queue holds something");
}

/// What was sent comes back with its time: no receive.
fn timestamped(near: &OwnedFd, far: &OwnedFd) -> (u64, u64) {
    let wanted = libc::SOF_TIMESTAMPING_TX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
    set_option(near, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, wanted as i32);
    let sent = send_piece(near, 0);
    wait_for_errors(near);
    let back = moved(messages::receive(near, &mut Message::of(&[2 * PIECE_BYTES]), libc::MSG_ERRQUEUE));
    assert!(back >= sent, "the datagram comes back, {back} bytes");
    (sent, file(far).read(&mut [0; 2 * PIECE_BYTES]).unwrap() as u64)
}

fn short_sends(socket: &OwnedFd) -> u64 {
    set_option(socket, libc::SOL_SOCKET, libc::SO_SNDBUF, 20_000);
    let all = vec![7_u8; 3_000_001];
    let (mut sent, mut short) = (0, 0);
    while sent < all.len() {
        let rest = &all[sent..];
        // SAFETY: the memory and its length belong together.
        let result =
            unsafe { libc::send(socket.as_raw_fd(), rest.as_ptr().cast(), rest.len(), libc::MSG_DONTWAIT) };
        if result == -1 && io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock {
            // As a rule; a reader may also keep up, in an emulated machine.
            let mut polled = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
            // SAFETY: one live entry.
            assert_eq!(unsafe { libc::poll(&raw mut polled, 1, 5000) }, 1, "there is room again");
            continue;
        }
        short += u32::from((result as usize) < rest.len());
        sent += moved(result) as usize;
    }
    assert!(short > 0, "no send was short");
    sent as u64
}
