//! A TCP socket as its program uses it: with calls that block, or from a one-thread event loop.

use std::{
    cell::Cell,
    io::{ErrorKind, Read as _, Result, Write as _},
    net::TcpStream,
    os::fd::{AsFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{
        Timespec,
        epoll::{self, CreateFlags, Event, EventData, EventFlags},
    },
    net::sockopt::set_tcp_nodelay,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Blocking,
    /// One thread, one epoll instance, and nothing else that blocks.
    Loop,
    /// A loop that also wakes up every so often, and finds nothing to do.
    TickingLoop(Duration),
}

pub struct Socket {
    stream: TcpStream,
    events: Option<Events>,
}

struct Events {
    epoll: OwnedFd,
    /// What the socket is watched for.
    interest: Cell<EventFlags>,
    tick: Option<Duration>,
}

impl Socket {
    pub fn new(stream: TcpStream, style: Style, no_delay: bool) -> Self {
        set_tcp_nodelay(&stream, no_delay).expect("set TCP_NODELAY");
        let events = match style {
            Style::Blocking => None,
            Style::Loop => Some(Events::watch(&stream, None)),
            Style::TickingLoop(tick) => Some(Events::watch(&stream, Some(tick))),
        };
        Self { stream, events }
    }

    /// What one call gives: 0 at the end of the stream.
    pub fn receive(&self, block: &mut [u8]) -> usize {
        self.when_ready(EventFlags::IN, true, || (&self.stream).read(block))
    }

    /// What one call takes.
    pub fn send(&self, block: &[u8]) -> usize {
        self.when_ready(EventFlags::OUT, false, || (&self.stream).write(block))
    }

    /// Does nothing for a while, not even listen.
    pub fn pause(&self, time: Duration) {
        let Some(events) = &self.events else { return thread::sleep(time) };
        let until = Instant::now() + time;
        events.watch_for(&self.stream, EventFlags::empty());
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            events.wait(Some(left));
        }
    }

    /// Lets the event loop wait for another descriptor too.
    pub fn also_watch(&self, other: impl AsFd) {
        let events = self.events.as_ref().expect("only an event loop watches several");
        epoll::add(&events.epoll, other, EventData::new_u64(0), EventFlags::IN).expect("watch a descriptor");
    }

    /// Until something that is watched happens; the socket is watched for bytes.
    pub fn wait_for_any(&self) {
        let events = self.events.as_ref().expect("only an event loop waits for any of several");
        events.watch_for(&self.stream, EventFlags::IN);
        events.wait(None);
    }

    /// Tells the peer that nothing follows, and waits until it has gone.
    pub fn finish(&self) {
        self.stream.shutdown(std::net::Shutdown::Write).expect("end the stream");
        while self.receive(&mut [0; 64]) > 0 {}
    }

    /// A loop waits before it reads, as it learns only so that there is something; it writes first, as there mostly
    /// is room.
    fn when_ready(
        &self,
        what: EventFlags,
        wait_first: bool,
        mut call: impl FnMut() -> Result<usize>,
    ) -> usize {
        let mut wait = wait_first;
        loop {
            if let Some(events) = self.events.as_ref().filter(|_| wait) {
                events.watch_for(&self.stream, what);
                while !events.wait(events.tick) {}
            }
            match call() {
                Ok(bytes) => return bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => wait = true,
                // The peer has gone, and what it left unread with it.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return 0,
                Err(error) => panic!("the socket fails: {error}"),
            }
        }
    }
}

impl Events {
    fn watch(stream: &TcpStream, tick: Option<Duration>) -> Self {
        stream.set_nonblocking(true).expect("make the socket non-blocking");
        let epoll = epoll::create(CreateFlags::CLOEXEC).expect("make an epoll instance");
        epoll::add(&epoll, stream, EventData::new_u64(0), EventFlags::IN).expect("watch the socket");
        Self { epoll, interest: Cell::new(EventFlags::IN), tick }
    }

    fn watch_for(&self, stream: &TcpStream, interest: EventFlags) {
        if self.interest.replace(interest) != interest {
            epoll::modify(&self.epoll, stream, EventData::new_u64(0), interest).expect("watch the socket");
        }
    }

    /// Whether something happened in time.
    fn wait(&self, limit: Option<Duration>) -> bool {
        let limit = limit.map(|limit| Timespec::try_from(limit).expect("a short time"));
        let mut happened = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 4];
        epoll::wait(&self.epoll, &mut happened[..], limit.as_ref()).expect("wait for events") > 0
    }
}
