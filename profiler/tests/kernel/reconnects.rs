//! A socket that is connected to one peer after the other is another one with each.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd as _,
    sync::Barrier,
    thread,
};

use abi::sockets::ANYBODYS_TURN;
use capture::{Protocol, SocketTotals, traffic::Direction};

use crate::recorded::{Recorded, record};

const QUERY: usize = 100;
const ANSWER: usize = 1000;

#[test]
fn datagrams_are_those_of_the_peer_that_the_socket_was_connected_to() {
    check_datagrams([11, 12, 13].map(|last| Ipv4Addr::new(127, 0, 0, last).into()));
    // Told apart by their ports.
    check_datagrams([Ipv6Addr::LOCALHOST.into(); 2]);
}

fn check_datagrams<const PEERS: usize>(peers: [IpAddr; PEERS]) {
    let servers = peers.map(|ip| UdpSocket::bind((ip, 0)).unwrap());
    let addresses = servers.each_ref().map(|server| server.local_addr().unwrap());
    let client = UdpSocket::bind((unspecified(peers[0]), 0)).unwrap();
    let mut port = 0;
    let recorded = record(|| {
        for (i, server) in servers.iter().enumerate() {
            client.connect(addresses[i]).unwrap();
            port = client.local_addr().unwrap().port();
            for _ in 0..=i {
                client.send(&[7; QUERY]).unwrap();
                let (_, from) = server.recv_from(&mut [0; QUERY]).unwrap();
                server.send_to(&[7; ANSWER], from).unwrap();
                client.recv(&mut [0; ANSWER]).unwrap();
            }
        }
    });
    for (i, address) in addresses.into_iter().enumerate() {
        let totals = find(&recorded, Protocol::Udp, port, address);
        assert_eq!((totals.rx_bytes, totals.tx_bytes), (((i + 1) * ANSWER) as u64, ((i + 1) * QUERY) as u64));
        check_payload(&recorded, totals);
    }
}

#[test]
fn a_connection_after_a_disconnection_is_one_of_its_own() {
    let listeners = [11, 12].map(|last| TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), 0)).unwrap());
    let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
    let mut ports = [0; 2];
    let recorded = record(|| {
        let mut client = TcpStream::connect(addresses[0]).unwrap();
        for (i, listener) in listeners.iter().enumerate() {
            if i > 0 {
                disconnect(&client);
                connect(&client, addresses[i]);
            }
            ports[i] = client.local_addr().unwrap().port();
            let mut server = listener.accept().unwrap().0;
            client.write_all(&vec![7; (i + 1) * QUERY]).unwrap();
            server.read_exact(&mut vec![0; (i + 1) * QUERY]).unwrap();
            server.write_all(&vec![7; (i + 1) * ANSWER]).unwrap();
            client.read_exact(&mut vec![0; (i + 1) * ANSWER]).unwrap();
        }
    });
    for i in 0..addresses.len() {
        let totals = find(&recorded, Protocol::Tcp, ports[i], addresses[i]);
        assert_eq!((totals.rx_bytes, totals.tx_bytes), (((i + 1) * ANSWER) as u64, ((i + 1) * QUERY) as u64));
        check_payload(&recorded, totals);
    }
    let bypassed = &recorded.own().bypassed;
    assert!(bypassed.is_empty(), "{bypassed:?}");
}

#[test]
fn a_connection_after_one_that_is_older_than_the_recording_is_one_of_its_own() {
    let listeners = [11, 12].map(|last| TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), 0)).unwrap());
    let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
    let mut client = TcpStream::connect(addresses[0]).unwrap();
    let mut ports = [client.local_addr().unwrap().port(), 0];
    let mut server = listeners[0].accept().unwrap().0;
    let recorded = record(|| {
        client.write_all(&[7; QUERY]).unwrap();
        server.read_exact(&mut [0; QUERY]).unwrap();
        disconnect(&client);
        connect(&client, addresses[1]);
        ports[1] = client.local_addr().unwrap().port();
        let mut server = listeners[1].accept().unwrap().0;
        client.write_all(&[7; 2 * QUERY]).unwrap();
        server.read_exact(&mut [0; 2 * QUERY]).unwrap();
    });
    for i in 0..addresses.len() {
        let totals = find(&recorded, Protocol::Tcp, ports[i], addresses[i]);
        assert_eq!((totals.rx_bytes, totals.tx_bytes), (0, ((i + 1) * QUERY) as u64));
    }
}

#[test]
fn what_is_only_spliced_of_a_second_connection_is_of_that_connection() {
    let listeners = [11, 12].map(|last| TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), 0)).unwrap());
    let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
    // Open until after the recording.
    let mut client = None;
    let mut port = 0;
    let recorded = record(|| {
        let client = client.insert(TcpStream::connect(addresses[0]).unwrap());
        client.write_all(&[7; QUERY]).unwrap();
        listeners[0].accept().unwrap().0.read_exact(&mut [0; QUERY]).unwrap();
        disconnect(client);
        connect(client, addresses[1]);
        port = client.local_addr().unwrap().port();
        listeners[1].accept().unwrap().0.write_all(&[7; ANSWER]).unwrap();
        splice(client, ANSWER);
    });
    let totals = find(&recorded, Protocol::Tcp, port, addresses[1]);
    let of_clients = recorded.own().bypassed.get(&totals.cookie);
    assert_eq!(of_clients, Some(&(ANSWER as u64)), "{:#?}", recorded.own().bypassed);
}

#[test]
fn a_socket_that_is_connected_for_each_datagram_becomes_one_without_a_peer() {
    const DATAGRAMS: usize = 1000;
    let servers = [11, 12].map(|last| UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), 0)).unwrap());
    let addresses = servers.each_ref().map(|server| server.local_addr().unwrap());
    let client = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = client.local_addr().unwrap().port();
    let recorded = record(|| {
        for address in addresses.iter().cycle().take(DATAGRAMS) {
            client.connect(address).unwrap();
            client.send(&[7; QUERY]).unwrap();
        }
    });
    let is_its = |socket: &&SocketTotals| socket.ends.as_ref().is_some_and(|ends| ends.local.port() == port);
    let sockets: Vec<_> = recorded.own().sockets.values().filter(is_its).collect();
    let turns = ANYBODYS_TURN as usize;
    assert_eq!(sockets.len(), turns + 1);
    assert_eq!(sockets.iter().map(|socket| socket.tx_bytes).sum::<u64>(), (DATAGRAMS * QUERY) as u64);
    let anybodys: Vec<_> =
        sockets.iter().filter(|socket| !socket.ends.as_ref().unwrap().has_peer()).collect();
    assert_eq!(anybodys.len(), 1);
    assert_eq!(anybodys[0].tx_bytes, ((DATAGRAMS - turns) * QUERY) as u64);
    check_payload(&recorded, anybodys[0]);
}

/// They are with the peer before or with the one after, but each is with one.
#[test]
fn calls_that_a_connect_overtakes_count_once() {
    const CLIENTS: usize = 40;
    // Of each socket fewer than make it one without a peer.
    const DATAGRAMS: usize = 200;
    let first = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 11), 0)).unwrap();
    // With the same port: a send in between may take the address of one and the port of the other.
    let port = first.local_addr().unwrap().port();
    let second = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 12), port)).unwrap();
    let servers = [first, second];
    let addresses = servers.each_ref().map(|server| server.local_addr().unwrap());
    let clients = [(); CLIENTS].map(|()| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap());
    let recorded = record(|| {
        for client in &clients {
            client.connect(addresses[0]).unwrap();
            let began = Barrier::new(2);
            thread::scope(|scope| {
                let sender = scope.spawn(|| {
                    began.wait();
                    (0..DATAGRAMS).for_each(|_| assert_eq!(client.send(&[7; QUERY]).unwrap(), QUERY));
                });
                began.wait();
                // At any moment of a send, and faster.
                for address in addresses.iter().cycle() {
                    client.connect(address).unwrap();
                    if sender.is_finished() {
                        break;
                    }
                }
            });
        }
    });
    let mut turns = 0;
    for client in clients {
        let port = client.local_addr().unwrap().port();
        let is_its =
            |socket: &&SocketTotals| socket.ends.as_ref().is_some_and(|ends| ends.local.port() == port);
        let sockets: Vec<_> = recorded.own().sockets.values().filter(is_its).collect();
        let sent = sockets.iter().map(|socket| socket.tx_bytes).sum::<u64>();
        assert_eq!(sent, (DATAGRAMS * QUERY) as u64, "{} sockets", sockets.len());
        sockets.iter().for_each(|socket| check_payload(&recorded, socket));
        turns += sockets.len();
    }
    // On a busy host a thread may have sent all before the other one ran: few connects overtake a call there.
    eprintln!("{turns} turns of {CLIENTS} sockets");
}

#[track_caller]
fn find(recorded: &Recorded, protocol: Protocol, port: u16, peer: SocketAddr) -> &SocketTotals {
    let is_it = |socket: &&SocketTotals| {
        let ends = socket.ends.as_ref();
        ends.is_some_and(|e| e.protocol == protocol && e.local.port() == port && e.peer == peer)
    };
    let sockets = &recorded.own().sockets;
    sockets.values().find(is_it).unwrap_or_else(|| panic!("nothing with {peer}: {sockets:#?}"))
}

/// The records of its calls bear what its totals do.
#[track_caller]
fn check_payload(recorded: &Recorded, totals: &SocketTotals) {
    let own = recorded.timeline.events.payloads.iter().filter(|payload| payload.cookie == totals.cookie);
    let sum = |direction| -> u64 {
        own.clone().filter(|payload| payload.direction == direction).map(|payload| payload.bytes).sum()
    };
    let recorded = (sum(Direction::Received), sum(Direction::Sent));
    assert_eq!(recorded, (totals.rx_bytes, totals.tx_bytes));
}

/// Takes so many bytes of a connection by a way that no call's count sees.
fn splice(connection: &TcpStream, bytes: usize) {
    let (_read, write) = std::io::pipe().unwrap();
    let (socket, pipe, null) = (connection.as_raw_fd(), write.as_raw_fd(), std::ptr::null_mut());
    let mut left = bytes;
    while left > 0 {
        // SAFETY: both descriptors are open; no offsets.
        let moved = unsafe { libc::splice(socket, null, pipe, null, left, 0) };
        assert!(moved > 0, "splice: {}", std::io::Error::last_os_error());
        left -= moved as usize;
    }
}

fn unspecified(like: IpAddr) -> IpAddr {
    if like.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

pub fn disconnect(socket: &TcpStream) {
    let nobody = libc::sockaddr { sa_family: libc::AF_UNSPEC as u16, sa_data: [0; 14] };
    // SAFETY: an open socket, and an address of that size.
    let done = unsafe { libc::connect(socket.as_raw_fd(), &raw const nobody, size_of_val(&nobody) as u32) };
    assert_eq!(done, 0);
}

pub fn connect(socket: &TcpStream, to: SocketAddr) {
    let SocketAddr::V4(to) = to else { panic!("{to} is no IPv4 address") };
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: to.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*to.ip()).to_be() },
        sin_zero: [0; 8],
    };
    // SAFETY: an open socket, and an address of that size.
    let done = unsafe {
        libc::connect(socket.as_raw_fd(), (&raw const address).cast(), size_of_val(&address) as u32)
    };
    assert_eq!(done, 0);
}
