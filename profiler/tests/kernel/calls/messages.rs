//! `struct msghdr` and its vectors, over memory that lives as long as they do.

use std::{
    os::fd::{AsRawFd as _, OwnedFd},
    ptr,
};

/// A message of several pieces.
pub struct Message {
    _pieces: Vec<Vec<u8>>,
    pub vectors: Vec<libc::iovec>,
    control: Vec<u64>,
}

impl Message {
    pub fn of(sizes: &[usize]) -> Self {
        let mut pieces: Vec<Vec<u8>> = sizes.iter().map(|&size| vec![7; size]).collect();
        let vectors = pieces
            .iter_mut()
            .map(|piece| libc::iovec { iov_base: piece.as_mut_ptr().cast(), iov_len: piece.len() })
            .collect();
        Self { _pieces: pieces, vectors, control: vec![0; 64] }
    }

    /// Of the message's memory: valid while it lives and is not moved out of.
    pub fn header(&mut self) -> libc::msghdr {
        // SAFETY: plain integers and pointers, for which 0 is valid.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = self.vectors.as_mut_ptr();
        header.msg_iovlen = self.vectors.len();
        header
    }

    /// The same, with room for control messages.
    pub fn header_with_control(&mut self) -> libc::msghdr {
        let mut header = self.header();
        header.msg_control = self.control.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(self.control.as_slice());
        header
    }
}

pub fn send(socket: &OwnedFd, message: &mut Message, flags: i32) -> isize {
    let header = message.header();
    // SAFETY: a header of live memory.
    unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, flags) }
}

pub fn receive(socket: &OwnedFd, message: &mut Message, flags: i32) -> isize {
    let mut header = message.header_with_control();
    // SAFETY: a header of live memory.
    unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) }
}

/// Sends all messages with one call; gives the sum of what it says of each.
pub fn send_many(socket: &OwnedFd, messages: &mut [Message]) -> u64 {
    let mut headers = many(messages);
    // SAFETY: headers of live memory.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), headers.len() as u32, 0) };
    headers.iter().take(super::pair::moved(sent as isize) as usize).map(|one| u64::from(one.msg_len)).sum()
}

/// Receives into all messages with one call; gives how many came and the sum of what it says of each.
pub fn receive_many(socket: &OwnedFd, messages: &mut [Message], flags: i32) -> (usize, u64) {
    let mut headers = many(messages);
    // SAFETY: headers of live memory; no timeout.
    let got = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            headers.len() as u32,
            flags as _,
            ptr::null_mut(),
        )
    };
    let got = super::pair::moved(got as isize) as usize;
    (got, headers.iter().take(got).map(|one| u64::from(one.msg_len)).sum())
}

fn many(messages: &mut [Message]) -> Vec<libc::mmsghdr> {
    messages.iter_mut().map(|message| libc::mmsghdr { msg_hdr: message.header(), msg_len: 0 }).collect()
}
