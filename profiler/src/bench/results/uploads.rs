//! Who sent how much to whom: TCP by the sockets' peers, datagrams by the destination of each send.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use serde::{Deserialize, Serialize};

use analysis::timeline::{Process, Timeline};
use capture::{Protocol, traffic::Direction};

use super::NodeRecord;

/// Bytes on sockets from one node to another, without control traffic; what the protocol adds is in them.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    pub from: String,
    pub to: String,
    pub bytes: u64,
}

/// In order of names. What went to other addresses than the nodes' is left out. Nothing where datagrams were counted, and
/// their destinations were not recorded.
pub fn of(timeline: &Timeline, nodes: &[NodeRecord]) -> Vec<Upload> {
    let labels: HashMap<IpAddr, &str> =
        nodes.iter().map(|node| (node.address, node.label.as_str())).collect();
    let mut bytes = BTreeMap::<(String, String), u64>::new();
    let mut add = |from: &str, to: IpAddr, sent_bytes: u64| {
        if let Some(to) = labels.get(&to.to_canonical()) {
            *bytes.entry((from.to_owned(), (*to).to_owned())).or_default() += sent_bytes;
        }
    };
    for process in timeline.processes.values() {
        let Some(label) = &process.label else { continue };
        if timeline.is_counters_only() && sent_anywhere(process) {
            return Vec::new();
        }
        for socket in process.sockets.values().filter(|socket| !socket.control) {
            if let Some(ends) = socket.ends.as_ref().filter(|ends| ends.protocol == Protocol::Tcp) {
                add(&label.label, ends.peer.ip(), socket.tx_bytes);
            }
        }
    }
    for payload in timeline.events.payloads.iter().filter(|payload| payload.direction == Direction::Sent) {
        let process = timeline.processes.get(&payload.process);
        let label = process.and_then(|process| process.label.as_ref());
        if let (Some(label), Some(destination)) = (label, payload.destination) {
            add(&label.label, destination.ip(), payload.bytes);
        }
    }
    bytes.into_iter().map(|((from, to), bytes)| Upload { from, to, bytes }).collect()
}

/// Whether datagrams went out over a socket that is not connected to one peer.
fn sent_anywhere(process: &Process) -> bool {
    process.sockets.values().filter(|socket| !socket.control && socket.tx_bytes > 0).any(|socket| {
        socket.ends.as_ref().is_some_and(|ends| ends.protocol == Protocol::Udp && !ends.has_peer())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use analysis::timeline::sample::timeline;
    use capture::{Record, families::SCHEDULING, testing::sample::*};

    /// A socket that sends datagrams to anyone.
    fn unconnected() -> Record {
        let Record::SocketTotals(mut totals) = socket(LEECHER, 78, Some("0.0.0.0:0"), false) else {
            unreachable!("a socket's totals")
        };
        totals.ends.as_mut().expect("its ends").protocol = Protocol::Udp;
        Record::SocketTotals(totals)
    }

    #[track_caller]
    fn check(more: Vec<Record>, expected: &[(&str, &str, u64)]) {
        let nodes = [NodeRecord {
            label: "seeder-1".to_owned(),
            role: capture::Role::Seeder,
            address: "10.77.0.9".parse().expect("an address"),
            program: String::new(),
        }];
        let mut records = vec![start(), label(LEECHER, capture::Role::Leecher), family(SCHEDULING, None)];
        records.push(socket(LEECHER, 77, Some("10.77.0.9:1"), false));
        records.extend(more);
        records.push(end());
        let uploads = of(&timeline(records), &nodes);
        let uploads: Vec<_> =
            uploads.iter().map(|one| (one.from.as_str(), one.to.as_str(), one.bytes)).collect();
        assert_eq!(uploads, expected);
    }

    #[test]
    fn who_got_datagrams_is_not_known_from_counters_alone() {
        let counters = || Record::Family(capture::Family::left_out(SCHEDULING));
        let over_tcp = [("leecher-1", "seeder-1", 3_300)];
        check(vec![], &over_tcp);
        check(vec![unconnected()], &over_tcp);
        check(vec![counters()], &over_tcp);
        check(vec![counters(), unconnected()], &[]);
    }
}
