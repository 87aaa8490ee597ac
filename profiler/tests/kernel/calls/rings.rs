//! io_uring's calls, over TCP and UDP.

use std::os::fd::{AsRawFd as _, OwnedFd};

use io_uring::{IoUring, cqueue, opcode, squeue, types::Fd};

use super::{
    Row,
    Side::{Receives, Sends},
    check,
    messages::Message,
    pair::{DATAGRAM_BYTES, DATAGRAMS, Pair, STREAM_BYTES},
};

const SENDS: &[Row] = &[
    ("io_uring send", Sends(|socket| send(socket, send_entry))),
    ("io_uring write", Sends(|socket| send(socket, write_entry))),
    ("io_uring sendmsg", Sends(send_message)),
    ("io_uring send_zc", Sends(|socket| send(socket, send_zc_entry))),
];

const STREAM: &[Row] = &[
    ("io_uring recv", Receives(|socket| stream(socket, recv_entry))),
    ("io_uring read", Receives(|socket| stream(socket, read_entry))),
    ("io_uring recvmsg", Receives(|socket| receive_messages(socket, STREAM_BYTES))),
    ("io_uring multishot recv", Receives(|socket| multishot(socket, STREAM_BYTES))),
];

const DATAGRAM: &[Row] = &[
    ("io_uring recv", Receives(|socket| datagrams(socket, recv_entry))),
    ("io_uring read", Receives(|socket| datagrams(socket, read_entry))),
    ("io_uring recvmsg", Receives(|socket| receive_messages(socket, DATAGRAMS * DATAGRAM_BYTES))),
    ("io_uring multishot recv", Receives(|socket| multishot(socket, DATAGRAMS * DATAGRAM_BYTES))),
];

#[test]
fn every_call_of_io_uring_on_a_tcp_socket() {
    check("TCP", Pair::tcp, &[SENDS, STREAM]);
}

#[test]
fn every_call_of_io_uring_on_a_udp_socket() {
    check("UDP", Pair::udp, &[SENDS, DATAGRAM]);
}

fn send_entry(fd: Fd, data: &[u8]) -> squeue::Entry {
    opcode::Send::new(fd, data.as_ptr(), data.len() as u32).build()
}

fn write_entry(fd: Fd, data: &[u8]) -> squeue::Entry {
    opcode::Write::new(fd, data.as_ptr(), data.len() as u32).build()
}

fn send_zc_entry(fd: Fd, data: &[u8]) -> squeue::Entry {
    opcode::SendZc::new(fd, data.as_ptr(), data.len() as u32).build()
}

fn recv_entry(fd: Fd, into: &mut [u8]) -> squeue::Entry {
    opcode::Recv::new(fd, into.as_mut_ptr(), into.len() as u32).build()
}

fn read_entry(fd: Fd, into: &mut [u8]) -> squeue::Entry {
    opcode::Read::new(fd, into.as_mut_ptr(), into.len() as u32).build()
}

const PIECES: usize = 3;
const PIECE_BYTES: usize = 12_345;

fn send(socket: &OwnedFd, call: fn(Fd, &[u8]) -> squeue::Entry) -> u64 {
    let (mut ring, data) = (Ring::new(), [7; PIECE_BYTES]);
    (0..PIECES).map(|_| ring.call(&call(Fd(socket.as_raw_fd()), &data))).sum()
}

fn send_message(socket: &OwnedFd) -> u64 {
    let (mut ring, mut message) = (Ring::new(), Message::of(&[1, DATAGRAM_BYTES, PIECE_BYTES]));
    let header = message.header();
    ring.call(&opcode::SendMsg::new(Fd(socket.as_raw_fd()), &raw const header).build())
}

fn stream(socket: &OwnedFd, call: fn(Fd, &mut [u8]) -> squeue::Entry) -> u64 {
    let (mut ring, mut into, mut received) = (Ring::new(), vec![0; 70_001], 0);
    loop {
        match ring.call(&call(Fd(socket.as_raw_fd()), &mut into)) {
            0 => return received,
            bytes => received += bytes,
        }
    }
}

fn datagrams(socket: &OwnedFd, call: fn(Fd, &mut [u8]) -> squeue::Entry) -> u64 {
    let (mut ring, mut into) = (Ring::new(), vec![0; 9000]);
    (0..DATAGRAMS).map(|_| ring.call(&call(Fd(socket.as_raw_fd()), &mut into))).sum()
}

fn receive_messages(socket: &OwnedFd, all: usize) -> u64 {
    let (mut ring, mut message, mut received) = (Ring::new(), Message::of(&[1, 50_000]), 0);
    while received < all as u64 {
        let mut header = message.header();
        received += ring.call(&opcode::RecvMsg::new(Fd(socket.as_raw_fd()), &raw mut header).build());
    }
    received
}

/// One request, as many receives as it takes, each into a buffer that the kernel chooses.
fn multishot(socket: &OwnedFd, all: usize) -> u64 {
    const BUFFERS: u16 = 64;
    const BUFFER_BYTES: usize = 9000;
    const GROUP: u16 = 1;
    let (mut ring, mut memory, mut received) =
        (Ring::new(), vec![0_u8; usize::from(BUFFERS) * BUFFER_BYTES], 0);
    let mut give = |first: u16, count: u16| {
        let from = memory[usize::from(first) * BUFFER_BYTES..].as_mut_ptr();
        opcode::ProvideBuffers::new(from, BUFFER_BYTES as i32, count, GROUP, first).build()
    };
    assert_eq!(ring.call(&give(0, BUFFERS)), 0);
    while received < all as u64 {
        ring.submit(&opcode::RecvMulti::new(Fd(socket.as_raw_fd()), GROUP).build());
        loop {
            let done = ring.completion();
            if done.result() == -libc::ENOBUFS {
                break;
            }
            received += checked(&done);
            if let Some(buffer) = cqueue::buffer_select(done.flags()) {
                ring.submit_silently(give(buffer, 1));
            }
            if received >= all as u64 || !cqueue::more(done.flags()) {
                break;
            }
        }
    }
    received
}

struct Ring(IoUring);

impl Ring {
    fn new() -> Self {
        Self(IoUring::new(64).expect("this kernel has io_uring"))
    }

    /// Submits one request, and gives its result. Of two completions the second is a notification.
    fn call(&mut self, request: &squeue::Entry) -> u64 {
        self.submit(request);
        let done = self.completion();
        let result = checked(&done);
        if cqueue::more(done.flags()) {
            assert!(cqueue::notif(self.completion().flags()), "the memory comes back");
        }
        result
    }

    fn submit(&mut self, request: &squeue::Entry) {
        // SAFETY: the caller's memory lives until the request has completed.
        unsafe { self.0.submission().push(request) }.expect("there is room");
        self.0.submit().unwrap();
    }

    /// A request that completes with an error only.
    fn submit_silently(&mut self, request: squeue::Entry) {
        self.submit(&request.flags(squeue::Flags::SKIP_SUCCESS));
    }

    fn completion(&mut self) -> cqueue::Entry {
        loop {
            if let Some(done) = self.0.completion().next() {
                return done;
            }
            self.0.submit_and_wait(1).unwrap();
        }
    }
}

#[track_caller]
fn checked(done: &cqueue::Entry) -> u64 {
    assert!(done.result() >= 0, "{}", std::io::Error::from_raw_os_error(-done.result()));
    done.result() as u64
}
