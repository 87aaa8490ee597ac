//! Two connected sockets, and what stands against the call that a row is about.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    net::{IpAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd},
    thread,
    time::Duration,
};

use super::Side;

/// No power of two and no multiple of a segment; beyond what a socket's buffers hold at first.
pub const STREAM_BYTES: usize = 300_007;
pub const DATAGRAMS: usize = 10;
pub const DATAGRAM_BYTES: usize = 1201;

/// Whatever does not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Pair {
    pub near: OwnedFd,
    pub far: OwnedFd,
    stream: bool,
}

impl Pair {
    pub fn tcp(address: IpAddr) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let far = listener.accept().unwrap().0;
        let _ = [&near, &far].map(|end| end.set_read_timeout(Some(PATIENCE)).unwrap());
        Self { near: near.into(), far: far.into(), stream: true }
    }

    pub fn udp(address: IpAddr) -> Self {
        let (near, far) = (UdpSocket::bind((address, 0)).unwrap(), UdpSocket::bind((address, 0)).unwrap());
        near.connect(far.local_addr().unwrap()).unwrap();
        far.connect(near.local_addr().unwrap()).unwrap();
        let _ = [&near, &far].map(|end| end.set_read_timeout(Some(PATIENCE)).unwrap());
        Self { near: near.into(), far: far.into(), stream: false }
    }

    /// Runs a row; gives what was sent and what was received, by the calls' results.
    pub fn run(self, side: Side) -> (u64, u64) {
        let Self { near, far, stream } = self;
        match (side, stream) {
            (Side::Both(both), _) => both(&near, &far),
            (Side::Sends(send), true) => thread::scope(|scope| {
                let reader = scope.spawn(|| read_all(&far));
                let sent = send(&near);
                // Not dropped only: the row may have put it where it is still in use.
                shut(&near);
                (sent, reader.join().unwrap())
            }),
            (Side::Receives(receive), true) => thread::scope(|scope| {
                let writer = scope.spawn(|| {
                    let sent = write_all(&near);
                    shut(&near);
                    sent
                });
                let received = receive(&far);
                (writer.join().unwrap(), received)
            }),
            (Side::Sends(send), false) => {
                let sent = send(&near);
                (sent, receive_datagrams(&far, sent))
            }
            (Side::Receives(receive), false) => (send_datagrams(&near), receive(&far)),
        }
    }
}

/// `sock_gen_cookie`: what captures know a socket by.
pub fn cookie(socket: &OwnedFd) -> u64 {
    let (mut cookie, mut len) = (0_u64, size_of::<u64>() as u32);
    // SAFETY: the value and its length belong together.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut len,
        )
    };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
    cookie
}

pub fn set_option(socket: &OwnedFd, level: i32, name: i32, value: i32) {
    set(socket, level, name, &value);
}

fn set<T>(socket: &OwnedFd, level: i32, name: i32, value: &T) {
    // SAFETY: the value and its length belong together.
    let done = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const *value).cast(), size_of::<T>() as u32)
    };
    assert_eq!(done, 0, "option {name} of level {level}: {}", io::Error::last_os_error());
}

/// Makes the next close a reset.
pub fn set_linger(socket: &OwnedFd) {
    let at_once = libc::linger { l_onoff: 1, l_linger: 0 };
    set(socket, libc::SOL_SOCKET, libc::SO_LINGER, &at_once);
}

/// The bytes that a call says it has moved.
#[track_caller]
pub fn moved(result: isize) -> u64 {
    assert!(result >= 0, "{}", io::Error::last_os_error());
    result as u64
}

/// Waits until something that was sent lies there unread.
#[track_caller]
pub fn wait_for_more(socket: &OwnedFd) {
    let mut polled = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one live entry.
    assert_eq!(unsafe { libc::poll(&raw mut polled, 1, 5000) }, 1, "there is more to come");
}

/// A copy of the descriptor, as a file.
pub fn file(socket: &OwnedFd) -> File {
    File::from(socket.as_fd().try_clone_to_owned().unwrap())
}

/// A pipe's ends: to read from, to write to.
pub fn pipe() -> (File, File) {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0, "{}", io::Error::last_os_error());
    // SAFETY: just made, and nobody else has them.
    let [from, into] = ends.map(|end| unsafe { File::from_raw_fd(end) });
    (from, into)
}

fn shut(socket: &OwnedFd) {
    // SAFETY: no pointers.
    unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_WR) };
}

pub fn read_all(socket: &OwnedFd) -> u64 {
    let (mut from, mut buffer, mut received) = (file(socket), vec![0; 100_000], 0);
    loop {
        match from.read(&mut buffer).unwrap() {
            0 => return received,
            n => received += n as u64,
        }
    }
}

fn write_all(socket: &OwnedFd) -> u64 {
    file(socket).write_all(&vec![7; STREAM_BYTES]).unwrap();
    STREAM_BYTES as u64
}

fn send_datagrams(socket: &OwnedFd) -> u64 {
    let mut into = file(socket);
    (0..DATAGRAMS).map(|_| into.write(&[7; DATAGRAM_BYTES]).unwrap() as u64).sum()
}

/// Receives until all is there that was sent.
fn receive_datagrams(socket: &OwnedFd, sent: u64) -> u64 {
    let (mut from, mut buffer, mut received) = (file(socket), vec![0; 100_000], 0);
    while received < sent {
        received += from.read(&mut buffer).expect("what was sent arrives") as u64;
    }
    received
}
