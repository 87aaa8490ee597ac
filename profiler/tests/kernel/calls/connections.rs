//! Connections that live for a moment, and connections that end before their time.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use capture::Protocol;

use super::{
    counted,
    pair::{Pair, cookie, file, set_linger, wait_for_more},
};
use crate::recorded::record;

const CONNECTIONS: usize = 10_000;

#[test]
fn ten_thousand_short_connections_are_all_counted() {
    let mut server = None;
    let mut sent: HashMap<u16, u64> = HashMap::new();
    let recorded = record(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        server = Some(address);
        let began = Instant::now();
        let accepting = thread::spawn(move || {
            let mut buffer = [0; 200];
            for _ in 0..CONNECTIONS {
                let (mut far, _) = listener.accept().unwrap();
                while far.read(&mut buffer).unwrap() > 0 {}
            }
        });
        let connecting = [0, 1, 2, 3].map(|_| thread::spawn(move || connect_often(address, CONNECTIONS / 4)));
        for (port, bytes) in connecting.into_iter().flat_map(|thread| thread.join().unwrap()) {
            // A port may be used again.
            *sent.entry(port).or_default() += bytes;
        }
        accepting.join().unwrap();
        println!("{CONNECTIONS} connections in {:?}", began.elapsed());
    });
    for table in ["socket_table_full", "traffic_table_full"] {
        assert_eq!(recorded.timeline.losses[table], 0, "{table}");
    }
    let server = server.expect("a server");
    let (mut near, mut far) = (HashMap::<u16, u64>::new(), HashMap::<u16, u64>::new());
    let mut ends = 0;
    for socket in recorded.own().sockets.values() {
        let Some(connection) = socket.ends.as_ref().filter(|ends| ends.protocol == Protocol::Tcp) else {
            continue;
        };
        assert!(connection.closed.is_some(), "{socket:?}");
        ends += 1;
        if connection.local == server {
            *far.entry(connection.peer.port()).or_default() += socket.rx_bytes;
        } else {
            *near.entry(connection.local.port()).or_default() += socket.tx_bytes;
        }
    }
    assert_eq!(ends, 2 * CONNECTIONS, "both ends of each connection");
    assert!(near == sent, "each connecting end has what it sent");
    assert!(far == sent, "each accepting end has what it received");
}

/// Gives the port of each connection, and what was sent over it.
fn connect_often(address: SocketAddr, times: usize) -> Vec<(u16, u64)> {
    let connect = |i| {
        let mut near = TcpStream::connect(address).unwrap();
        let bytes = 1 + i % 100;
        near.write_all(&[7; 100][..bytes]).unwrap();
        (near.local_addr().unwrap().port(), bytes as u64)
    };
    (0..times).map(connect).collect()
}

#[test]
fn a_connection_that_is_reset_halfway_has_what_its_calls_moved() {
    let mut rows = Vec::new();
    let recorded = record(|| {
        for address in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let Pair { near, far, .. } = Pair::tcp(address);
            let cookies = (cookie(&near), cookie(&far));
            let writer = thread::spawn(move || {
                let (mut into, mut sent) = (file(&near), 0);
                loop {
                    match into.write(&[7; 50_000]) {
                        Ok(bytes) => sent += bytes as u64,
                        Err(error) => {
                            let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
                            assert!(kinds.contains(&error.kind()), "{error}");
                            return sent;
                        }
                    }
                }
            });
            let mut received = 0;
            while received < 500_000 {
                received += file(&far).read(&mut [0; 10_000]).unwrap() as u64;
            }
            // A slow host's writer may have sent no more than that.
            wait_for_more(&far);
            set_linger(&far);
            drop(far);
            rows.push((address, cookies, writer.join().unwrap(), received));
        }
        // Until the kernel has released the sockets.
        thread::sleep(Duration::from_millis(100));
    });
    for (address, (near, far), sent, received) in rows {
        assert!(sent > received, "{address}: {sent} bytes sent, {received} received: reset halfway");
        assert_eq!(counted(&recorded, near), Some((0, sent)), "{address}: near");
        assert_eq!(counted(&recorded, far), Some((received, 0)), "{address}: far");
        assert_eq!(recorded.own().bypassed.get(&far), None, "{address}: what nobody read is not missing");
    }
}
