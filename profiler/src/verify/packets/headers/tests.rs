use pcap_parser::Linktype;

use super::*;
use crate::verify::packets::{
    files::Frame,
    link::{NotIp, ip_packet},
    made,
};

const A: &str = "10.0.0.1:5000";
const B: &str = "10.0.0.2:80";
const A6: &str = "[2001:db8::1]:5000";
const B6: &str = "[2001:db8::2]:80";

/// How a frame reads, after `snap_bytes`.
fn read_frame(link: Linktype, frame: &[u8], snap_bytes: usize) -> String {
    let data = &frame[..snap_bytes.min(frame.len())];
    let frame = Frame {
        at_ns: None,
        section: 0,
        interface: 0,
        link,
        data,
        wire_bytes: frame.len() as u32,
        outbound: false,
    };
    let carried = match ip_packet(&frame) {
        Ok(carried) => carried,
        Err(NotIp::Cut) => return "Headless".to_owned(),
        Err(NotIp::Other(kind)) => return kind.to_string(),
    };
    let way = if carried.outgoing { ", outgoing" } else { "" };
    match read(&carried) {
        Read::Segment(segment, _) => {
            let Segment { flow, payload_bytes, tcp, fragmented } = segment;
            let first = if fragmented { ", first fragment" } else { "" };
            let sequence = tcp.map_or(String::new(), |tcp| format!(", sequence {}", tcp.sequence));
            format!("{} to {}: {payload_bytes}{sequence}{first}{way}", flow.source(), flow.destination())
        }
        Read::Other(kind) => kind.to_string(),
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
        assert!(["Headless", expected].contains(&text.as_str()), "{what} at {snap_bytes}: {text}");
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
    check("an old tag", Linktype::ETHERNET, &ethernet(&[0x92, 0, 0, 5, 8, 0]));
    check("MPLS", Linktype::ETHERNET, &ethernet(&[0x88, 0x47, 0, 0, 0x10, 64, 0, 0, 0x21, 64]));
    check("PPPoE", Linktype::ETHERNET, &ethernet(&[0x88, 0x64, 0x11, 0, 0, 9, 0, 142, 0, 0x21]));
    check("LLC", Linktype::ETHERNET, &ethernet(&[0, 148, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0]));
    let plain = [0x88, 0xe5, 0, 0, 0, 0, 0, 1, 8, 0];
    check("MACsec that does not encrypt", Linktype::ETHERNET, &ethernet(&plain));
    let tagged = [0x81, 0, 0, 5, 0, 148, 0xaa, 0xaa, 3, 0, 0, 0xf8, 0x88, 0x48, 0, 0, 0x11, 64];
    check("a tag, LLC and MPLS", Linktype::ETHERNET, &ethernet(&tagged));
    let cooked = [0, 0, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 0, 4, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    check("LLC in cooked 1", Linktype::LINUX_SLL, &cooked);
    check("PPP", Linktype(9), &[0, 0x21]);
    check("PPP, compressed", Linktype(9), &[0x21]);
    check("PPP like HDLC", Linktype(50), &[0xff, 3, 0, 0x21]);
    check("HDLC of Cisco", Linktype(50), &[0x0f, 0, 8, 0]);
    check("PPPoE alone", Linktype(51), &[0x11, 0, 0, 9, 0, 142, 0, 0x21]);
    // The hook and the arrival's interface, both little-endian; then the payload's length, which is not used.
    let arrived = [2, 0, 0, 7, 8, 0, 1, 0, 8, 0, 1, 0, 8, 0, 4, 0, 0, 0, 0, 2, 144, 0, 9, 0];
    check("NFLOG", Linktype::NFLOG, &arrived);
    let arrived = [2, 0, 0, 7, 0, 8, 0, 1, 8, 0, 1, 0, 0, 5, 0, 10, 0, 0, 0, 0, 0, 144, 0, 9];
    check("NFLOG, big-endian, padded", Linktype::NFLOG, &arrived);
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
    let logged = [2, 0, 0, 7, 8, 0, 1, 0, 8, 0, 3, 0, 8, 0, 5, 0, 0, 0, 0, 2, 144, 0, 9, 0];
    check("NFLOG", Linktype::NFLOG, &logged, &packet, expected);
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
    // Destination options, mobility, HIP and Shim6, each of 8 bytes.
    for numbers in [&[60][..], &[135], &[139], &[140], &[60, 135, 60, 139]] {
        let mut packet = made::udp(A6, B6, 100);
        packet[5] += 8 * numbers.len() as u8;
        for number in numbers.iter().rev() {
            let next = std::mem::replace(&mut packet[6], *number);
            packet.splice(40..40, [next, 0, 1, 4, 0, 0, 0, 0]);
        }
        let expected = "[2001:db8::1]:5000 to [2001:db8::2]:80: 100";
        check(&format!("{numbers:?}"), Linktype::RAW, &[], &packet, expected);
    }
    let mut packet = made::udp(A, B, 100);
    // Authentication, of 12 bytes.
    packet[9] = 51;
    packet[3] += 12;
    packet.splice(20..20, [17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    check("authenticated", Linktype::RAW, &[], &packet, "10.0.0.1:5000 to 10.0.0.2:80: 100");
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
fn what_is_not_payload_is_named() {
    let of =
        |what, types: &[u8], expected| check(what, Linktype::ETHERNET, &ethernet(types), &[0; 28], expected);
    of("ARP", &[8, 6], "ARP (EtherType 0x0806)");
    of("unknown", &[0x88, 0xb5], "EtherType 0x88b5");
    of("ARP in a tag", &[0x81, 0, 0, 5, 8, 6], "ARP (EtherType 0x0806)");
    of("Ethernet over MPLS", &[0x88, 0x47, 0, 0, 0x11, 64], "MPLS (EtherType 0x8847)");
    of("spanning tree", &[0, 38, 0x42, 0x42, 3], "LLC 0x42");
    of("encrypted", &[0x88, 0xe5, 0x0c, 0, 0, 0, 0, 1], "MACsec (EtherType 0x88e5)");
    of("PPPoE discovery", &[0x88, 0x63, 0x11, 9, 0, 0, 0, 4], "PPPoE discovery (EtherType 0x8863)");
    of("PPP's own", &[0x88, 0x64, 0x11, 0, 0, 9, 0, 10, 0xc0, 0x21], "LCP (PPP 0xc021)");
    let cooked = [0, 0, 1, 0x18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0c];
    check("CAN in cooked 1", Linktype::LINUX_SLL, &cooked, &[0; 16], "EtherType 0x000c");
    check("an unknown link", Linktype(147), &[], &made::udp(A, B, 1), "link type 147");
    check("radio", Linktype(127), &[], &made::udp(A, B, 1), "802.11 with radiotap (link type 127)");
    check("raw, but no IP", Linktype::RAW, &[], &[0x10; 28], "raw (link type 101)");
    let mut packet = made::udp(A, B, 10);
    for (number, expected) in
        [(1, "ICMP (IP protocol 1)"), (50, "ESP (IP protocol 50)"), (253, "IP protocol 253")]
    {
        packet[9] = number;
        check("over IP", Linktype::RAW, &[], &packet, expected);
    }
    let mut packet = made::udp(A6, B6, 100);
    // A binding update: nothing follows.
    packet[6] = 135;
    packet[40..44].copy_from_slice(&[59, 2, 5, 0]);
    check("mobility", Linktype::RAW, &[], &packet, "Mobility Header (IP protocol 135)");
    let mut short = made::segment(A, B, 9, 0);
    short[3] = 30;
    check("less than its header", Linktype::RAW, &[], &short, "Headless");
}
