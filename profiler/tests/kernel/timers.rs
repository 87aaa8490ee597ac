//! Until when a call sleeps, who set a timer, what woke a sleeper, and who created it.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    ptr::{null, null_mut},
    sync::Mutex,
    thread,
    time::Duration,
};

use capture::{
    TimerKind, TimerSet,
    span::{Softirq, Span, Wake},
};
use profiler::{clock::now_ns, collect::probes::btf};

use crate::{
    bytes::connect,
    calls::cookie as cookie_of,
    recorded::{Recorded, named, record},
};

const TIMES: usize = 20;
const TIMEOUT_NS: u64 = 5_000_000;
static TIMEOUT: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: TIMEOUT_NS as i64 };
/// A call's way to the kernel.
const SOON_NS: u64 = 100_000;
/// Of [`TIMES`], where something else took the CPU on that way.
const LATE: usize = 4;

/// Calls that sleep until a time-out, and their numbers.
const SLEEPS: [(&str, libc::c_long, fn()); 6] = [
    ("nanosleep", libc::SYS_nanosleep, || {
        // SAFETY: a time; the rest is not asked for.
        unsafe { libc::syscall(libc::SYS_nanosleep, &raw const TIMEOUT, null_mut::<libc::timespec>()) };
    }),
    ("a time on the wall clock", libc::SYS_clock_nanosleep, || {
        let mut until = TIMEOUT;
        // SAFETY: times that live.
        unsafe {
            libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut until);
            until.tv_nsec += TIMEOUT.tv_nsec;
            until.tv_sec += until.tv_nsec / 1_000_000_000;
            until.tv_nsec %= 1_000_000_000;
            libc::clock_nanosleep(libc::CLOCK_REALTIME, libc::TIMER_ABSTIME, &raw const until, null_mut());
        }
    }),
    ("epoll_wait", libc::SYS_epoll_wait, || {
        let epoll = epoll();
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: room for one event.
        unsafe {
            libc::syscall(libc::SYS_epoll_wait, epoll.as_raw_fd(), &raw mut event, 1, TIMEOUT_NS / 1_000_000)
        };
    }),
    ("poll", libc::SYS_poll, || {
        // SAFETY: no descriptors.
        unsafe { libc::syscall(libc::SYS_poll, null_mut::<libc::pollfd>(), 0, TIMEOUT_NS / 1_000_000) };
    }),
    ("select", libc::SYS_pselect6, || {
        // SAFETY: no descriptors, no signals; a time that lives.
        unsafe { libc::pselect(0, null_mut(), null_mut(), null_mut(), &raw const TIMEOUT, null()) };
    }),
    ("futex", libc::SYS_futex, || {
        let word = 0_u32;
        // SAFETY: the word lives.
        unsafe { libc::syscall(libc::SYS_futex, &raw const word, libc::FUTEX_WAIT, 0, &raw const TIMEOUT) };
    }),
];

#[test]
fn a_call_that_sleeps_tells_until_when() {
    let begun_ns = Mutex::new(Vec::new());
    let recorded = record(|| {
        thread::scope(|scope| {
            thread::Builder::new()
                .name("sleeping".to_owned())
                .spawn_scoped(scope, || {
                    for (_, number, sleep) in SLEEPS {
                        for _ in 0..TIMES {
                            begun_ns.lock().unwrap().push((number, now_ns()));
                            sleep();
                        }
                    }
                })
                .unwrap();
        });
    });
    let spans = spans(&recorded, "sleeping");
    for (name, number, _) in SLEEPS {
        let begun = begun_ns.lock().unwrap();
        let begun = begun.iter().filter(|(of, _)| *of == number).map(|(_, begun_ns)| begun_ns);
        let right = begun.filter(|begun_ns| {
            let until = **begun_ns + TIMEOUT_NS..**begun_ns + TIMEOUT_NS + SOON_NS;
            let slept = |span: &&Span| {
                span.doing.syscall == Some(number as i32) && until.contains(&span.deadline_ns.unwrap_or(0))
            };
            // Ended by its own time-out, no other.
            spans
                .iter()
                .find(slept)
                .is_some_and(|span| span.timer.is_some() && span.woken_ns >= span.deadline_ns)
        });
        let right = right.count();
        assert!(right >= TIMES - LATE, "{name}: {right} of {TIMES} deadlines; {spans:?}");
    }
    assert!(recorded.timeline.events.timers.is_empty(), "{:?}", recorded.timeline.events.timers);
}

#[test]
fn a_time_out_that_was_taken_back_is_no_other_calls() {
    let recorded = record(|| {
        let (mut near, far) = connect((Ipv4Addr::LOCALHOST, 0).into());
        let reader = named("reading", move || {
            for _ in 0..TIMES {
                wait_for(&far, 1000);
                (&far).read_exact(&mut [0]).unwrap();
                // The next byte: blocks, without a time-out.
                (&far).read_exact(&mut [0]).unwrap();
            }
        });
        for _ in 0..2 * TIMES {
            thread::sleep(Duration::from_millis(3));
            near.write_all(&[1]).unwrap();
        }
        reader.join().unwrap();
    });
    let spans = spans(&recorded, "reading");
    let deadlines = |number: libc::c_long| {
        let of = spans.iter().filter(|span| span.doing.syscall == Some(number as i32) && !span.preempted);
        of.map(|span| span.deadline_ns.is_some()).collect::<Vec<_>>()
    };
    let (waits, reads) = (deadlines(libc::SYS_epoll_wait), deadlines(libc::SYS_recvfrom));
    assert!(waits.len() >= TIMES / 2 && waits.iter().all(|has| *has), "{waits:?}");
    assert!(reads.len() >= TIMES / 2 && !reads.iter().any(|has| *has), "{reads:?}");
}

#[test]
fn a_timerfd_is_set_by_a_thread_once_and_again_at_each_read() {
    let set_ns = Mutex::new(Vec::new());
    let recorded = record(|| {
        // SAFETY: makes a descriptor, which is nobody else's.
        let timer = unsafe { OwnedFd::from_raw_fd(libc::timerfd_create(libc::CLOCK_MONOTONIC, 0)) };
        let waiting = {
            let timer = timer.try_clone().unwrap();
            move || {
                let epoll = epoll();
                watch(&epoll, &timer, libc::EPOLLIN);
                for _ in 0..TIMES {
                    wait(&epoll, -1);
                    // SAFETY: room for the number.
                    unsafe { libc::read(timer.as_raw_fd(), (&raw mut *Box::new(0_u64)).cast(), 8) };
                }
            }
        };
        let waiter = named("waiting", waiting);
        let setting = thread::Builder::new().name("setting".to_owned());
        thread::scope(|scope| {
            let one = || {
                let every = libc::timespec { tv_sec: 0, tv_nsec: 3_000_000 };
                let times = libc::itimerspec { it_interval: every, it_value: TIMEOUT };
                set_ns.lock().unwrap().push(now_ns());
                // SAFETY: times that live.
                unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &raw const times, null_mut()) };
            };
            setting.spawn_scoped(scope, one).unwrap();
        });
        waiter.join().unwrap();
    });
    let set_ns = set_ns.lock().unwrap()[0];
    let (waiting, setting) = (tid(&recorded, "waiting"), tid(&recorded, "setting"));
    let mut sets: Vec<TimerSet> = recorded.timeline.events.timers.iter().collect();
    sets.sort_by_key(|set| set.at_ns);
    assert!(sets.iter().all(|set| set.kind == TimerKind::Timerfd), "{sets:?}");
    assert_eq!(sets[0].tid, setting, "{sets:?}");
    // The deadline is reckoned in the call, before the record.
    let reckoned_ns = sets[0].deadline_ns - TIMEOUT_NS;
    assert!((set_ns..=sets[0].at_ns).contains(&reckoned_ns), "{reckoned_ns} of {set_ns}: {sets:?}");
    assert!(sets.len() >= TIMES && sets[1..].iter().all(|set| set.tid == waiting), "{sets:?}");
    let waits = spans(&recorded, "waiting");
    let waits: Vec<&Span> =
        waits.iter().filter(|span| span.doing.syscall == Some(libc::SYS_epoll_wait as i32)).collect();
    let told = waits.iter().filter(|wait| {
        let set =
            sets.iter().rev().find(|set| Some(set.timer) == wait.timer && Some(set.at_ns) < wait.woken_ns);
        set.is_some_and(|set| {
            let late_ns = wait.woken_ns.unwrap().wrapping_sub(set.deadline_ns);
            // The kernel counts on from the deadline before, not from the read.
            wait.deadline_ns.is_none()
                && late_ns < 1_000_000
                && (set.deadline_ns - sets[0].deadline_ns).is_multiple_of(3_000_000)
        })
    });
    let told = told.count();
    assert!(told >= TIMES - LATE, "{told} of {waits:?} by {sets:?}");
}

#[test]
fn a_timer_that_signals_is_set_by_its_thread() {
    let mut set_ns = 0;
    let recorded = record(|| {
        let alarmed = named("alarmed", || {
            let set_ns = now_ns();
            // A signal that nobody waits for, and that does nothing.
            // SAFETY: sets a signal's handling, and a timer of this process.
            unsafe {
                libc::signal(libc::SIGALRM, libc::SIG_IGN);
                let after = libc::timeval { tv_sec: 0, tv_usec: 5_000 };
                let every = libc::timeval { tv_sec: 0, tv_usec: 0 };
                let times = libc::itimerval { it_interval: every, it_value: after };
                libc::setitimer(libc::ITIMER_REAL, &raw const times, null_mut());
            }
            thread::sleep(Duration::from_millis(20));
            set_ns
        });
        set_ns = alarmed.join().unwrap();
    });
    let timers = &recorded.timeline.events.timers;
    let [set] = timers.iter().collect::<Vec<_>>()[..] else { panic!("{timers:?}") };
    assert_eq!((set.kind, set.tid), (TimerKind::Posix, tid(&recorded, "alarmed")));
    // The deadline is reckoned in the call, before the record.
    let reckoned_ns = set.deadline_ns - TIMEOUT_NS;
    assert!((set_ns..=set.at_ns).contains(&reckoned_ns), "{reckoned_ns} of {set_ns}: {set:?}");
}

#[test]
fn a_wait_that_a_socket_ended_names_it() {
    let mut cookies = Vec::new();
    let recorded = record(|| {
        let pairs: Vec<_> = (0..2).map(|_| connect((Ipv4Addr::LOCALHOST, 0).into())).collect();
        let (mut near, far): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        // A socket is known from its first use on.
        for (near, far) in near.iter_mut().zip(&far) {
            near.write_all(&[0]).unwrap();
            (&mut &*far).read_exact(&mut [0]).unwrap();
            cookies.push(cookie(far));
        }
        let reader = named("choosing", move || {
            let epoll = epoll();
            far.iter().for_each(|far| watch(&epoll, far, libc::EPOLLIN));
            for i in 0..2 * TIMES {
                wait(&epoll, -1);
                (&far[i % 2]).read_exact(&mut [0]).unwrap();
            }
        });
        for i in 0..2 * TIMES {
            thread::sleep(Duration::from_millis(3));
            near[i % 2].write_all(&[1]).unwrap();
        }
        reader.join().unwrap();
    });
    let spans = spans(&recorded, "choosing");
    let mut waits: Vec<&Span> = spans.iter().filter(|span| by_network(span, libc::SYS_epoll_wait)).collect();
    waits.sort_by_key(|wait| wait.off_ns);
    assert!(waits.len() >= 2 * TIMES - LATE, "{waits:?}");
    if btf::tracepoint_parameters(&btf::open().unwrap(), "sk_data_ready").is_err() {
        // 6.1: a segment of it was processed.
        let named = waits.iter().filter(|wait| wait.segment.is_some_and(|cookie| cookies.contains(&cookie)));
        assert!(named.count() >= 2 * TIMES - LATE, "{cookies:?}: {waits:?}");
        return;
    }
    for cookie in &cookies {
        let named = waits.iter().filter(|wait| wait.socket == Some(*cookie)).count();
        assert!(named >= TIMES - LATE, "{named} times {cookie} of {cookies:?}: {waits:?}");
    }
    // None, where an interrupt came between; never another one.
    let other = |wait: &&&Span| wait.socket.is_some_and(|cookie| !cookies.contains(&cookie));
    assert_eq!(waits.iter().filter(other).count(), 0, "{cookies:?}: {waits:?}");
    // In turn.
    let again = waits.windows(2).filter(|pair| pair[0].socket == pair[1].socket).count();
    assert!(again <= LATE, "{again} times the same twice: {waits:?}");
}

#[test]
fn a_send_that_waited_for_room_names_the_connection() {
    let mut sender = 0;
    let recorded = record(|| {
        let (mut near, mut far) = connect((Ipv4Addr::LOCALHOST, 0).into());
        sender = cookie(&near);
        let writer = named("sending", move || near.write_all(&vec![7; 16 << 20]).unwrap());
        let mut taken = vec![0; 1 << 20];
        while {
            thread::sleep(Duration::from_millis(3));
            far.read(&mut taken).unwrap() > 0
        } {}
        writer.join().unwrap();
    });
    let spans = spans(&recorded, "sending");
    let waits: Vec<&Span> = spans.iter().filter(|span| by_network(span, libc::SYS_sendto)).collect();
    assert!(waits.len() >= 3, "{spans:?}");
    let named = waits.iter().filter(|wait| wait.segment == Some(sender) && wait.socket.is_none()).count();
    assert!(named * 4 >= waits.len() * 3, "{named} name {sender}: {waits:?}");
}

#[test]
fn a_thread_names_who_created_it() {
    let recorded = record(|| {
        named("outer", || named("inner", || thread::sleep(Duration::from_millis(1))).join().unwrap())
            .join()
            .unwrap();
    });
    let creator = |name: &str| thread_of(&recorded, name).creator_tid;
    assert_eq!(creator("inner"), Some(tid(&recorded, "outer")));
    // SAFETY: takes nothing.
    assert_eq!(creator("outer"), Some(unsafe { libc::gettid() } as u32));
}

fn spans(recorded: &Recorded, name: &str) -> Vec<Span> {
    let tid = tid(recorded, name);
    let spans = recorded.timeline.events.spans.iter().filter(|span| span.tid == tid && span.blocks());
    spans.collect()
}

fn tid(recorded: &Recorded, name: &str) -> u32 {
    thread_of(recorded, name).tid
}

fn thread_of<'a>(recorded: &'a Recorded, name: &str) -> &'a capture::ThreadTotals {
    recorded.own().threads.values().find(|thread| thread.comm == name).expect("the thread is there")
}

/// Whether a call slept and was woken as packets came in.
fn by_network(span: &Span, number: libc::c_long) -> bool {
    span.doing.syscall == Some(number as i32) && span.wake == Wake::Softirq(Softirq::NetRx)
}

fn cookie(socket: &TcpStream) -> u64 {
    cookie_of(&socket.try_clone().unwrap().into())
}

fn epoll() -> OwnedFd {
    // SAFETY: makes a descriptor, which is nobody else's.
    unsafe { OwnedFd::from_raw_fd(libc::epoll_create1(0)) }
}

fn watch(epoll: &OwnedFd, what: &impl std::os::fd::AsRawFd, events: libc::c_int) {
    let mut event = libc::epoll_event { events: events as u32, u64: 0 };
    // SAFETY: an event that lives.
    unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, what.as_raw_fd(), &raw mut event) };
}

/// Waits for so many ms at most, or for ever.
fn wait(epoll: &OwnedFd, ms: libc::c_int) {
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    // SAFETY: room for one event.
    unsafe { libc::syscall(libc::SYS_epoll_wait, epoll.as_raw_fd(), &raw mut event, 1, ms) };
}

fn wait_for(socket: &TcpStream, ms: libc::c_int) {
    let epoll = epoll();
    watch(&epoll, socket, libc::EPOLLIN);
    wait(&epoll, ms);
}
