//! Datagrams by destination: who sent the one that arrived. Datagrams have no sequence numbers; the last one
//! sent before an arrival is taken for it. Between namespaces of one host a datagram arrives before its send returns:
//! a send that returns right after an arrival is the one.
//!
//! A socket that is bound to no address receives at every address of its network namespace. Those are learnt from
//! the other sockets there; where one socket and one destination with its port are left over, they belong together.
//! A destination that several sockets would take is nobody's.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, SocketAddr},
};

use crate::{
    attribution::observed::payload::{Movement, Socket},
    rows::Rows,
};
use abi::sockets::without_turn;
use capture::Protocol;

/// An address as a sender uses it; loopback is another host in each namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Destination {
    /// The sender's, for loopback.
    netns: Option<u32>,
    address: SocketAddr,
}

/// How long after an arrival its send may return: the rest of the call, and of the calls that share its record.
const RETURN_NS: u64 = 200_000;

#[derive(Debug, Default)]
pub struct Datagrams {
    netns_of: HashMap<u64, u32>,
    /// In order of time.
    by_destination: BTreeMap<Destination, Rows<Movement>>,
    /// What is sent there reaches the socket with this cookie.
    owned: HashMap<u64, Vec<Destination>>,
}

/// None yet, among these sockets.
pub fn among(sockets: &[Socket]) -> Datagrams {
    let netns_of = sockets.iter().map(|socket| (socket.cookie.id, socket.ends.netns)).collect();
    Datagrams { netns_of, ..Datagrams::default() }
}

impl Datagrams {
    /// Adds what was sent to an address, in order of time.
    pub fn sent(&mut self, to: SocketAddr, movement: Movement) {
        let netns = self.netns_of.get(&movement.cookie).copied().unwrap_or_default();
        self.by_destination.entry(destination(to, netns)).or_default().push(movement);
    }

    /// See [`Rows::seal_some`].
    pub fn seal(&mut self) {
        self.by_destination.values_mut().for_each(Rows::seal_some);
    }

    /// All were added: whose they are.
    pub fn close(&mut self, sockets: &[Socket]) {
        let used: Vec<Destination> = self.by_destination.keys().copied().collect();
        self.owned = owners(sockets, &used);
    }

    /// The send of a datagram that arrived at a socket at `at_ns`; None where the socket's address is not known.
    pub fn last_to(&self, cookie: u64, at_ns: u64) -> Option<Movement> {
        let carrier = |destination: &Destination| {
            let sends = self.by_destination.get(destination)?;
            let returned = sends.partition_point(|send| send.at_ns <= at_ns);
            let returns =
                sends.from(returned).next().filter(|send| send.at_ns <= at_ns.saturating_add(RETURN_NS));
            returns.or_else(|| returned.checked_sub(1).map(|place| sends.at(place)))
        };
        let destinations = self.owned.get(&cookie)?.iter();
        destinations.filter_map(carrier).max_by_key(|send| (send.at_ns, send.cookie))
    }
}

impl Datagrams {
    /// The last datagram from one socket to another one that was sent before a moment.
    pub fn last_between(&self, from: u64, to: u64, before_ns: u64) -> Option<Movement> {
        let last = |destination: &Destination| {
            let sends = self.by_destination.get(destination)?;
            let before = sends.partition_point(|send| send.at_ns < before_ns);
            sends.range(0..before).rev().take(LOOKED_AT).find(|send| send.cookie == from)
        };
        let destinations = self.owned.get(&to)?.iter();
        destinations.filter_map(last).max_by_key(|send| send.at_ns)
    }
}

/// Sends to a socket, from however many others, among which one socket's last is looked for.
const LOOKED_AT: usize = 1000;

/// The destinations of each socket, by its cookie.
fn owners(sockets: &[Socket], used: &[Destination]) -> HashMap<u64, Vec<Destination>> {
    let known: BTreeSet<(u32, IpAddr)> = sockets
        .iter()
        .map(|socket| (socket.ends.netns, plain(socket.ends.local).ip()))
        .filter(|(_, ip)| !ip.is_unspecified())
        .collect();
    let udp: Vec<&Socket> = sockets.iter().filter(|socket| socket.ends.protocol == Protocol::Udp).collect();
    let takes = |socket: &Socket, to: &Destination| {
        let local = plain(socket.ends.local);
        let netns = socket.ends.netns;
        to.address.port() == local.port()
            && to.netns.is_none_or(|of_sender| of_sender == netns)
            && if local.ip().is_unspecified() {
                to.netns.is_some() || known.contains(&(netns, to.address.ip()))
            } else {
                to.address == local
            }
    };
    let is_same = |one: &Socket, other: &Socket| without_turn(one.cookie.id) == without_turn(other.cookie.id);
    let mut owned: HashMap<u64, Vec<Destination>> = HashMap::new();
    // By port: destinations that no socket is known to take.
    let mut left_over: BTreeMap<u16, Vec<Destination>> = BTreeMap::new();
    for &to in used {
        let takers: Vec<&&Socket> = udp.iter().filter(|socket| takes(socket, &to)).collect();
        match takers[..] {
            // One socket, however often it was connected again.
            [first, ..] if takers.iter().all(|taker| is_same(first, taker)) => {
                takers.iter().for_each(|taker| owned.entry(taker.cookie.id).or_default().push(to));
            }
            [] if to.netns.is_none() => left_over.entry(to.address.port()).or_default().push(to),
            _ => {}
        }
    }
    for (port, destinations) in left_over {
        let lacks = |socket: &&&Socket| {
            let local = plain(socket.ends.local);
            local.ip().is_unspecified() && local.port() == port && !owned.contains_key(&socket.cookie.id)
        };
        let lacking: Vec<u64> = udp.iter().filter(lacks).map(|socket| socket.cookie.id).collect();
        if let ([cookie], [_]) = (&lacking[..], &destinations[..]) {
            owned.insert(*cookie, destinations);
        }
    }
    owned
}

fn destination(address: SocketAddr, netns: u32) -> Destination {
    let address = plain(address);
    Destination { netns: address.ip().is_loopback().then_some(netns), address }
}

fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
