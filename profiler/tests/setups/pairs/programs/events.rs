//! What an event loop waits for: descriptors, each with a token.

use std::{
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use profiler::clock::now_ns;
use rustix::{
    buffer::spare_capacity,
    event::{
        EventfdFlags, Timespec,
        epoll::{self, CreateFlags, EventData, EventFlags},
        eventfd,
    },
    io::{read, write},
    time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime},
};

pub struct Events {
    epoll: OwnedFd,
}

/// At one return of `epoll_wait`.
const AT_ONCE: usize = 16;

impl Events {
    pub fn new() -> Self {
        Self { epoll: epoll::create(CreateFlags::CLOEXEC).expect("make an epoll instance") }
    }

    pub fn watch(&self, descriptor: impl AsFd, token: u64) {
        epoll::add(&self.epoll, descriptor, EventData::new_u64(token), EventFlags::IN)
            .expect("watch a descriptor");
    }

    /// Those that are ready: none if nothing happened in time.
    pub fn wait(&self, limit: Option<Duration>) -> Vec<u64> {
        let limit = limit.map(|limit| Timespec::try_from(limit).expect("a short time"));
        let mut ready = Vec::with_capacity(AT_ONCE);
        epoll::wait(&self.epoll, spare_capacity(&mut ready), limit.as_ref()).expect("wait for events");
        ready.into_iter().map(|event| event.data.u64()).collect()
    }
}

pub fn timer() -> OwnedFd {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    timerfd_create(TimerfdClockId::Monotonic, flags).expect("make a timerfd")
}

pub fn arm(timer: &OwnedFd, after: Duration) {
    set(timer, TimerfdTimerFlags::empty(), after, Duration::ZERO);
}

/// A timer at every multiple of a period of the monotonic clock, less a lead: two processes have them in phase.
pub fn every(period: Duration, lead: Duration) -> OwnedFd {
    let timer = timer();
    let period_ns = period.as_nanos() as u64;
    // The first is a whole period away at least.
    let first_ns = (now_ns() / period_ns + 2) * period_ns - lead.as_nanos() as u64;
    set(&timer, TimerfdTimerFlags::ABSTIME, Duration::from_nanos(first_ns), period);
    timer
}

fn set(timer: &OwnedFd, flags: TimerfdTimerFlags, first: Duration, period: Duration) {
    let time = |time: Duration| Timespec::try_from(time).expect("a short time");
    let times = Itimerspec { it_value: time(first), it_interval: time(period) };
    timerfd_settime(timer, flags, &times).expect("arm a timerfd");
}

/// For one thread to wake another's loop.
pub fn bell() -> OwnedFd {
    eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).expect("make an eventfd")
}

pub fn ring(bell: &OwnedFd) {
    write(bell, &1u64.to_ne_bytes()).expect("wake the event loop");
}

/// Of a timer or a bell.
pub fn clear(descriptor: &OwnedFd) {
    // Another event of the same moment may have cleared it.
    let _ = read(descriptor, &mut [0; 8]);
}
