//! Payload is counted to the byte, on both ends.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    mem,
    net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use capture::{Protocol, Record, SocketTotals};
use rustix::net::sockopt::socket_cookie;

use crate::recorded::{Recorded, record, record_to};

/// No power of two and no multiple of a segment.
const PAYLOAD_BYTES: usize = 12_345_678;

#[test]
fn tcp_over_ipv4_is_exact() {
    check_tcp((Ipv4Addr::LOCALHOST, 0).into());
}

#[test]
fn tcp_over_ipv6_is_exact() {
    check_tcp((Ipv6Addr::LOCALHOST, 0).into());
}

#[test]
fn udp_over_ipv4_is_exact() {
    check_udp((Ipv4Addr::LOCALHOST, 0).into());
}

#[test]
fn udp_over_ipv6_is_exact() {
    check_udp((Ipv6Addr::LOCALHOST, 0).into());
}

#[test]
fn a_peek_is_no_receive() {
    let mut ports = (0, 0);
    let recorded = record(|| {
        let (mut near, mut far) = connect((Ipv4Addr::LOCALHOST, 0).into());
        ports = (near.local_addr().unwrap().port(), far.local_addr().unwrap().port());
        near.write_all(&[7; 5000]).unwrap();
        let mut buffer = [0; 5000];
        while far.peek(&mut buffer).unwrap() < buffer.len() {}
        far.peek(&mut buffer).unwrap();
        far.read_exact(&mut buffer).unwrap();
    });
    check_socket(&recorded, Protocol::Tcp, ports.0, (0, 5000));
    check_socket(&recorded, Protocol::Tcp, ports.1, (5000, 0));
}

#[test]
fn a_connection_has_a_beginning_an_end_and_the_kernels_own_totals() {
    let mut port = 0;
    let recorded = record(|| {
        let (mut near, mut far) = connect((Ipv4Addr::LOCALHOST, 0).into());
        port = near.local_addr().unwrap().port();
        near.write_all(&[7; 100]).unwrap();
        near.shutdown(Shutdown::Write).unwrap();
        assert_eq!(far.read_to_end(&mut Vec::new()).unwrap(), 100);
        drop((near, far));
        // The last acknowledgements of the connection.
        thread::sleep(Duration::from_millis(200));
    });
    let ends = find(&recorded, Protocol::Tcp, port).ends.clone().expect("the ends are known");
    let established = ends.established_ns.expect("the connection began in the recording");
    let closed = ends.closed.expect("the connection ended in the recording");
    assert!(established < closed.at_ns, "{established} {closed:?}");
    assert!(ends.has_peer(), "{ends:?}");
    assert_eq!(closed.bytes_sent, 100);
}

/// Such a close sets TCP's totals to 0 before the socket ends.
#[test]
fn a_close_without_lingering_keeps_the_kernels_own_totals() {
    let mut port = 0;
    let recorded = record(|| {
        let (mut near, mut far) = connect((Ipv4Addr::LOCALHOST, 0).into());
        port = far.local_addr().unwrap().port();
        near.write_all(&[7; 5000]).unwrap();
        far.read_exact(&mut [0; 5000]).unwrap();
        rustix::net::sockopt::set_socket_linger(&far, Some(Duration::ZERO)).unwrap();
        drop(far);
        thread::sleep(Duration::from_millis(200));
    });
    let ends = find(&recorded, Protocol::Tcp, port).ends.clone().expect("the ends are known");
    assert_eq!(ends.closed.expect("the connection ended").bytes_received, 5000);
}

#[test]
fn an_accepted_connection_that_was_there_before_counts_from_the_recordings_start() {
    let (mut near, mut far) = connect((Ipv4Addr::LOCALHOST, 0).into());
    near.write_all(&[1; 1000]).unwrap();
    far.read_exact(&mut [0; 1000]).unwrap();
    let recorded = record(|| {
        near.write_all(&[2; 10]).unwrap();
        far.read_exact(&mut [0; 10]).unwrap();
    });
    check_socket(&recorded, Protocol::Tcp, near.local_addr().unwrap().port(), (0, 10));
    check_socket(&recorded, Protocol::Tcp, far.local_addr().unwrap().port(), (10, 0));
}

/// Of calls that follow each other closely most are added up by CPU, and counted when their thread leaves it or calls again: one that
/// computes from then on does neither. Another thread closes the socket meanwhile, and of some the recording ends just then.
#[test]
fn a_burst_counts_whose_thread_then_only_computes() {
    /// Each way, in turns; the socket's buffers hold them.
    const CALLS: usize = 60;
    const CALL_BYTES: usize = 701;
    /// One that is closed before, and one that stays open.
    const SOCKETS: usize = 2;
    /// By other threads, which would make it leave its CPU. Some of the kernel's may have to wait as long for it.
    const UNDISTURBED: Duration = Duration::from_secs(1);
    /// The daemon looks at all sockets a second after the beginning: at the one that is closed between the two.
    const CALLED: Duration = Duration::from_millis(750);
    const LOOKED_AT: Duration = Duration::from_millis(1300);
    let over: [AtomicBool; SOCKETS] = Default::default();
    let mut ports = [0; SOCKETS];
    let mut peers = Vec::new();
    thread::scope(|scope| {
        let recorded = record(|| {
            let began = Instant::now();
            let until = |time: Duration| thread::sleep(time.saturating_sub(began.elapsed()));
            for (index, port) in ports.iter_mut().enumerate() {
                let (near, mut far) = connect((Ipv4Addr::LOCALHOST, 0).into());
                *port = near.local_addr().unwrap().port();
                // A receive that leaves nothing unread is counted at once.
                far.write_all(&[7; (CALLS + 1) * CALL_BYTES]).unwrap();
                peers.push(far);
                let (near, over) = (Arc::new(near), &over[index]);
                let caller = Arc::clone(&near);
                until(CALLED);
                scope.spawn(move || {
                    set_real_time(true);
                    for _ in 0..CALLS {
                        (&*caller).read_exact(&mut [0; CALL_BYTES]).unwrap();
                        (&*caller).write_all(&[7; CALL_BYTES]).unwrap();
                    }
                    drop(caller);
                    let called = Instant::now();
                    let is_over = || over.load(Ordering::Relaxed);
                    while !is_over() && called.elapsed() < UNDISTURBED {}
                    set_real_time(false);
                    while !is_over() {}
                });
                // The last call may have to return yet.
                while Arc::strong_count(&near) > 1 {
                    thread::yield_now();
                }
                if index == 0 {
                    drop(near);
                    until(LOOKED_AT);
                    over.store(true, Ordering::Relaxed);
                } else {
                    // Open until after the recording.
                    mem::forget(near);
                }
            }
        });
        over.iter().for_each(|over| over.store(true, Ordering::Relaxed));
        let each_way = ((CALLS * CALL_BYTES) as u64, CALLS as u64);
        for port in ports {
            let socket = find(&recorded, Protocol::Tcp, port);
            assert_eq!((socket.tx_bytes, socket.tx_calls), each_way, "{socket:?}");
            assert_eq!((socket.rx_bytes, socket.rx_calls), each_way, "{socket:?}");
            let payloads = recorded.timeline.events.payloads.iter();
            let moved =
                payloads.filter(|payload| payload.cookie == socket.cookie).map(|payload| payload.bytes);
            assert_eq!(moved.sum::<u64>(), 2 * each_way.0, "the records of its payload");
        }
        // What was received is none that was read past the calls.
        assert!(recorded.own().bypassed.is_empty(), "{:?}", recorded.own().bypassed);
    });
}

/// Whether the calling thread leaves its CPU for threads of its kind alone. Where it may not be so, a host that is busy disturbs it.
fn set_real_time(real_time: bool) {
    let (policy, sched_priority) = if real_time { (libc::SCHED_FIFO, 10) } else { (libc::SCHED_OTHER, 0) };
    let priority = libc::sched_param { sched_priority };
    // SAFETY: 0 is the calling thread; the parameter lives through the call.
    unsafe { libc::sched_setscheduler(0, policy, &raw const priority) };
}

/// Calls of several CPUs are counted in another order than they returned in, and the socket's element is made by either.
/// When each returned stands in its own record too.
#[test]
fn no_socket_was_used_last_before_it_was_used_first() {
    let threads = thread::available_parallelism().unwrap().get().max(2);
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let path = folder.path().join("run.capture");
    let mut used = Vec::new();
    record_to(&path, || {
        used.extend(use_at_once(1));
        for _ in 0..8 {
            used.extend(use_at_once(threads));
        }
    });

    let mut last_totals = HashMap::new();
    let mut returned: HashMap<u64, (u64, u64)> = HashMap::new();
    let mut capture = capture::read(&path).unwrap();
    while let Some(record) = capture.next().unwrap() {
        match record {
            Record::SocketTotals(totals) => {
                assert!(totals.first_ns <= totals.last_ns, "{totals:?}");
                assert!(totals.rx_calls + totals.tx_calls > 0 || totals.first_ns == 0, "{totals:?}");
                last_totals.insert(totals.cookie, totals);
            }
            Record::Payload(call) => {
                let (first_ns, last_ns) = returned.entry(call.cookie).or_insert((u64::MAX, 0));
                (*first_ns, *last_ns) = ((*first_ns).min(call.since_ns), (*last_ns).max(call.at_ns));
            }
            _ => {}
        }
    }
    for (cookie, calls) in used {
        let totals = last_totals.get(&cookie).expect("the socket is in the capture");
        assert_eq!(totals.tx_calls, calls, "{totals:?}");
        assert_eq!((totals.first_ns, totals.last_ns), returned[&cookie], "{totals:?}");
    }
}

/// Each thread sends one datagram over each of some sockets, all of them at the same time: the sockets' first calls. Gives
/// the cookies of the sockets, and how many calls each has seen.
fn use_at_once(threads: usize) -> Vec<(u64, u64)> {
    // Below the usual limit of descriptors.
    const SOCKETS: usize = 400;
    let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let sockets: Vec<UdpSocket> = (0..SOCKETS)
        .map(|_| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            socket.connect(far.local_addr().unwrap()).unwrap();
            socket
        })
        .collect();
    let there: Vec<AtomicUsize> = sockets.iter().map(|_| AtomicUsize::new(0)).collect();
    let send = || {
        for (socket, there) in sockets.iter().zip(&there) {
            there.fetch_add(1, Ordering::AcqRel);
            let mut looks = 0;
            while there.load(Ordering::Acquire) < threads {
                looks += 1;
                // The other may need this CPU.
                if looks % 10_000 == 0 {
                    thread::yield_now();
                }
            }
            socket.send(&[7; 100]).unwrap();
        }
    };
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(send))));
    sockets.iter().map(|socket| (socket_cookie(socket).unwrap(), threads as u64)).collect()
}

#[track_caller]
fn check_tcp(address: SocketAddr) {
    let mut ports = (0, 0);
    let recorded = record(|| {
        let (mut near, mut far) = connect(address);
        ports = (near.local_addr().unwrap().port(), far.local_addr().unwrap().port());
        let reader = thread::spawn(move || {
            let mut buffer = vec![0; 100_000];
            let mut got = 0;
            loop {
                match far.read(&mut buffer).unwrap() {
                    0 => return got,
                    n => got += n,
                }
            }
        });
        near.write_all(&vec![7; PAYLOAD_BYTES]).unwrap();
        drop(near);
        assert_eq!(reader.join().unwrap(), PAYLOAD_BYTES);
    });
    check_socket(&recorded, Protocol::Tcp, ports.0, (0, PAYLOAD_BYTES as u64));
    check_socket(&recorded, Protocol::Tcp, ports.1, (PAYLOAD_BYTES as u64, 0));
    let own = recorded.own().totals.clone().unwrap();
    assert_eq!((own.tcp_rx_bytes, own.tcp_tx_bytes), (PAYLOAD_BYTES as u64, PAYLOAD_BYTES as u64));
    assert_eq!((own.udp_rx_bytes, own.udp_tx_bytes), (0, 0));
}

#[track_caller]
fn check_udp(address: SocketAddr) {
    const DATAGRAMS: u64 = 1000;
    const DATAGRAM_BYTES: u64 = 1201;
    let mut ports = (0, 0);
    let recorded = record(|| {
        let (near, far) = (UdpSocket::bind(address).unwrap(), UdpSocket::bind(address).unwrap());
        ports = (near.local_addr().unwrap().port(), far.local_addr().unwrap().port());
        let mut buffer = [0; 2000];
        for _ in 0..DATAGRAMS {
            near.send_to(&[7; DATAGRAM_BYTES as usize], far.local_addr().unwrap()).unwrap();
            assert_eq!(far.peek_from(&mut buffer).unwrap().0 as u64, DATAGRAM_BYTES);
            assert_eq!(far.recv_from(&mut buffer).unwrap().0 as u64, DATAGRAM_BYTES);
        }
    });
    check_socket(&recorded, Protocol::Udp, ports.0, (0, DATAGRAMS * DATAGRAM_BYTES));
    check_socket(&recorded, Protocol::Udp, ports.1, (DATAGRAMS * DATAGRAM_BYTES, 0));
}

#[track_caller]
fn check_socket(recorded: &Recorded, protocol: Protocol, port: u16, rx_tx: (u64, u64)) {
    let socket = find(recorded, protocol, port);
    assert_eq!((socket.rx_bytes, socket.tx_bytes), rx_tx, "{socket:?}");
}

#[track_caller]
pub fn find(recorded: &Recorded, protocol: Protocol, port: u16) -> &SocketTotals {
    let is_it = |socket: &&SocketTotals| {
        socket.ends.as_ref().is_some_and(|ends| ends.protocol == protocol && ends.local.port() == port)
    };
    recorded.own().sockets.values().find(is_it).expect("the socket is in the capture")
}

pub fn connect(address: SocketAddr) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(address).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}
