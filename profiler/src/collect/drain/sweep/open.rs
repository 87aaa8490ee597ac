//! What the readers of a connection that is still open have taken of its stream. The probes read that as a connection is
//! released; here the daemon borrows the targets' own descriptors and asks.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use abi::sockets::without_turn;
use anyhow::Result;
use procfs::process::{FDTarget, Process as ProcProcess};
use rustix::{
    io::ioctl_fionread,
    net::{SocketAddrAny, getpeername, getsockname, sockopt},
    process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open},
};

use crate::collect::targets::{Targets, in_proc};

/// A connection of a living target.
pub struct Open {
    /// The serial of a process that has it.
    pub process: u64,
    pub cookie: u64,
    /// What its readers have taken of the stream, by whatever call.
    pub read_bytes: u64,
    pub local: SocketAddr,
    pub peer: SocketAddr,
    pub netns: u32,
}

/// Looks at every connection of the targets. What is closed or ends meanwhile is left out: its numbers are final
/// elsewhere. `meanwhile` is done after each.
pub fn look(targets: &Targets, mut meanwhile: impl FnMut() -> Result<()>) -> Result<Vec<Open>> {
    let mut open = Vec::new();
    for (_, process) in targets.processes().filter(|(_, process)| process.exited_ns == 0) {
        for socket in sockets(process.tgid) {
            open.extend(connection(process.serial, &socket).ok().flatten());
            meanwhile()?;
        }
    }
    Ok(open)
}

/// Borrows each socket of a process, one after the other.
pub(super) fn sockets(pid: u32) -> impl Iterator<Item = OwnedFd> {
    /// `PIDFD_THREAD`: of a thread that is not the first one of its process (6.9).
    const THREAD: PidfdFlags = PidfdFlags::from_bits_retain(libc::O_EXCL as u32);
    // The first thread has no descriptors any more, where it has ended before others.
    let borrowed = in_proc::living_thread(pid).and_then(|thread| {
        let flags = if thread == pid { PidfdFlags::empty() } else { THREAD };
        let pidfd = pidfd_open(Pid::from_raw(thread as i32)?, flags).ok()?;
        let fds = ProcProcess::new(thread as i32).and_then(|one| one.fd()).ok()?;
        let sockets = fds.flatten().filter(|fd| matches!(fd.target, FDTarget::Socket(_)));
        Some(sockets.filter_map(move |fd| pidfd_getfd(&pidfd, fd.fd, PidfdGetfdFlags::empty()).ok()))
    });
    borrowed.into_iter().flatten()
}

/// None for what is no connection.
fn connection(process: u64, socket: &OwnedFd) -> Result<Option<Open>> {
    if sockopt::socket_protocol(socket)? != Some(rustix::net::ipproto::TCP) {
        return Ok(None);
    }
    let Some(peer) = getpeername(socket)? else { return Ok(None) };
    let (local, peer) = (canonical(getsockname(socket)?)?, canonical(peer)?);
    // First what has arrived, then what of it lies unread: what arrives in between makes the difference smaller.
    let info = tcp_info(socket)?;
    let unread_bytes = ioctl_fionread(socket)?;
    let arrived_bytes = info.bytes_received - u64::from(info.has_fin());
    Ok(Some(Open {
        process,
        cookie: without_turn(sockopt::socket_cookie(socket)?),
        read_bytes: arrived_bytes.saturating_sub(unread_bytes),
        local,
        peer,
        netns: netns(socket)?,
    }))
}

/// An IPv4 address of an IPv6 socket is what it is.
fn canonical(address: SocketAddrAny) -> Result<SocketAddr> {
    let address = SocketAddr::try_from(address)?;
    Ok(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

/// The inode of the network namespace.
fn netns(socket: &OwnedFd) -> io::Result<u32> {
    const SIOCGSKNS: libc::Ioctl = 0x894c;
    // SAFETY: no argument.
    let namespace = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCGSKNS) };
    if namespace < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, and nobody else has it.
    let namespace = unsafe { OwnedFd::from_raw_fd(namespace) };
    Ok(rustix::fs::fstat(&namespace)?.st_ino as u32)
}

/// `struct tcp_info` up to what is read of it.
#[repr(C)]
struct TcpInfo {
    state: u8,
    _before: [u8; 127],
    bytes_received: u64,
}

impl TcpInfo {
    /// Whether the peer's FIN counts as a received byte. A connection that is down may have been reset instead: then a
    /// byte too few is said to have been taken.
    fn has_fin(&self) -> bool {
        const TIME_WAIT: u8 = 6;
        const CLOSE: u8 = 7;
        const CLOSE_WAIT: u8 = 8;
        const LAST_ACK: u8 = 9;
        const CLOSING: u8 = 11;
        [TIME_WAIT, CLOSE, CLOSE_WAIT, LAST_ACK, CLOSING].contains(&self.state) && self.bytes_received > 0
    }
}

fn tcp_info(socket: &OwnedFd) -> io::Result<TcpInfo> {
    let mut info = TcpInfo { state: 0, _before: [0; 127], bytes_received: 0 };
    let mut len = size_of::<TcpInfo>() as u32;
    let fd = socket.as_raw_fd();
    // SAFETY: the structure and its length belong together.
    let done = unsafe {
        libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, (&raw mut info).cast(), &raw mut len)
    };
    if done == 0 { Ok(info) } else { Err(io::Error::last_os_error()) }
}
