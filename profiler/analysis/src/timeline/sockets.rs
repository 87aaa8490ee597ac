//! Whom a process talked to: its sockets, added up per remote address.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use capture::{Protocol, SocketTotals};

/// Where bytes went or came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remote {
    Address(IpAddr),
    /// A UDP socket that talks to anyone.
    Unconnected,
    /// The table of sockets was full.
    Unknown,
}

/// The traffic of one process with one remote address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub connections: u64,
    pub retransmits: u64,
}

/// What peers are told apart by; control traffic is kept apart from the rest.
pub type PeerKey = (bool, Remote, Option<Protocol>);

pub fn by_peer<'a>(sockets: impl IntoIterator<Item = &'a SocketTotals>) -> BTreeMap<PeerKey, Peer> {
    let mut peers = BTreeMap::<PeerKey, Peer>::new();
    for socket in sockets {
        let protocol = socket.ends.as_ref().map(|ends| ends.protocol);
        let peer = peers.entry((socket.control, Remote::of(socket), protocol)).or_default();
        peer.rx_bytes += socket.rx_bytes;
        peer.tx_bytes += socket.tx_bytes;
        peer.connections += 1;
        peer.retransmits += socket.ends.as_ref().map_or(0, |ends| ends.retransmits);
    }
    peers
}

impl Remote {
    fn of(socket: &SocketTotals) -> Self {
        match &socket.ends {
            None => Self::Unknown,
            Some(ends) if ends.has_peer() => Self::Address(ends.peer.ip().to_canonical()),
            Some(_) => Self::Unconnected,
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Unconnected => f.write_str("unconnected"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use capture::{ProcessSerial, SocketEnds};

    fn socket(control: bool, peer: Option<(Protocol, &str)>, rx_bytes: u64) -> SocketTotals {
        SocketTotals {
            at_ns: 0,
            cookie: 0,
            process: ProcessSerial(1),
            rx_bytes,
            tx_bytes: 1,
            rx_calls: 0,
            tx_calls: 0,
            first_ns: 0,
            last_ns: 0,
            control,
            ends: peer.map(|(protocol, peer)| SocketEnds {
                protocol,
                local: "10.0.0.1:51413".parse().expect("an address"),
                peer: peer.parse().expect("an address"),
                netns: 1,
                established_ns: None,
                retransmits: 2,
                closed: None,
            }),
        }
    }

    #[track_caller]
    fn check(what: &str, sockets: &[SocketTotals], expected: &[&str]) {
        let lines: Vec<_> = by_peer(sockets)
            .iter()
            .map(|((control, remote, _), peer)| {
                let control = if *control { " control" } else { "" };
                format!(
                    "{remote} rx {} of {}, {} again{control}",
                    peer.rx_bytes, peer.connections, peer.retransmits
                )
            })
            .collect();
        assert_eq!(lines, expected, "{what}");
    }

    #[test]
    fn sockets_add_up_per_remote_address() {
        use Protocol::{Tcp, Udp};
        check("none", &[], &[]);
        check(
            "two connections to one host",
            &[socket(false, Some((Tcp, "10.0.0.2:1")), 10), socket(false, Some((Tcp, "10.0.0.2:2")), 20)],
            &["10.0.0.2 rx 30 of 2, 4 again"],
        );
        check(
            "an IPv4 host behind an IPv6 socket is the same host",
            &[
                socket(false, Some((Tcp, "10.0.0.2:1")), 10),
                socket(false, Some((Tcp, "[::ffff:10.0.0.2]:2")), 20),
            ],
            &["10.0.0.2 rx 30 of 2, 4 again"],
        );
        check(
            "TCP and UDP apart",
            &[socket(false, Some((Tcp, "10.0.0.2:1")), 10), socket(false, Some((Udp, "10.0.0.2:1")), 20)],
            &["10.0.0.2 rx 10 of 1, 2 again", "10.0.0.2 rx 20 of 1, 2 again"],
        );
        check(
            "control apart, and last",
            &[socket(true, Some((Tcp, "10.0.0.2:1")), 10), socket(false, Some((Tcp, "10.0.0.2:2")), 20)],
            &["10.0.0.2 rx 20 of 1, 2 again", "10.0.0.2 rx 10 of 1, 2 again control"],
        );
        check(
            "unconnected UDP",
            &[socket(false, Some((Udp, "0.0.0.0:0")), 10), socket(false, Some((Udp, "[::]:0")), 20)],
            &["unconnected rx 30 of 2, 4 again"],
        );
        check("no place in the table", &[socket(false, None, 10)], &["unknown rx 10 of 1, 0 again"]);
    }
}
