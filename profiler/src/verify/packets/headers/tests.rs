use pcap_parser::Linktype;

use super::*;
use crate::verify::packets::{files::Frame, link::ip_packet, made};

const A: &str = "10.0.0.1:5000";
const B: &str = "10.0.0.2:80";
const A6: &str = "[2001:db8::1]:5000";
const B6: &str = "[2001:db8::2]:80";

/// How a frame reads, after `snap_bytes`.
fn read_frame(link: Linktype, frame: &[u8], snap_bytes: usize) -> String {
    let data = &frame[..snap_bytes.min(frame.len())];
    let frame = Frame { at_ns: None, interface: 0, link, data, wire_bytes: frame.len() as u32 };
    let Some(carried) = ip_packet(&frame) else { return "no IP".to_owned() };
    let way = if carried.outgoing { ", outgoing" } else { "" };
    match read(&carried) {
        Read::Segment(segment) => {
            let Segment { flow, payload_bytes, tcp, fragmented } = segment;
            let first = if fragmented { ", first fragment" } else { "" };
            let sequence = tcp.map_or(String::new(), |tcp| format!(", sequence {}", tcp.sequence));
            format!("{} to {}: {payload_bytes}{sequence}{first}{way}", flow.source(), flow.destination())
        }
        other => format!("{other:?}"),
    }
}

#[track_caller]
fn check(what: &str, link: Linktype, head: &[u8], packet: &[u8], expected: &str) {
    let frame = [head, packet].concat();
    assert_eq!(read_frame(link, &frame, usize::MAX), expected, "{what}");
    // Any snap length gives the same, or says that it was too short.
    for snap_bytes in 0..frame.len().min(200) {
        let text = read_frame(link, &frame, snap_bytes);
        assert!(["no IP", "Headless", expected].contains(&text.as_str()), "{what} at {snap_bytes}: {text}");
    }
}

fn ethernet(types: &[u8]) -> Vec<u8> {
    [&[2; 12], types].concat()
}

#[test]
fn every_link_gives_the_same_packet() {
    let packet = made::segment(A, B, 9, 100);
    let expected = "10.0.0.1:5000 to 10.0.0.2:80: 100, sequence 9";
    let check = |what, link, head: &[u8]| check(what, link, head, &packet, expected);
    check("Ethernet", Linktype::ETHERNET, &ethernet(&[8, 0]));
    check("a VLAN", Linktype::ETHERNET, &ethernet(&[0x81, 0, 0, 5, 8, 0]));
    check("QinQ", Linktype::ETHERNET, &ethernet(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0]));
    check("cooked 1", Linktype::LINUX_SLL, &[0, 0, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 8, 0]);
    check("cooked 2", Linktype::LINUX_SLL2, &[8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0]);
    check("loopback of BSD", Linktype::NULL, &[2, 0, 0, 0]);
    check("raw IP", Linktype::RAW, &[]);
    check("raw IPv4", Linktype::IPV4, &[]);
}

#[test]
fn cooked_captures_say_what_left() {
    let packet = made::udp(A, B, 100);
    let expected = "10.0.0.1:5000 to 10.0.0.2:80: 100, outgoing";
    check(
        "cooked 1",
        Linktype::LINUX_SLL,
        &[0, 4, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 8, 0],
        &packet,
        expected,
    );
    let head = [8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 4, 6, 2, 2, 2, 2, 2, 2, 0, 0];
    check("cooked 2", Linktype::LINUX_SLL2, &head, &packet, expected);
    let head = [0x81, 0, 0, 0, 0, 0, 0, 3, 0, 1, 4, 6, 2, 2, 2, 2, 2, 2, 0, 0, 0, 5, 8, 0];
    check("cooked 2 with a tag", Linktype::LINUX_SLL2, &head, &packet, expected);
}

#[test]
fn ipv6_and_datagrams() {
    let raw = |what, packet: &[u8], expected| check(what, Linktype::RAW, &[], packet, expected);
    raw("IPv6", &made::segment(A6, B6, 9, 100), "[2001:db8::1]:5000 to [2001:db8::2]:80: 100, sequence 9");
    raw("UDP", &made::udp(A, B, 1200), "10.0.0.1:5000 to 10.0.0.2:80: 1200");
    raw("UDP over IPv6", &made::udp(A6, B6, 0), "[2001:db8::1]:5000 to [2001:db8::2]:80: 0");
    raw(
        "segments to be cut",
        &made::segment(A, B, 9, 65_000),
        "10.0.0.1:5000 to 10.0.0.2:80: 65000, sequence 9",
    );
}

#[test]
fn lengths_that_do_not_fit_their_field() {
    let mut packet = made::segment(A, B, 9, 65_000);
    packet[2..4].fill(0);
    check("IPv4", Linktype::RAW, &[], &packet, "10.0.0.1:5000 to 10.0.0.2:80: 65000, sequence 9");
    let mut packet = made::segment(A6, B6, 9, 65_000);
    packet[4..6].fill(0);
    check("IPv6", Linktype::RAW, &[], &packet, "[2001:db8::1]:5000 to [2001:db8::2]:80: 65000, sequence 9");
}

#[test]
fn extension_headers_are_no_payload() {
    let mut packet = made::udp(A6, B6, 100);
    // Destination options of 8 bytes before UDP.
    packet[6] = 60;
    packet[5] += 8;
    packet.splice(40..40, [17, 0, 1, 4, 0, 0, 0, 0]);
    check("options", Linktype::RAW, &[], &packet, "[2001:db8::1]:5000 to [2001:db8::2]:80: 100");
}

#[test]
fn fragments_are_told() {
    let mut first = made::udp(A, B, 1000);
    first[6] = 0x20;
    check("first", Linktype::RAW, &[], &first, "10.0.0.1:5000 to 10.0.0.2:80: 1000, first fragment");
    let mut later = made::udp(A, B, 1000);
    later[7] = 10;
    check("later", Linktype::RAW, &[], &later, "LaterFragment");
    let mut packet = made::udp(A6, B6, 100);
    packet[6] = 44;
    packet[5] += 8;
    packet.splice(40..40, [17, 0, 0, 0x51, 0, 0, 0, 1]);
    check("later, IPv6", Linktype::RAW, &[], &packet, "LaterFragment");
}

#[test]
fn what_is_not_payload_is_told_apart() {
    check("ARP", Linktype::ETHERNET, &ethernet(&[8, 6]), &[0; 28], "no IP");
    check("an unknown link", Linktype(147), &[], &made::udp(A, B, 1), "no IP");
    let mut ping = made::udp(A, B, 10);
    ping[9] = 1;
    check("ICMP", Linktype::RAW, &[], &ping, "Other");
    let mut short = made::segment(A, B, 9, 0);
    short[3] = 30;
    check("less than its header", Linktype::RAW, &[], &short, "Headless");
}
