//! Which flows belong to which socket.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use abi::sockets::without_turn;

use crate::verify::{
    packets::{
        flows::Total,
        headers::{Flow, Transport},
    },
    sockets::{Socket, Sockets},
};
use capture::{Protocol, SocketEnds};

/// A socket with its packets; or several, where packets do not tell which is which.
pub struct Pair<'a> {
    pub sockets: Vec<&'a Socket>,
    pub received: Vec<&'a Total>,
    pub sent: Vec<&'a Total>,
    /// Why they cannot be compared.
    pub obstacle: Option<&'static str>,
}

type Totals = BTreeMap<Flow, Vec<Total>>;

/// What packets know of a socket. Without a peer: a datagram socket that talks to anyone.
type Addresses = (Transport, SocketAddr, Option<SocketAddr>);

/// Every socket, once, in the order of addresses; those without any at the end.
pub fn pairs<'a>(sockets: &'a Sockets, totals: &'a Totals) -> Vec<Pair<'a>> {
    let mut groups = BTreeMap::<Addresses, BTreeMap<u32, Vec<&Socket>>>::new();
    let mut without = Vec::new();
    let anybodys = anybodys(sockets);
    for (cookie, socket) in &sockets.sockets {
        match &socket.ends {
            Some(ends) => {
                let addresses =
                    anybodys.get(&without_turn(*cookie)).copied().unwrap_or_else(|| addresses(ends));
                groups.entry(addresses).or_default().entry(ends.netns).or_default().push(socket)
            }
            None => without
                .push(unmatched(vec![socket], "its addresses are unknown: the table of sockets was full")),
        }
    }
    let connected: BTreeSet<_> =
        groups.keys().filter_map(|(transport, local, peer)| Some((*transport, *local, (*peer)?))).collect();
    let mut pairs = Vec::new();
    for ((transport, local, peer), namespaces) in &groups {
        let is_ambiguous = namespaces.len() > 1;
        for (netns, group) in namespaces {
            let mut group = group.clone();
            group.sort_by_key(|socket| begun_ns(socket));
            match (peer, transport) {
                _ if is_ambiguous => {
                    pairs.push(unmatched(group, "other network namespaces have the same addresses"))
                }
                (Some(peer), _) => pairs.extend(of_connections(group, (*transport, *local, *peer), totals)),
                (None, Transport::Udp) => {
                    let homes = homes(sockets, *netns);
                    pairs.push(of_unconnected(group, *local, &homes, &connected, totals));
                }
                (None, Transport::Tcp) => pairs.push(unmatched(group, "its peer is unknown")),
            }
        }
    }
    pairs.extend(without);
    pairs
}

/// As packets show it: an IPv4 address behind an IPv6 socket is an IPv4 address.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl Pair<'_> {
    pub fn both(&self) -> impl Iterator<Item = &Total> {
        self.received.iter().chain(&self.sent).copied()
    }
}

fn addresses(ends: &SocketEnds) -> Addresses {
    let transport = match ends.protocol {
        Protocol::Tcp => Transport::Tcp,
        Protocol::Udp => Transport::Udp,
    };
    (transport, canonical(ends.local), ends.has_peer().then(|| canonical(ends.peer)))
}

/// Datagram sockets, by their first cookies, that talked to anyone before they were connected or after: packets do not
/// tell which of them went where.
fn anybodys(sockets: &Sockets) -> BTreeMap<u64, Addresses> {
    let all = sockets.sockets.iter().filter_map(|(cookie, socket)| Some((cookie, socket.ends.as_ref()?)));
    let without_peer = all.filter(|(_, ends)| ends.protocol == Protocol::Udp && !ends.has_peer());
    without_peer.map(|(cookie, ends)| (without_turn(*cookie), addresses(ends))).collect()
}

fn begun_ns(socket: &Socket) -> u64 {
    socket.ends.as_ref().and_then(|ends| ends.established_ns).unwrap_or(socket.first_ns)
}

fn unmatched<'a>(sockets: Vec<&'a Socket>, obstacle: &'static str) -> Pair<'a> {
    Pair { sockets, received: Vec::new(), sent: Vec::new(), obstacle: Some(obstacle) }
}

/// Connections with the same addresses follow each other in time: as many connections as sockets are paired in order,
/// otherwise all of them are one pair.
fn of_connections<'a>(
    sockets: Vec<&'a Socket>,
    (transport, local, peer): (Transport, SocketAddr, SocketAddr),
    totals: &'a Totals,
) -> Vec<Pair<'a>> {
    let of = |source, destination| {
        let flow = Flow::new(transport, source, destination);
        totals.get(&flow).map(Vec::as_slice).unwrap_or_default()
    };
    let (sent, received) = (of(local, peer), of(peer, local));
    if sent.is_empty() && received.is_empty() {
        return vec![unmatched(sockets, NO_PACKETS)];
    }
    if sent.len() == sockets.len() && received.len() == sockets.len() {
        let each = sockets.into_iter().zip(received.iter().zip(sent));
        return each
            .map(|(socket, (received, sent))| Pair {
                sockets: vec![socket],
                received: vec![received],
                sent: vec![sent],
                obstacle: None,
            })
            .collect();
    }
    vec![Pair { sockets, received: received.iter().collect(), sent: sent.iter().collect(), obstacle: None }]
}

const NO_PACKETS: &str = "no packet of it is in the file";

/// All flows from and to an address, less those of connected sockets that share it.
fn of_unconnected<'a>(
    sockets: Vec<&'a Socket>,
    local: SocketAddr,
    homes: &BTreeSet<IpAddr>,
    connected: &BTreeSet<(Transport, SocketAddr, SocketAddr)>,
    totals: &'a Totals,
) -> Pair<'a> {
    let is_local = |address: SocketAddr| {
        let ip = address.ip();
        address.port() == local.port()
            && (ip == local.ip()
                || (local.ip().is_unspecified() && (homes.is_empty() || homes.contains(&ip))))
    };
    // A group's members may be bound to any of their addresses.
    let is_for = |address: SocketAddr| {
        is_local(address) || (address.ip().is_multicast() && address.port() == local.port())
    };
    let udp = |ours: SocketAddr, other: SocketAddr| !connected.contains(&(Transport::Udp, ours, other));
    let mut pair = Pair { sockets, received: Vec::new(), sent: Vec::new(), obstacle: None };
    for (flow, flow_totals) in totals.iter().filter(|(flow, _)| flow.transport == Transport::Udp) {
        let (source, destination) = (flow.source(), flow.destination());
        if is_local(source) && udp(source, destination) {
            pair.sent.extend(flow_totals);
        }
        if is_for(destination) && udp(destination, source) {
            pair.received.extend(flow_totals);
        }
    }
    if pair.sent.is_empty() && pair.received.is_empty() {
        pair.obstacle = Some(NO_PACKETS);
    }
    pair
}

/// The addresses that sockets of a namespace are known to have. Empty: nothing is known.
fn homes(sockets: &Sockets, netns: u32) -> BTreeSet<IpAddr> {
    let ends = sockets.sockets.values().filter_map(|socket| socket.ends.as_ref());
    let known = ends.filter(|ends| ends.netns == netns).map(|ends| ends.local.ip().to_canonical());
    known.filter(|ip| !ip.is_unspecified()).collect()
}
