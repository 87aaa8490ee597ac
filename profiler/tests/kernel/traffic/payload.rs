//! Every byte is in one record of a call, and both ends agree on where it stands in the stream.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::fd::AsRawFd as _,
    ptr, thread,
    time::Duration,
};

use capture::traffic::{Direction, Payload};
use profiler::collect::probes::Settings;

use abi::payload::TOGETHER_NS;

use super::Socket;
use crate::{
    bytes::connect,
    recorded::{Recorded, record, record_with},
};

/// Small calls, so that many of them share a record; no multiple of anything.
const CALLS: usize = 20_000;
const CALL_BYTES: usize = 777;

#[test]
fn traffic_covers_every_byte_over_tcp() {
    for address in [(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()] {
        let (recorded, near, far) = stream(address);
        for (port, way) in [(near, Direction::Sent), (far, Direction::Received)] {
            check_sum(&Socket::tcp(&recorded, port), way, (CALLS * CALL_BYTES) as u64);
        }
        let records = Socket::tcp(&recorded, near).payloads(Direction::Sent).len();
        assert!(records < CALLS / 4, "{records} records of {CALLS} calls");
    }
}

#[test]
fn traffic_covers_every_byte_over_udp() {
    for address in [(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()] {
        let mut ports = (0, 0);
        let recorded = record(|| {
            let (near, far) = udp_pair(address);
            ports = (port(&near), port(&far));
            for _ in 0..1000 {
                near.send_to(&[7; CALL_BYTES], far.local_addr().unwrap()).unwrap();
                near.send_to(&[7; CALL_BYTES], far.local_addr().unwrap()).unwrap();
                assert_eq!(far.recv(&mut [0; CALL_BYTES]).unwrap(), CALL_BYTES);
                assert_eq!(far.recv(&mut [0; CALL_BYTES]).unwrap(), CALL_BYTES);
            }
        });
        for (port, way) in [(ports.0, Direction::Sent), (ports.1, Direction::Received)] {
            let socket = Socket::udp(&recorded, port);
            check_sum(&socket, way, 2000 * CALL_BYTES as u64);
            assert!(socket.payloads(way).iter().all(|payload| payload.sequence.is_none()));
        }
    }
}

#[test]
fn traffic_has_the_same_sequence_numbers_on_both_ends() {
    let (recorded, near, far) = stream((Ipv4Addr::LOCALHOST, 0).into());
    let (near, far) = (Socket::tcp(&recorded, near), Socket::tcp(&recorded, far));
    let sends = near.payloads(Direction::Sent);
    let first = sends[0].first_byte().unwrap();
    let offset = |sequence: Option<u32>| sequence.unwrap().wrapping_sub(first);
    for payloads in [&sends, &far.payloads(Direction::Received)] {
        let mut next = 0;
        for payload in payloads {
            assert_eq!(offset(payload.first_byte()), next, "{payload:?} does not follow the one before");
            next = offset(payload.sequence);
        }
        assert_eq!(next as usize, CALLS * CALL_BYTES);
    }
}

#[test]
fn traffic_of_datagrams_has_a_destination() {
    let mut ports = (0, 0, 0);
    let recorded = record(|| {
        let (near, far) = udp_pair((Ipv4Addr::LOCALHOST, 0).into());
        let wide = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        ports = (port(&near), port(&far), port(&wide));
        let to = far.local_addr().unwrap();
        near.connect(to).unwrap();
        near.send_to(&[1; 1], to).unwrap();
        send_message(&near, to, &[2; 2]);
        near.send(&[3; 3]).unwrap();
        // The IPv4 address as an IPv6 socket writes it.
        wide.send_to(&[4; 4], (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), to.port())).unwrap();
        wide.send_to(&[5; 5], (Ipv6Addr::LOCALHOST, to.port())).unwrap();
    });
    let sends = |port| {
        let payloads = Socket::udp(&recorded, port).payloads(Direction::Sent);
        payloads.iter().map(|payload| (payload.bytes, payload.destination.unwrap())).collect::<Vec<_>>()
    };
    let far: SocketAddr = (Ipv4Addr::LOCALHOST, ports.1).into();
    assert_eq!(sends(ports.0), [(6, far)], "one destination, however it was named");
    assert_eq!(sends(ports.2), [(4, far), (5, (Ipv6Addr::LOCALHOST, ports.1).into())]);
}

#[test]
fn traffic_of_a_loop_that_answers_shares_records() {
    /// They fit into the receive buffer.
    const DATAGRAMS: usize = 64;
    let mut ports = (0, 0);
    let recorded = record(|| {
        let (near, far) = udp_pair((Ipv4Addr::LOCALHOST, 0).into());
        ports = (port(&near), port(&far));
        for _ in 0..DATAGRAMS {
            near.send_to(&[7; CALL_BYTES], far.local_addr().unwrap()).unwrap();
        }
        for _ in 0..DATAGRAMS {
            assert_eq!(far.recv(&mut [0; CALL_BYTES]).unwrap(), CALL_BYTES);
            far.send_to(&[7; 20], near.local_addr().unwrap()).unwrap();
        }
    });
    let far = Socket::udp(&recorded, ports.1);
    check_sum(&far, Direction::Received, (DATAGRAMS * CALL_BYTES) as u64);
    check_sum(&far, Direction::Sent, (DATAGRAMS * 20) as u64);
    let (receives, sends) = (far.payloads(Direction::Received), far.payloads(Direction::Sent));
    for records in [&receives, &sends] {
        assert!(records.len() * 4 < DATAGRAMS, "{} records of {DATAGRAMS} calls", records.len());
        for record in records {
            assert!((record.since_ns..=record.since_ns + TOGETHER_NS).contains(&record.at_ns), "{record:?}");
        }
    }
    assert!(
        receives[0].since_ns < sends[0].since_ns,
        "it answered before it was asked: {receives:?} {sends:?}"
    );
    assert!(receives[0].at_ns > sends[0].since_ns, "one after the other: {receives:?} {sends:?}");
}

#[test]
fn traffic_of_a_busy_poller_has_empty_calls() {
    let (polled, _) = poll_for_messages(|_| {});
    let with_empty_calls = polled.iter().filter(|payload| payload.empty_calls > 0).count();
    assert!(with_empty_calls * 10 >= polled.len() * 8, "{with_empty_calls} of {}", polled.len());
}

#[test]
fn traffic_of_a_loop_that_sleeps_has_no_empty_calls() {
    let (polled, calls) = poll_for_messages(|stream| {
        let mut wait = libc::pollfd { fd: stream.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one live pollfd.
        unsafe { libc::poll(&raw mut wait, 1, -1) };
    });
    assert!(calls > polled.len(), "it came back empty: {calls} calls");
    let with_empty_calls = polled.iter().filter(|payload| payload.empty_calls > 0).count();
    // Where a message comes between the call that found nothing and the wait, the thread does not sleep.
    assert!(with_empty_calls * 4 <= polled.len(), "{with_empty_calls} of {}", polled.len());
}

#[test]
fn traffic_of_control_ports_is_left_out() {
    let (near, far) = connect((Ipv4Addr::LOCALHOST, 0).into());
    let ports = [near.local_addr().unwrap().port(), far.local_addr().unwrap().port()];
    let settings = Settings { control_ports: vec![ports[1]], ..Settings::default() };
    let recorded = record_with(&settings, |_| {
        (&near).write_all(&[7; 100]).unwrap();
        (&far).read_exact(&mut [0; 100]).unwrap();
    });
    for (port, way) in [(ports[0], Direction::Sent), (ports[1], Direction::Received)] {
        let socket = Socket::tcp(&recorded, port);
        assert_eq!(socket.totals.rx_bytes + socket.totals.tx_bytes, 100);
        assert_eq!(socket.payloads(way), <Vec<Payload>>::new());
    }
}

#[track_caller]
fn check_sum(socket: &Socket, way: Direction, expected: u64) {
    let counted = match way {
        Direction::Sent => socket.totals.tx_bytes,
        Direction::Received => socket.totals.rx_bytes,
    };
    let summed: u64 = socket.payloads(way).iter().map(|payload| payload.bytes).sum();
    assert_eq!((summed, counted), (expected, expected), "{way:?}");
}

/// `CALLS` writes and reads; gives both ports.
fn stream(address: SocketAddr) -> (Recorded, u16, u16) {
    let mut ports = (0, 0);
    let recorded = record(|| {
        let (mut near, mut far) = connect(address);
        ports = (near.local_addr().unwrap().port(), far.local_addr().unwrap().port());
        let reader = thread::spawn(move || {
            (0..CALLS).for_each(|_| far.read_exact(&mut [0; CALL_BYTES]).unwrap());
        });
        (0..CALLS).for_each(|_| near.write_all(&[7; CALL_BYTES]).unwrap());
        reader.join().unwrap();
    });
    (recorded, ports.0, ports.1)
}

/// A thread receives 20 messages that are 5 ms apart, without blocking in its calls, and does something else
/// whenever nothing is there; gives its records and the number of its calls.
fn poll_for_messages(nothing_there: impl Fn(&std::net::TcpStream) + Send + 'static) -> (Vec<Payload>, usize) {
    const MESSAGES: usize = 20;
    let mut port = 0;
    let mut calls = 0;
    let recorded = record(|| {
        let (mut near, mut far) = connect((Ipv4Addr::LOCALHOST, 0).into());
        port = far.local_addr().unwrap().port();
        far.set_nonblocking(true).unwrap();
        let poller = thread::spawn(move || {
            let (mut received, mut calls) = (0, 0);
            while received < MESSAGES {
                calls += 1;
                match far.read(&mut [0; 10]) {
                    Ok(bytes) => received += bytes / 10,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => nothing_there(&far),
                    Err(error) => panic!("{error}"),
                }
            }
            calls
        });
        for _ in 0..MESSAGES {
            thread::sleep(Duration::from_millis(5));
            near.write_all(&[7; 10]).unwrap();
        }
        calls = poller.join().unwrap();
    });
    (Socket::tcp(&recorded, port).payloads(Direction::Received), calls)
}

fn udp_pair(address: SocketAddr) -> (UdpSocket, UdpSocket) {
    (UdpSocket::bind(address).unwrap(), UdpSocket::bind(address).unwrap())
}

fn port(socket: &UdpSocket) -> u16 {
    socket.local_addr().unwrap().port()
}

/// `sendmsg` with an address.
fn send_message(socket: &UdpSocket, to: SocketAddr, bytes: &[u8]) {
    let SocketAddr::V4(to) = to else { panic!("IPv4 only") };
    let mut name = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: to.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(to.ip().octets()) },
        sin_zero: [0; 8],
    };
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let message = libc::msghdr {
        msg_name: (&raw mut name).cast(),
        msg_namelen: size_of_val(&name) as u32,
        msg_iov: &raw mut part,
        msg_iovlen: 1,
        msg_control: ptr::null_mut(),
        msg_controllen: 0,
        msg_flags: 0,
    };
    // SAFETY: everything that the message points to lives.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, 0) };
    assert_eq!(sent, bytes.len() as isize);
}
