//! Messages on a TCP connection between nodes: a header, and for a block its bytes.

use std::{
    io::{ErrorKind, Read as _, Result, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    os::fd::{AsFd, BorrowedFd},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    net::sockopt::{set_tcp_congestion, set_tcp_nodelay},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Block,
    Request,
    /// A block was dealt with.
    Done,
    KeepAlive,
}

#[derive(Clone, Copy, Debug)]
pub enum Received {
    /// Nothing is there.
    Nothing,
    /// A part of a message.
    Part,
    /// The rest of a message, with its number.
    Message(Kind, u32),
    /// The other has gone.
    End,
}

pub struct Connection {
    stream: TcpStream,
    header: [u8; HEADER_BYTES],
    /// Of the header, and then of what follows it.
    got: usize,
    body: Vec<u8>,
}

/// Kind, three bytes of nothing, number, and how many bytes follow.
const HEADER_BYTES: usize = 12;
const KINDS: [Kind; 4] = [Kind::Block, Kind::Request, Kind::Done, Kind::KeepAlive];

impl Connection {
    pub fn to(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).expect("connect to another node"))
    }

    pub fn new(stream: TcpStream) -> Self {
        plain(&stream);
        Self { stream, header: [0; HEADER_BYTES], got: 0, body: Vec::new() }
    }

    /// For an event loop.
    pub fn non_blocking(self) -> Self {
        self.stream.set_nonblocking(true).expect("make the socket non-blocking");
        self
    }

    /// Sends all, and waits for room if there is none.
    pub fn send(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match (&self.stream).write(bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let mut room = [PollFd::new(&self.stream, PollFlags::OUT)];
                    poll(&mut room, None).expect("wait for room to send");
                }
                // A keep-alive to one who has gone.
                Err(error) if is_gone(&error) => return,
                Err(error) => panic!("the connection fails: {error}"),
            }
        }
    }

    /// What one call gives of the message that comes.
    pub fn receive(&mut self) -> Received {
        let wanted = HEADER_BYTES + self.body_bytes();
        let read = if self.got < HEADER_BYTES {
            (&self.stream).read(&mut self.header[self.got..])
        } else {
            self.body.resize(wanted - HEADER_BYTES, 0);
            (&self.stream).read(&mut self.body[self.got - HEADER_BYTES..])
        };
        match ended(read) {
            Ok(0) => Received::End,
            Ok(bytes) => {
                self.got += bytes;
                if self.got < HEADER_BYTES + self.body_bytes() {
                    return Received::Part;
                }
                self.got = 0;
                let number = self.header[4..8].try_into().expect("four bytes");
                Received::Message(KINDS[usize::from(self.header[0])], u32::from_ne_bytes(number))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Received::Nothing,
            Err(error) => panic!("the connection fails: {error}"),
        }
    }

    /// Tells the other that nothing follows.
    pub fn end(&self) {
        // It may have gone.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Waits until the other has gone, or has told that nothing follows.
    pub fn finish(mut self) {
        self.stream.set_nonblocking(false).expect("make the socket block");
        while !matches!(self.receive(), Received::End) {}
    }

    /// Known once the header is there.
    fn body_bytes(&self) -> usize {
        if self.got < HEADER_BYTES {
            return 0;
        }
        let bytes = self.header[8..].try_into().expect("four bytes");
        u32::from_ne_bytes(bytes) as usize
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Small messages go at once, and nothing paces large ones: `reno` is in every kernel, and what holds bytes back is
/// what the programs know of.
pub fn plain(stream: &TcpStream) {
    set_tcp_nodelay(stream, true).expect("set TCP_NODELAY");
    set_tcp_congestion(stream, "reno").expect("choose the congestion control");
}

pub fn message(kind: Kind, number: u32, body_bytes: usize) -> Vec<u8> {
    let mut message = vec![5; HEADER_BYTES + body_bytes];
    message[0] = KINDS.iter().position(|known| *known == kind).expect("every kind is known") as u8;
    message[8..HEADER_BYTES].copy_from_slice(&(body_bytes as u32).to_ne_bytes());
    set_number(&mut message, number);
    message
}

pub fn set_number(message: &mut [u8], number: u32) {
    message[4..8].copy_from_slice(&number.to_ne_bytes());
}

/// One that leaves bytes unread resets the connection.
fn ended(read: Result<usize>) -> Result<usize> {
    match read {
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(0),
        read => read,
    }
}

fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}
