//! Counters of TCP sockets with so many calls that not each is looked at: as exact as if it were.

use std::{
    io::{Read, Write},
    mem,
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    num::NonZeroU32,
    thread,
    time::Duration,
};

use abi::loss::Loss;
use capture::{Hook, SocketTotals};
use profiler::collect::probes::{Settings, families::ProbeSet};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::{
    actor::Actor,
    bytes::connect,
    reconnects::{connect as connect_again, disconnect},
    recorded::{Recorded, record_with},
};

const CALLS: u64 = 4000;

/// What one end's own calls said, of one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Moved {
    bytes: u64,
    calls: u64,
}

/// With a record of progress for each call that is looked at.
fn counters() -> Settings {
    Settings {
        probes: ProbeSet::Counters,
        stride_bytes: 1,
        ring_buffer_bytes: NonZeroU32::new(64 << 20),
        ..Settings::default()
    }
}

#[test]
fn bytes_and_calls_are_exact_though_few_are_looked_at() {
    let mut expected = Vec::new();
    let recorded = record_with(&counters(), |_| {
        let (near, far) = local();
        let reader = thread::spawn(move || (port(&far), receive(&far)));
        let sent = send(&near, CALLS);
        expected.push((port(&near), Moved::default(), sent));
        drop(near);
        let (port, received) = reader.join().unwrap();
        assert_eq!(received.bytes, sent.bytes);
        expected.push((port, received, Moved::default()));
    });
    check(&recorded, &expected);
    let progress: usize = recorded.timeline.processes.values().map(|process| process.progress.len()).sum();
    let calls: u64 = expected.iter().map(|(_, received, sent)| received.calls + sent.calls).sum();
    let has_stacks = |hook: &Hook| hook.name.contains("priv_stack");
    if recorded.timeline.families["bursts"].hooks.iter().any(has_stacks) {
        assert!((progress as u64) < calls / 4, "{progress} looks at {calls} calls");
    }
}

#[test]
fn they_are_exact_however_a_connection_goes_on() {
    let mut expected = Vec::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let recorded = record_with(&counters(), |_| {
        // Open until after the recording.
        let (near, far) = local();
        let reader = far.try_clone().unwrap();
        let reader = thread::spawn(move || receive_bytes(&reader, CALLS * 500));
        let sent = send_sized(&near, CALLS, |_| 500);
        expected.push((port(&far), reader.join().unwrap(), Moved::default()));
        expected.push((port(&near), Moved::default(), sent));
        mem::forget((near, far));

        // One half is closed first, and the other goes on.
        let (near, far) = local();
        let answers = thread::spawn(move || (port(&far), receive(&far), send(&far, CALLS)));
        let sent = send(&near, CALLS);
        near.shutdown(Shutdown::Write).unwrap();
        let received = receive_bytes(&near, u64::MAX);
        expected.push((port(&near), received, sent));
        let (port_far, received, sent) = answers.join().unwrap();
        expected.push((port_far, received, sent));

        // The reader goes away in the midst of it.
        let (near, far) = local();
        let reader = thread::spawn(move || {
            let received = receive_bytes(&far, CALLS * 5000);
            rustix::net::sockopt::set_socket_linger(&far, Some(Duration::ZERO)).unwrap();
            (port(&far), received)
        });
        let sent = send(&near, u64::MAX);
        expected.push((port(&near), Moved::default(), sent));
        let (port_far, received) = reader.join().unwrap();
        expected.push((port_far, received, Moved::default()));
        drop(near);

        // Two threads each way.
        let (near, far) = local();
        let both = |moved: [thread::JoinHandle<Moved>; 2]| {
            moved.map(|thread| thread.join().unwrap()).into_iter().fold(Moved::default(), Moved::plus)
        };
        let readers = [(); 2].map(|()| {
            let far = far.try_clone().unwrap();
            thread::spawn(move || receive(&far))
        });
        let writers = [(); 2].map(|()| {
            let near = near.try_clone().unwrap();
            thread::spawn(move || send(&near, CALLS))
        });
        let (near_port, far_port) = (port(&near), port(&far));
        expected.push((near_port, Moved::default(), both(writers)));
        drop(near);
        expected.push((far_port, both(readers), Moved::default()));

        // Disconnected, and connected again.
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        for round in 0..2 {
            if round > 0 {
                disconnect(&client);
                connect_again(&client, listener.local_addr().unwrap());
            }
            let server = listener.accept().unwrap().0;
            let reader = thread::spawn(move || receive_bytes(&server, CALLS * 700));
            expected.push((port(&client), Moved::default(), send_sized(&client, CALLS, |_| 700)));
            reader.join().unwrap();
        }
        drop(client);
        thread::sleep(Duration::from_millis(50));
    });
    check(&recorded, &expected);
    let bypassed = &recorded.own().bypassed;
    assert!(bypassed.is_empty(), "{bypassed:?}");
}

/// Which of the bytes are whose may be uncertain then, and that is told.
#[test]
fn what_two_processes_send_over_one_socket_is_all_of_it() {
    two_processes_send(CALLS);
}

/// All of them in the tick of the kernel in which the first process sent last, on its CPU.
#[test]
fn a_second_process_is_seen_however_few_its_calls_are() {
    two_processes_send(20);
}

fn two_processes_send(calls: u64) {
    let mut sent = [Moved::default(); 2];
    let mut near_port = 0;
    let mut child_pid = 0;
    let recorded = record_with(&counters(), |_| {
        let (near, far) = local();
        near_port = port(&near);
        let reader = thread::spawn(move || receive(&far));
        let mut cpu = CpuSet::new();
        cpu.set(rustix::thread::sched_getcpu());
        sched_setaffinity(None, &cpu).unwrap();
        let child = Actor::new(|| {
            send_sized(&near, calls, |_| 900);
        });
        child_pid = child.pid;
        sent = [send_sized(&near, CALLS, |_| 900), Moved { bytes: calls * 900, calls }];
        child.act();
        drop(near);
        assert_eq!(reader.join().unwrap().bytes, sent[0].bytes + sent[1].bytes);
    });
    let of = |pid| {
        let mut sockets = recorded.with_pid(pid).sockets.values();
        let is_it =
            |socket: &&SocketTotals| socket.ends.as_ref().is_some_and(|ends| ends.local.port() == near_port);
        let socket = sockets.find(is_it).expect("its socket");
        Moved { bytes: socket.tx_bytes, calls: socket.tx_calls }
    };
    let counted = [of(std::process::id()), of(child_pid)];
    assert_eq!(counted.map(|moved| moved.calls), [CALLS, calls]);
    assert_eq!(counted[0].bytes + counted[1].bytes, sent[0].bytes + sent[1].bytes, "{counted:?}");
    if recorded.timeline.losses[Loss::StreamShared.name()] == 0 {
        assert_eq!(counted, sent);
    }
}

/// Of all connections with one local port together.
#[track_caller]
fn check(recorded: &Recorded, expected: &[(u16, Moved, Moved)]) {
    for &(port, ..) in expected {
        let sum = |counts: &dyn Fn(&SocketTotals) -> u64| -> u64 {
            let is_it = |socket: &&SocketTotals| {
                socket.ends.as_ref().is_some_and(|ends| ends.local.port() == port && ends.has_peer())
            };
            recorded.own().sockets.values().filter(is_it).map(counts).sum()
        };
        let received = Moved { bytes: sum(&|socket| socket.rx_bytes), calls: sum(&|socket| socket.rx_calls) };
        let sent = Moved { bytes: sum(&|socket| socket.tx_bytes), calls: sum(&|socket| socket.tx_calls) };
        let theirs = expected.iter().filter(|(other, ..)| *other == port);
        let theirs = theirs.fold([Moved::default(); 2], |[rx, tx], (_, received, sent)| {
            [rx.plus(*received), tx.plus(*sent)]
        });
        assert_eq!([received, sent], theirs, "port {port}");
    }
}

impl Moved {
    fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, calls: self.calls + other.calls }
    }
}

fn local() -> (TcpStream, TcpStream) {
    connect((Ipv4Addr::LOCALHOST, 0).into())
}

fn port(stream: &TcpStream) -> u16 {
    stream.local_addr().unwrap().port()
}

/// Calls of all sizes up to 8 kB.
fn send(stream: &TcpStream, calls: u64) -> Moved {
    send_sized(stream, calls, |call| (call * 4099 % 8191 + 1) as usize)
}

/// Until the peer is gone, at most so many calls.
fn send_sized(mut stream: &TcpStream, calls: u64, size: impl Fn(u64) -> usize) -> Moved {
    let bytes = vec![7; 8192];
    let mut moved = Moved::default();
    while moved.calls < calls
        && let Ok(sent) = stream.write(&bytes[..size(moved.calls)])
    {
        moved.bytes += sent as u64;
        moved.calls += 1;
    }
    moved
}

/// Until the stream ends.
fn receive(stream: &TcpStream) -> Moved {
    receive_bytes(stream, u64::MAX)
}

fn receive_bytes(mut stream: &TcpStream, bytes: u64) -> Moved {
    let mut buffer = vec![0; 4000];
    let mut moved = Moved::default();
    while moved.bytes < bytes
        && let Ok(received @ 1..) = stream.read(&mut buffer)
    {
        moved.bytes += received as u64;
        moved.calls += 1;
    }
    moved
}
