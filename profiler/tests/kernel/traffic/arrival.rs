//! Bytes arrive after they were sent and before they are received, however late the reader comes.

use std::{
    io::{Read as _, Write as _, pipe},
    net::{Ipv4Addr, UdpSocket},
    thread,
    time::Duration,
};

use capture::traffic::{Arrival, Direction, Payload};
use profiler::clock::now_ns;

use abi::arrival::ARRIVAL_INTERVAL_NS;

use super::Socket;
use crate::{
    actor::Actor,
    bytes::connect,
    recorded::{record, record_others},
};

const MESSAGES: usize = 50;
const LATE: Duration = Duration::from_millis(10);

/// The write itself takes some time, and the machine may be busy.
const SOON_NS: u64 = 5_000_000;

#[test]
fn traffic_arrives_between_send_and_receive_over_tcp() {
    let mut port = 0;
    let mut sent_ns = Vec::new();
    let recorded = record(|| {
        let (mut near, mut far) = connect((Ipv4Addr::LOCALHOST, 0).into());
        port = far.local_addr().unwrap().port();
        // A socket is known from its first use on.
        near.write_all(&[0]).unwrap();
        far.read_exact(&mut [0]).unwrap();
        for _ in 0..MESSAGES {
            sent_ns.push(now_ns());
            near.write_all(&[7; 100]).unwrap();
            thread::sleep(LATE);
            far.read_exact(&mut [0; 100]).unwrap();
        }
    });
    let far = Socket::tcp(&recorded, port);
    let arrivals = far.arrivals();
    let receives = far.payloads(Direction::Received);
    assert_eq!(receives.len(), MESSAGES + 1, "each after a sleep");
    let arrived = |receive: &Payload| {
        let past = |arrival: &&Arrival| arrival.sequence == receive.sequence;
        arrivals.iter().find(past).expect("all bytes of the receive arrived at once").at_ns
    };
    let arrived_ns = receives[1..].iter().map(arrived);
    check_times(&sent_ns, &arrived_ns.collect::<Vec<_>>(), &receives[1..]);
}

#[test]
fn traffic_arrives_between_send_and_receive_over_udp() {
    let mut port = 0;
    let mut sent_ns = Vec::new();
    let recorded = record(|| {
        let [near, far] = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        port = far.local_addr().unwrap().port();
        let to = far.local_addr().unwrap();
        near.send_to(&[0], to).unwrap();
        far.recv(&mut [0]).unwrap();
        for _ in 0..MESSAGES {
            sent_ns.push(now_ns());
            near.send_to(&[7; 100], to).unwrap();
            thread::sleep(LATE);
            far.recv(&mut [0; 100]).unwrap();
        }
    });
    let far = Socket::udp(&recorded, port);
    let arrivals = far.arrivals();
    assert!(arrivals.iter().all(|arrival| arrival.sequence.is_none()));
    let arrived_ns: Vec<_> = arrivals.iter().map(|arrival| arrival.at_ns).collect();
    assert_eq!(arrived_ns.len(), MESSAGES, "the first one came before the socket was known");
    check_times(&sent_ns, &arrived_ns, &far.payloads(Direction::Received)[1..]);
}

/// Else the next one would seem to have arrived when the empty one did.
#[test]
fn traffic_without_a_byte_takes_its_time_of_arrival_along() {
    let (mut port, mut emptied_ns) = (0, 0);
    let recorded = record(|| {
        let [near, far] = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let to = far.local_addr().unwrap();
        port = to.port();
        near.send_to(&[7], to).unwrap();
        far.recv(&mut [0]).unwrap();
        near.send_to(&[], to).unwrap();
        assert_eq!(far.recv(&mut [0]).unwrap(), 0);
        thread::sleep(LATE);
        emptied_ns = now_ns();
        near.send_to(&[7; 100], to).unwrap();
        far.recv(&mut [0; 100]).unwrap();
    });
    let arrived_ns: Vec<_> = Socket::udp(&recorded, port).arrivals().iter().map(|a| a.at_ns).collect();
    let [arrived_ns] = arrived_ns[..] else {
        panic!("the first one came before the socket was known: {arrived_ns:?}")
    };
    assert!(arrived_ns >= emptied_ns, "{} ns before it was sent", emptied_ns - arrived_ns);
}

/// The socket is another process's, too, which is no target.
#[test]
fn traffic_that_a_stranger_takes_takes_its_time_of_arrival_along() {
    let [near, far] = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    let to = far.local_addr().unwrap();
    let ((mut received, mut tell), (mut wait, mut go)) = (pipe().unwrap(), pipe().unwrap());
    let stranger = Actor::new(|| assert_eq!(far.recv(&mut [0]).unwrap(), 1));
    let target = Actor::new(|| {
        far.recv(&mut [0]).unwrap();
        tell.write_all(&[0]).unwrap();
        wait.read_exact(&mut [0]).unwrap();
        assert_eq!(far.recv(&mut [0; 100]).unwrap(), 100);
    });
    let pid = target.pid;
    let mut taken_ns = 0;
    let recorded = record_others(|recording| {
        recording.register(pid).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| target.act());
            near.send_to(&[7], to).unwrap();
            received.read_exact(&mut [0]).unwrap();
            near.send_to(&[7], to).unwrap();
            stranger.act();
            thread::sleep(LATE);
            taken_ns = now_ns();
            near.send_to(&[7; 100], to).unwrap();
            go.write_all(&[0]).unwrap();
        });
    });
    // It used no other socket.
    let arrived_ns: Vec<_> = recorded.timeline.events.arrivals.iter().map(|a| a.at_ns).collect();
    let [arrived_ns] = arrived_ns[..] else {
        panic!("the first one came before the socket was known: {arrived_ns:?}")
    };
    assert!(arrived_ns >= taken_ns, "{} ns before it was sent", taken_ns - arrived_ns);
}

#[test]
fn traffic_that_a_receive_leaves_unread_has_arrived() {
    let mut port = 0;
    let recorded = record(|| {
        let (mut near, mut far) = connect((Ipv4Addr::LOCALHOST, 0).into());
        port = far.local_addr().unwrap().port();
        near.write_all(&[7; 1000]).unwrap();
        thread::sleep(LATE);
        far.read_exact(&mut [0; 400]).unwrap();
        thread::sleep(LATE);
        far.read_exact(&mut [0; 600]).unwrap();
    });
    let far = Socket::tcp(&recorded, port);
    let [first, second] = far.payloads(Direction::Received)[..] else { panic!("two receives") };
    let [arrival] = far.arrivals()[..] else { panic!("the socket was known from its first receive on") };
    assert_eq!((arrival.at_ns, arrival.sequence), (first.at_ns, second.sequence));
}

#[test]
fn traffic_to_an_empty_queue_always_arrives() {
    const EXCHANGES: usize = 1000;
    let mut port = 0;
    let recorded = record(|| {
        let (mut near, mut far) = connect((Ipv4Addr::LOCALHOST, 0).into());
        port = far.local_addr().unwrap().port();
        near.set_nodelay(true).unwrap();
        for _ in 0..=EXCHANGES {
            near.write_all(&[7]).unwrap();
            far.read_exact(&mut [0]).unwrap();
        }
    });
    assert_eq!(Socket::tcp(&recorded, port).arrivals().len(), EXCHANGES, "all but the first, however soon");
}

#[test]
fn traffic_to_a_slow_reader_arrives_now_and_then_over_tcp() {
    /// They fit into the receive buffer.
    const WRITES: usize = 200;
    let mut port = 0;
    let mut took_ns = 0;
    let recorded = record(|| {
        let (mut near, mut far) = connect((Ipv4Addr::LOCALHOST, 0).into());
        port = far.local_addr().unwrap().port();
        near.set_nodelay(true).unwrap();
        near.write_all(&[7]).unwrap();
        far.read_exact(&mut [0]).unwrap();
        let began_ns = now_ns();
        (0..WRITES).for_each(|_| near.write_all(&[7]).unwrap());
        took_ns = now_ns() - began_ns;
        far.read_exact(&mut [0; WRITES]).unwrap();
    });
    let arrivals = Socket::tcp(&recorded, port).arrivals().len();
    let most = (took_ns / ARRIVAL_INTERVAL_NS) as usize + 2;
    assert!(most < WRITES / 2, "the machine is busy: {took_ns} ns");
    assert!((1..=most).contains(&arrivals), "{arrivals} of {WRITES}, at most {most}");
}

#[test]
fn traffic_to_a_slow_reader_arrives_with_its_first_datagram() {
    /// They fit into the receive buffer.
    const DATAGRAMS: usize = 200;
    let mut port = 0;
    let (mut before_ns, mut after_ns) = (0, 0);
    let recorded = record(|| {
        let [near, far] = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        port = far.local_addr().unwrap().port();
        let to = far.local_addr().unwrap();
        near.send_to(&[7], to).unwrap();
        far.recv(&mut [0]).unwrap();
        before_ns = now_ns();
        assert_eq!(near.send_to(&[7], to).unwrap(), 1);
        after_ns = now_ns();
        (1..DATAGRAMS).for_each(|_| assert_eq!(near.send_to(&[7], to).unwrap(), 1));
        (0..DATAGRAMS).for_each(|_| assert_eq!(far.recv(&mut [0]).unwrap(), 1));
    });
    let far = Socket::udp(&recorded, port);
    let [arrival] = far.arrivals()[..] else { panic!("{:?}", far.arrivals()) };
    assert!((before_ns..after_ns).contains(&arrival.at_ns), "{arrival:?}, {before_ns} to {after_ns}");
}

#[track_caller]
fn check_times(sent_ns: &[u64], arrived_ns: &[u64], receives: &[Payload]) {
    assert_eq!((sent_ns.len(), arrived_ns.len()), (receives.len(), receives.len()));
    let mut late = 0;
    for ((&sent_ns, &arrived_ns), receive) in sent_ns.iter().zip(arrived_ns).zip(receives) {
        assert!(sent_ns < arrived_ns, "it arrived at {arrived_ns} before it was sent at {sent_ns}");
        let waited_ns = receive.at_ns - arrived_ns;
        assert!(waited_ns > LATE.as_nanos() as u64 / 2, "it lay there for {waited_ns} ns, not 10 ms");
        late += usize::from(arrived_ns - sent_ns > SOON_NS);
    }
    assert!(late * 10 <= receives.len(), "{late} arrived late");
}
