//! What the kernel threw away: the counts that are not in the capture yet, and what listening sockets could not take.

use std::{
    collections::HashMap,
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use abi::drops::{DROPS_INTERVAL_NS, DropCounts, DropKey};
use anyhow::Result;
use aya::Ebpf;
use rustix::net::sockopt;

use super::open;
use crate::{
    clock::now_ns,
    collect::{drain::Sink, maps::Table, targets::Targets},
};
use capture::{DropReason, ProcessSerial, Record, Writer, events::drops};

pub struct Drops {
    counts: Table<DropKey, DropCounts>,
    listeners: Table<u64, u64>,
    /// How many were written.
    written: HashMap<DropKey, u64>,
}

impl Drops {
    pub fn new(ebpf: &Ebpf) -> Result<Self> {
        Ok(Self {
            counts: Table::open(ebpf, "DROPS")?,
            listeners: Table::open(ebpf, "LISTENERS")?,
            written: HashMap::new(),
        })
    }

    /// Writes what changed.
    pub fn write<W: Sink>(&mut self, out: &mut W) -> Result<()> {
        for (key, counts) in self.counts.read()? {
            if self.written.insert(key, counts.drops) != Some(counts.drops) {
                // What is not told yet came within an interval after what was.
                let at_ns = now_ns().min(counts.told_ns + DROPS_INTERVAL_NS);
                out.push(&Record::Drops(drops::drops(at_ns, &key, &counts)))?;
            }
        }
        Ok(())
    }

    /// Writes how much the sockets of living targets could not take that began to listen within the recording. A first segment
    /// that finds the accept queue full passes no probe: the socket's own count has it.
    pub fn write_listeners(&self, targets: &Targets, out: &mut Writer) -> Result<()> {
        if self.listeners.read()?.is_empty() {
            return Ok(());
        }
        for (_, process) in targets.processes().filter(|(_, process)| process.exited_ns == 0) {
            for socket in open::sockets(process.tgid) {
                let Ok(Some(listener)) = listener(&socket) else { continue };
                let Ok(serial) = self.listeners.get(&listener.cookie) else { continue };
                out.push(&Record::Drops(capture::Drops {
                    at_ns: now_ns(),
                    cookie: listener.cookie,
                    process: Some(ProcessSerial(serial)),
                    reason: DropReason::AcceptQueue,
                    source: None,
                    drops: listener.drops.into(),
                    bytes: 0,
                    buffer: listener.queue,
                }))?;
            }
        }
        Ok(())
    }
}

struct Listener {
    cookie: u64,
    drops: u32,
    /// Connections that its queue takes.
    queue: u32,
}

/// None for what does not listen, or has dropped nothing.
fn listener(socket: &OwnedFd) -> Result<Option<Listener>> {
    if sockopt::socket_protocol(socket)? != Some(rustix::net::ipproto::TCP)
        || !sockopt::socket_acceptconn(socket)?
    {
        return Ok(None);
    }
    /// `SK_MEMINFO_DROPS`, and how many numbers there are.
    const DROPS: usize = 8;
    const NUMBERS: usize = 9;
    let drops = numbers::<NUMBERS>(socket, libc::SOL_SOCKET, libc::SO_MEMINFO)?[DROPS];
    if drops == 0 {
        return Ok(None);
    }
    /// `tcpi_sacked`, which is the limit of a listening socket's queue.
    const QUEUE: usize = 7;
    let queue = numbers::<{ QUEUE + 1 }>(socket, libc::IPPROTO_TCP, libc::TCP_INFO)?[QUEUE];
    Ok(Some(Listener { cookie: sockopt::socket_cookie(socket)?, drops, queue }))
}

/// The beginning of an option that is made of 32-bit numbers.
fn numbers<const N: usize>(socket: &OwnedFd, level: i32, option: i32) -> io::Result<[u32; N]> {
    let mut numbers = [0_u32; N];
    let mut len = size_of_val(&numbers) as u32;
    let fd = socket.as_raw_fd();
    // SAFETY: the numbers and their length belong together.
    let done = unsafe { libc::getsockopt(fd, level, option, numbers.as_mut_ptr().cast(), &raw mut len) };
    if done == 0 { Ok(numbers) } else { Err(io::Error::last_os_error()) }
}
