use pcap_parser::Linktype;

use super::*;
use crate::verify::packets::made::{self, SECOND_NS, fin, segment, syn, udp};

const A: &str = "10.0.0.1:5000";
const B: &str = "10.0.0.2:80";

#[track_caller]
fn check(what: &str, flows: &Flows, expected: &[&str]) {
    let lines: Vec<_> = flows
        .totals()
        .into_iter()
        .flat_map(|(flow, totals)| {
            totals.into_iter().map(move |total| {
                let Total { packets, bytes, again_bytes, .. } = total;
                format!(
                    "{} to {}: {bytes} in {packets}, again {again_bytes}",
                    flow.source(),
                    flow.destination()
                )
            })
        })
        .collect();
    assert_eq!(lines, expected, "{what}");
}

#[test]
fn payload_adds_up_per_flow() {
    let packets =
        [syn(A, B, 99), syn(B, A, 499), segment(A, B, 100, 1000), segment(B, A, 500, 10), fin(A, B, 1100)];
    let expected = [
        "10.0.0.1:5000 to 10.0.0.2:80: 1000 in 3, again 0",
        "10.0.0.2:80 to 10.0.0.1:5000: 10 in 2, again 0",
    ];
    let flows = made::flows(&made::pcap(Linktype::RAW, 1 << 16, &packets));
    check("whole packets", &flows, &expected);
    check("headers only", &made::flows(&made::pcap(Linktype::RAW, 40, &packets)), &expected);
    assert_eq!((flows.first_ns, flows.last_ns), (Some(SECOND_NS), Some(5 * SECOND_NS)));
    let packets: Vec<_> = packets.map(|packet| (0, packet)).into();
    let flows = made::flows(&made::pcapng(1, &packets));
    check("pcapng", &flows, &expected);
    assert_eq!((flows.first_ns, flows.last_ns), (Some(SECOND_NS), Some(5 * SECOND_NS)));
}

#[test]
fn a_packet_that_is_seen_at_two_places_counts_once() {
    let twice: Vec<_> = [udp(A, B, 1000), udp(A, B, 200)]
        .into_iter()
        .flat_map(|packet| [(0, packet.clone()), (1, packet)])
        .collect();
    check(
        "two interfaces",
        &made::flows(&made::pcapng(2, &twice)),
        &["10.0.0.1:5000 to 10.0.0.2:80: 1200 in 2, again 0"],
    );
    let once: Vec<_> = twice.into_iter().map(|(_, packet)| (0, packet)).collect();
    check(
        "one interface",
        &made::flows(&made::pcapng(2, &once)),
        &["10.0.0.1:5000 to 10.0.0.2:80: 2400 in 4, again 0"],
    );
    let cooked = |packet_type: u8| {
        [&[0, packet_type, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 8, 0], &udp(A, B, 1000)[..]].concat()
    };
    let both = made::pcap(Linktype::LINUX_SLL, 1 << 16, &[cooked(4), cooked(0)]);
    check("leaving and arriving", &made::flows(&both), &["10.0.0.1:5000 to 10.0.0.2:80: 1000 in 1, again 0"]);
}

#[test]
fn a_new_connection_with_the_same_addresses_is_another() {
    let packets =
        [syn(A, B, 99), segment(A, B, 100, 1000), fin(A, B, 1100), syn(A, B, 7099), segment(A, B, 7100, 30)];
    check(
        "port used again",
        &made::flows(&made::pcap(Linktype::RAW, 1 << 16, &packets)),
        &[
            "10.0.0.1:5000 to 10.0.0.2:80: 1000 in 3, again 0",
            "10.0.0.1:5000 to 10.0.0.2:80: 30 in 2, again 0",
        ],
    );
}

#[test]
fn too_many_flows_are_counted() {
    let packets: Vec<_> = (0..FLOW_LIMIT + 10)
        .map(|i| {
            udp(
                &format!("10.0.{}.{}:5000", i >> 8 & 0xff, i & 0xff),
                &format!("10.1.0.0:{}", 80 + (i >> 16)),
                1,
            )
        })
        .collect();
    let flows = made::flows(&made::pcap(Linktype::RAW, 1 << 16, &packets));
    assert_eq!((flows.totals().len(), flows.unread.flows_full), (FLOW_LIMIT, 10));
}

#[test]
fn what_is_not_read_is_counted_by_its_kind() {
    let arp = |ether_type: u16| [&[2; 12][..], &ether_type.to_be_bytes(), &[0; 28]].concat();
    let frames = [arp(0x0806), arp(0x0806), arp(0x88cc), vec![2; 13]];
    let flows = made::flows(&made::pcap(Linktype::ETHERNET, 1 << 16, &frames));
    let kinds = BTreeMap::from([(Kind::EtherType(0x0806), 2), (Kind::EtherType(0x88cc), 1)]);
    assert_eq!(flows.unread, Unread { other: 3, kinds, headless: 1, ..Default::default() });
    // Every number that is not known.
    let frames: Vec<_> = (0x1000..0x1000 + 2 * KIND_LIMIT as u16).map(arp).collect();
    let flows = made::flows(&made::pcap(Linktype::ETHERNET, 1 << 16, &frames));
    assert_eq!((flows.unread.other, flows.unread.kinds.len()), (2 * KIND_LIMIT as u64, KIND_LIMIT));
}
