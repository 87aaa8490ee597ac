//! Datagrams by destination: who sent the one that arrived. Datagrams have no sequence numbers; the last one
//! sent before an arrival is taken for it.
//!
//! A socket that is bound to no address is known by its port, where datagrams went to only one address with
//! that port; hosts that use one port in several namespaces need bound addresses.

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
};

use crate::{
    attribution::observed::payload::{Sent, Socket},
    capture::Protocol,
};

#[derive(Debug, Default)]
pub struct Datagrams {
    /// In order of time.
    by_destination: HashMap<SocketAddr, Vec<Sent>>,
    /// Of sockets, by cookie.
    addresses: HashMap<u64, SocketAddr>,
}

pub fn file<'s>(sockets: &[Socket], sends: impl Iterator<Item = &'s Sent>) -> Datagrams {
    let mut by_destination: HashMap<SocketAddr, Vec<Sent>> = HashMap::new();
    for sent in sends {
        if let Some(destination) = sent.payload.destination {
            by_destination.entry(plain(destination)).or_default().push(*sent);
        }
    }
    let mut by_port: HashMap<u16, BTreeSet<SocketAddr>> = HashMap::new();
    for (&destination, sends) in &mut by_destination {
        sends.sort_by_key(|sent| (sent.payload.at_ns, sent.payload.cookie));
        by_port.entry(destination.port()).or_default().insert(destination);
    }
    let address = |socket: &Socket| {
        let local = plain(socket.ends.local);
        if !local.ip().is_unspecified() {
            return Some((socket.cookie, local));
        }
        let used = by_port.get(&local.port())?;
        (used.len() == 1).then(|| used.first().map(|&only| (socket.cookie, only)))?
    };
    let udp = sockets.iter().filter(|socket| socket.ends.protocol == Protocol::Udp);
    Datagrams { addresses: udp.filter_map(address).collect(), by_destination }
}

impl Datagrams {
    /// The last datagram sent to a socket up to `at_ns`; None where its address is not known.
    pub fn last_to(&self, cookie: u64, at_ns: u64) -> Option<&Sent> {
        let sends = self.by_destination.get(self.addresses.get(&cookie)?)?;
        sends[..sends.partition_point(|sent| sent.payload.at_ns <= at_ns)].last()
    }
}

fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
