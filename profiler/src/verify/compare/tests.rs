use std::net::SocketAddr;

use abi::sockets::with_turn;
use pcap_parser::Linktype;

use super::*;
use crate::verify::packets::made::{self, SECOND_NS, fin, rst, segment, syn, udp};
use capture::{SocketClosed, SocketEnds};

const A: &str = "10.0.0.1:5000";
const B: &str = "10.0.0.2:80";
const ANYONE: &str = "0.0.0.0:0";

fn socket(protocol: Protocol, local: &str, peer: &str, rx_tx_bytes: (u64, u64)) -> Socket {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    Socket {
        processes: vec!["leecher".to_owned()],
        rx_bytes: rx_tx_bytes.0,
        tx_bytes: rx_tx_bytes.1,
        used_ns: Some((SECOND_NS, 2 * SECOND_NS)),
        first_ns: SECOND_NS,
        ends: Some(SocketEnds {
            protocol,
            local: address(local),
            peer: address(peer),
            netns: 1,
            established_ns: None,
            retransmits: 0,
            closed: None,
        }),
    }
}

fn tcp(rx_tx_bytes: (u64, u64)) -> Socket {
    socket(Protocol::Tcp, A, B, rx_tx_bytes)
}

/// Began and ended while it was recorded; TCP's totals of what came and what went.
fn whole(mut socket: Socket, bytes_received: u64, bytes_sent: u64) -> Socket {
    let ends = socket.ends.as_mut().unwrap();
    ends.established_ns = Some(socket.first_ns);
    ends.closed =
        Some(SocketClosed { at_ns: 0, bytes_received, bytes_sent, bytes_acked: 0, bytes_retransmitted: 0 });
    socket
}

/// The rows of these sockets, recorded from the second second to the 100th, beside these packets, one a second.
#[track_caller]
fn check(what: &str, sockets: Vec<Socket>, packets: &[Vec<u8>], tolerance_bytes: u64, expected: &[&str]) {
    let pcap = made::pcap(Linktype::RAW, 60, packets);
    check_file(what, sockets, &pcap, tolerance_bytes, expected);
}

#[track_caller]
fn check_file(what: &str, sockets: Vec<Socket>, pcap: &[u8], tolerance_bytes: u64, expected: &[&str]) {
    check_known(what, (1..).zip(sockets), pcap, tolerance_bytes, expected);
}

/// The same, of sockets by their cookies.
#[track_caller]
fn check_known(
    what: &str,
    sockets: impl IntoIterator<Item = (u64, Socket)>,
    pcap: &[u8],
    tolerance_bytes: u64,
    expected: &[&str],
) {
    let sockets = Sockets {
        sockets: sockets.into_iter().collect(),
        recorded_ns: Some((2 * SECOND_NS, 100 * SECOND_NS)),
    };
    let comparison = compare(&sockets, &mut made::flows(pcap), tolerance_bytes);
    let rows: Vec<_> = comparison
        .rows
        .iter()
        .map(|row| {
            let (rx, tx) = (row.received.difference_bytes, row.sent.difference_bytes);
            let reasons = row.reasons.iter().map(|reason| format!("; {reason}")).collect::<String>();
            format!("{:?} rx {rx:+} tx {tx:+}{reasons}", row.verdict)
        })
        .collect();
    assert_eq!(rows, expected, "{what}");
    let may_agree = rows.iter().any(|row| row.starts_with("Equal") || row.starts_with("Within"));
    assert_eq!(comparison.agrees, may_agree && !rows.iter().any(|row| row.starts_with("Differs")), "{what}");
}

/// A whole connection: 1000 bytes from A to B, 10 back.
fn connection() -> Vec<Vec<u8>> {
    vec![
        syn(A, B, 99),
        syn(B, A, 499),
        segment(A, B, 100, 1000),
        segment(B, A, 500, 10),
        fin(A, B, 1100),
        fin(B, A, 510),
    ]
}

#[test]
fn a_whole_connection_is_compared_to_the_byte() {
    let exact = whole(tcp((10, 1000)), 11, 1000);
    check("equal", vec![exact.clone()], &connection(), 0, &["Equal rx +0 tx +0"]);
    let less = whole(tcp((10, 990)), 11, 1000);
    check("less", vec![less.clone()], &connection(), 9, &["Differs rx +0 tx -10"]);
    check("less, tolerated", vec![less], &connection(), 10, &["WithinTolerance rx +0 tx -10"]);
    let more = whole(tcp((11, 1000)), 11, 1000);
    check("more", vec![more], &connection(), 0, &["Differs rx +1 tx +0"]);
    let both = vec![exact, whole(socket(Protocol::Tcp, B, A, (1000, 10)), 1001, 10)];
    check("both ends", both, &connection(), 0, &["Equal rx +0 tx +0"; 2]);
    let mapped = socket(Protocol::Tcp, "[::ffff:10.0.0.1]:5000", "[::ffff:10.0.0.2]:80", (10, 1000));
    check("IPv4 behind IPv6", vec![whole(mapped, 11, 1000)], &connection(), 0, &["Equal rx +0 tx +0"]);
}

#[test]
fn what_the_packet_capture_lost_is_known_from_sequence_numbers() {
    let mut packets = connection();
    packets.remove(2);
    check(
        "a packet",
        vec![whole(tcp((10, 1000)), 11, 1000)],
        &packets,
        0,
        &["Equal rx +0 tx +0; packets with 1000 of these bytes are not in the file"],
    );
}

#[test]
fn what_a_reset_threw_away_is_no_difference() {
    let packets = || {
        let mut packets = connection();
        packets.truncate(4);
        packets.push(rst(A, B, 1100));
        packets
    };
    check(
        "not read",
        vec![whole(tcp((4, 1000)), 10, 1000)],
        &packets(),
        0,
        &["Equal rx -6 tx +0; 6 bytes arrived and were not read before the reset, by TCP's own totals"],
    );
    check(
        "not sent",
        vec![whole(tcp((10, 1500)), 10, 1000)],
        &packets(),
        0,
        &["Equal rx +0 tx +500; 500 bytes were not sent before the reset, by TCP's own totals"],
    );
    check("no excuse", vec![whole(tcp((4, 1000)), 4, 1000)], &packets(), 0, &["Differs rx -6 tx +0"]);
    check("no reset", vec![whole(tcp((4, 1000)), 10, 1000)], &connection(), 0, &["Differs rx -6 tx +0"]);
}

#[test]
fn a_part_of_a_connection_is_compared_only_inside_both_files() {
    let mut socket = tcp((10, 1000));
    socket.used_ns = Some((3 * SECOND_NS, 4 * SECOND_NS));
    let mut packets =
        vec![udp("10.9.9.9:1", "10.9.9.8:2", 1), segment(A, B, 100, 1000), segment(B, A, 500, 10)];
    packets.push(udp("10.9.9.9:1", "10.9.9.8:2", 1));
    check("inside", vec![socket.clone()], &packets, 0, &["Equal rx +0 tx +0"]);
    const PART: &str = "NotComparable rx +0 tx +0; its beginning or its end is not in both files";
    let early = Socket { used_ns: Some((SECOND_NS / 2, 3 * SECOND_NS)), ..socket.clone() };
    check("used before the first packet", vec![early], &packets, 0, &[PART]);
    check("seen before the recording", vec![socket], &packets[1..], 0, &[PART]);
}

#[test]
fn connections_with_the_same_addresses_are_paired_in_order() {
    let mut packets = connection();
    packets.extend([
        syn(A, B, 7099),
        syn(B, A, 8099),
        segment(A, B, 7100, 30),
        fin(A, B, 7130),
        fin(B, A, 8100),
    ]);
    let mut second = whole(tcp((0, 30)), 1, 30);
    second.ends.as_mut().unwrap().established_ns = Some(9 * SECOND_NS);
    let first = whole(tcp((10, 1000)), 11, 1000);
    check("two", vec![second, first.clone()], &packets, 0, &["Equal rx +0 tx +0"; 2]);
    check("one of two", vec![first], &packets, 0, &["Differs rx +0 tx -30"]);
}

#[test]
fn a_datagram_socket_without_a_peer_is_the_sum_of_its_flows() {
    let packets = [
        udp("10.0.0.1:5000", "10.0.0.2:80", 1),
        udp("10.0.0.1:5000", "10.0.0.3:80", 100),
        udp("10.0.0.3:80", "10.0.0.1:5000", 200),
        udp("10.0.0.7:5000", "10.0.0.3:80", 5000),
    ];
    let used_ns = Some((2 * SECOND_NS, 4 * SECOND_NS));
    let late = |socket| Socket { used_ns, ..socket };
    // The first packet was seen before the recording began.
    let packets: Vec<_> = [vec![udp("10.9.9.9:1", "10.9.9.8:2", 1)], packets.to_vec()].concat();
    let one = late(socket(Protocol::Udp, A, ANYONE, (200, 101)));
    check("bound to an address", vec![one], &packets, 0, &["Equal rx +0 tx +0"]);
    let any = late(socket(Protocol::Udp, "0.0.0.0:5000", ANYONE, (200, 101)));
    check(
        "bound to any, of a host that is not known",
        vec![any.clone()],
        &packets,
        0,
        &["Differs rx +0 tx -5000"],
    );
    let known = late(socket(Protocol::Udp, "10.0.0.1:9", "10.0.0.2:9", (0, 0)));
    check(
        "bound to any, of a known host",
        vec![any, known],
        &packets,
        0,
        &["Equal rx +0 tx +0", "NotComparable rx +0 tx +0; no packet of it is in the file"],
    );
}

#[test]
fn a_datagram_socket_that_was_connected_later_is_the_sum_of_its_flows() {
    const C: &str = "10.0.0.3:80";
    let own = [udp(B, A, 100), udp(A, B, 7), udp(B, A, 200), udp(C, A, 1), udp(C, "10.0.0.1:9", 50)];
    // The first packet was seen before the recording began.
    let packets = [vec![udp("10.9.9.9:1", "10.9.9.8:2", 1)], own.to_vec()].concat();
    let pcap = made::pcap(Linktype::RAW, 60, &packets);
    let last = 6 * SECOND_NS;
    let used = |local, peer, bytes| Socket {
        used_ns: Some((2 * SECOND_NS, last)),
        ..socket(Protocol::Udp, local, peer, bytes)
    };
    // It received from B before it was connected to it, and after; then it was connected to C.
    let turns = [("0.0.0.0:5000", ANYONE, (100, 0)), (A, B, (200, 7)), (A, C, (1, 0))];
    let turns =
        (0..).zip(turns).map(|(turn, (local, peer, bytes))| (with_turn(5, turn), used(local, peer, bytes)));
    let other = (6, used("10.0.0.1:9", C, (50, 0)));
    check_known(
        "once without a peer",
        turns.chain([other]),
        &pcap,
        0,
        &["Equal rx +0 tx +0; 3 sockets with these addresses, compared together", "Equal rx +0 tx +0"],
    );
}

#[test]
fn what_cannot_be_compared_says_why() {
    let nowhere = Socket { ends: None, ..tcp((1, 1)) };
    let mut elsewhere = tcp((10, 1000));
    elsewhere.ends.as_mut().unwrap().netns = 2;
    check(
        "no addresses",
        vec![nowhere],
        &connection(),
        0,
        &["NotComparable rx +1 tx +1; its addresses are unknown: the table of sockets was full"],
    );
    check(
        "two namespaces",
        vec![tcp((10, 1000)), elsewhere],
        &connection(),
        0,
        &["NotComparable rx +10 tx +1000; other network namespaces have the same addresses"; 2],
    );
    check("no sockets", vec![], &connection(), 0, &[]);
}

#[test]
fn alike_datagrams_of_a_cooked_file_accuse_nobody() {
    let cooked = [&[0, 4, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 8, 0], &udp(A, B, 100)[..]].concat();
    let frames = [(2_100_000, cooked.clone()), (2_200_000, cooked)];
    let pcap = made::pcap_at(Linktype::LINUX_SLL, 1 << 16, &frames);
    let sent = |bytes| {
        let mut socket = socket(Protocol::Udp, A, B, (0, bytes));
        socket.used_ns = Some((2_100_000_000, 2_200_000_000));
        vec![socket]
    };
    check_file("each", sent(200), &pcap, 0, &["Equal rx +0 tx +0"]);
    let expected = format!("NotComparable rx +0 tx -100; {ALIKE}");
    check_file("one", sent(100), &pcap, 0, &[&expected]);
    check_file("none", sent(0), &pcap, 0, &["Differs rx +0 tx -200"]);
    check_file("more", sent(300), &pcap, 0, &["Differs rx +0 tx +100"]);
}
