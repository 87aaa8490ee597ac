//! Who sent to whom, between nodes whose addresses no other process has.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crate::timeline::{Process, Timeline};
use capture::ProcessSerial;

/// Payload in bytes, as senders count it.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// Names of nodes, in the order in which they became targets.
    pub nodes: Vec<String>,
    /// A row for each sender, a column for each receiver; both in the order of `nodes`.
    pub sent_bytes: Vec<Vec<u64>>,
    /// What each sent to others than these nodes, or to nobody knows whom.
    pub elsewhere_bytes: Vec<u64>,
}

/// Who sent to whom; `None` where fewer than two nodes can be told apart by their addresses.
pub fn exchange(timeline: &Timeline) -> Option<Exchange> {
    let nodes: Vec<(ProcessSerial, &Process)> = timeline
        .processes
        .iter()
        .filter(|(_, process)| process.role().is_some())
        .map(|(serial, process)| (*serial, process))
        .collect();
    let places = places(timeline, &nodes);
    if places.values().collect::<BTreeSet<_>>().len() < 2 {
        return None;
    }
    let mut sent_bytes = vec![vec![0; nodes.len()]; nodes.len()];
    let mut elsewhere_bytes = vec![0; nodes.len()];
    for (from, (_, process)) in nodes.iter().enumerate() {
        for socket in process.sockets.values().filter(|socket| !socket.control) {
            let ends = socket.ends.as_ref().filter(|ends| ends.has_peer());
            match ends.and_then(|ends| places.get(&ends.peer.ip().to_canonical())) {
                Some(&to) => sent_bytes[from][to] += socket.tx_bytes,
                None => elsewhere_bytes[from] += socket.tx_bytes,
            }
        }
    }
    let names = nodes.iter().map(|(_, process)| process.name()).collect();
    Some(Exchange { nodes: names, sent_bytes, elsewhere_bytes })
}

/// The node of each address that only one process of the capture has.
fn places(timeline: &Timeline, nodes: &[(ProcessSerial, &Process)]) -> BTreeMap<IpAddr, usize> {
    let mut owners = BTreeMap::<IpAddr, BTreeSet<ProcessSerial>>::new();
    for (serial, process) in &timeline.processes {
        let locals = process.sockets.values().filter(|socket| !socket.control);
        for ends in locals.filter_map(|socket| socket.ends.as_ref()) {
            let local = ends.local.ip().to_canonical();
            if !local.is_unspecified() && !local.is_loopback() {
                owners.entry(local).or_default().insert(*serial);
            }
        }
    }
    let place = |owners: &BTreeSet<ProcessSerial>| {
        let only = owners.first().filter(|_| owners.len() == 1)?;
        nodes.iter().position(|(serial, _)| serial == only)
    };
    owners.iter().filter_map(|(address, owners)| Some((*address, place(owners)?))).collect()
}
