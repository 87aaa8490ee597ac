//! Which socket is the other end of which, where both belong to targets of the capture.
//!
//! Two sockets are a pair if their ends mirror each other and they lived at the same time. Namespaces may use
//! the same addresses twice: the same namespace is preferred, loopback never leaves it, and what is still
//! ambiguous is not paired. Address translation between the ends is not seen through.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use foldhash::HashMap;

use crate::attribution::observed::payload::Socket;
use capture::{OnHost, Protocol};

/// Cookies of the two ends, from each to the other.
#[derive(Debug, Default)]
pub struct Pairs(HashMap<OnHost<u64>, OnHost<u64>>);

pub fn pair(sockets: &[Socket]) -> Pairs {
    let mut by_ends: BTreeMap<Ends, Vec<&Socket>> = BTreeMap::new();
    for socket in sockets {
        by_ends.entry(ends(socket)).or_default().push(socket);
    }
    let other_end = |socket: &Socket| {
        let (protocol, local, peer) = ends(socket);
        only_match(socket, by_ends.get(&(protocol, peer, local))?)
    };
    let mutual = |socket: &Socket| {
        let other = other_end(socket)?;
        (other_end(other)?.cookie == socket.cookie).then_some((socket.cookie, other.cookie))
    };
    Pairs(sockets.iter().filter_map(mutual).collect())
}

impl Pairs {
    pub fn peer(&self, cookie: OnHost<u64>) -> Option<OnHost<u64>> {
        self.0.get(&cookie).copied()
    }
}

type Ends = (Protocol, SocketAddr, SocketAddr);

/// With IPv4 addresses as such, also where a dual-stack socket uses them.
fn ends(socket: &Socket) -> Ends {
    let plain = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    (socket.ends.protocol, plain(socket.ends.local), plain(socket.ends.peer))
}

fn only_match<'s>(socket: &Socket, candidates: &[&'s Socket]) -> Option<&'s Socket> {
    let alive = |other: &&Socket| {
        other.cookie != socket.cookie && other.first_ns <= socket.last_ns && socket.first_ns <= other.last_ns
    };
    let near = |other: &&Socket| other.netns() == socket.netns();
    let candidates: Vec<&Socket> = candidates.iter().copied().filter(alive).collect();
    let nearby: Vec<&Socket> = candidates.iter().copied().filter(near).collect();
    let eligible = if nearby.is_empty() && !is_loopback(socket) { candidates } else { nearby };
    match eligible[..] {
        [other] => Some(other),
        _ => None,
    }
}

fn is_loopback(socket: &Socket) -> bool {
    match socket.ends.peer.ip().to_canonical() {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use capture::{HostId, SocketEnds, testing::sample};

    fn here(cookie: u64) -> OnHost<u64> {
        HostId::default().of(cookie)
    }

    fn socket(cookie: u64, netns: u32, local: &str, peer: &str) -> Socket {
        let [local, peer] = [local, peer].map(|address| address.parse().unwrap());
        let ends = SocketEnds {
            protocol: Protocol::Tcp,
            local,
            peer,
            netns,
            established_ns: None,
            retransmits: 0,
            closed: None,
        };
        Socket { cookie: here(cookie), ends, first_ns: 0, last_ns: 100 }
    }

    #[track_caller]
    fn check(sockets: &[Socket], expected: Option<u64>) {
        let pairs = pair(sockets);
        assert_eq!(pairs.peer(here(1)), expected.map(here));
        assert_eq!(expected.and_then(|other| pairs.peer(here(other))), expected.map(|_| here(1)));
    }

    const A: &str = "10.0.0.1:1000";
    const B: &str = "10.0.0.2:2000";

    #[test]
    fn mirrored_ends_are_a_pair() {
        check(&[socket(1, 7, A, B), socket(2, 7, B, A)], Some(2));
        check(&[socket(1, 7, A, B), socket(2, 8, B, A)], Some(2));
        check(&[socket(1, 7, A, B), socket(2, 7, B, "10.0.0.1:1001")], None);
        check(&[socket(1, 7, A, B)], None);
        check(&[socket(1, 7, A, A)], None);
        check(
            &[socket(1, 7, "[::ffff:10.0.0.1]:1000", "[::ffff:10.0.0.2]:2000"), socket(2, 7, B, A)],
            Some(2),
        );
    }

    #[test]
    fn the_same_addresses_in_other_namespaces_are_other_hosts() {
        let nearby = [socket(1, 7, A, B), socket(2, 7, B, A), socket(3, 8, A, B), socket(4, 8, B, A)];
        check(&nearby, Some(2));
        // Two hosts use the same addresses, and neither shares a namespace with us.
        check(&[socket(1, 7, A, B), socket(2, 8, B, A), socket(3, 9, B, A)], None);
        // Each of two clients would take the one server: neither gets it.
        check(&[socket(1, 7, A, B), socket(2, 8, A, B), socket(3, 9, B, A)], None);
    }

    /// Numbers of namespaces and cookies are used again on another host.
    #[test]
    fn the_same_namespace_on_another_host_is_another_one() {
        let capture::Record::Start(mut start) = sample::start() else { panic!("a start") };
        start.boot_id = "5f".to_owned();
        let there = |socket: Socket| Socket { cookie: start.host().of(socket.cookie.id), ..socket };
        let [a, b] = ["127.0.0.1:1000", "127.0.0.1:2000"];
        check(&[socket(1, 7, a, b), there(socket(2, 7, b, a))], None);
        let apart = [socket(1, 7, A, B), there(socket(1, 7, B, A))];
        assert_eq!(pair(&apart).peer(here(1)), Some(start.host().of(1)));
    }

    #[test]
    fn loopback_stays_in_its_namespace() {
        let [a, b] = ["127.0.0.1:1000", "127.0.0.1:2000"];
        check(&[socket(1, 7, a, b), socket(2, 7, b, a)], Some(2));
        check(&[socket(1, 7, a, b), socket(2, 8, b, a)], None);
        check(&[socket(1, 7, "[::1]:1", "[::1]:2"), socket(2, 8, "[::1]:2", "[::1]:1")], None);
    }

    #[test]
    fn a_reused_port_is_another_connection() {
        let earlier = Socket { first_ns: 0, last_ns: 40, ..socket(2, 7, B, A) };
        let later = Socket { first_ns: 50, last_ns: 90, ..socket(3, 7, B, A) };
        check(&[Socket { first_ns: 45, last_ns: 90, ..socket(1, 7, A, B) }, earlier, later], Some(3));
    }
}
