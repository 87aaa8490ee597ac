//! Hand-made packets and files of them, for tests.

use std::net::{IpAddr, SocketAddr};

use etherparse::PacketBuilder;
use pcap_parser::Linktype;

use super::{files::for_each_frame, flows::Flows, headers::Tcp};

/// The payload's bytes do not matter.
static PAYLOAD: [u8; 65_000] = [7; 65_000];

pub const SECOND_NS: u64 = 1_000_000_000;

/// From the IP header on.
pub fn tcp(from: &str, to: &str, tcp: Tcp, payload_bytes: usize) -> Vec<u8> {
    let (from, to) = ends(from, to);
    let mut builder = ip(from, to).tcp(from.port(), to.port(), tcp.sequence, 65_535);
    if tcp.syn {
        builder = builder.syn();
    }
    if tcp.fin {
        builder = builder.fin();
    }
    if tcp.rst {
        builder = builder.rst();
    }
    let mut packet = Vec::new();
    builder.write(&mut packet, &PAYLOAD[..payload_bytes]).unwrap();
    packet
}

/// A segment without flags.
pub fn segment(from: &str, to: &str, sequence: u32, payload_bytes: usize) -> Vec<u8> {
    tcp(from, to, Tcp { sequence, syn: false, fin: false, rst: false }, payload_bytes)
}

pub fn syn(from: &str, to: &str, sequence: u32) -> Vec<u8> {
    tcp(from, to, Tcp { sequence, syn: true, fin: false, rst: false }, 0)
}

pub fn fin(from: &str, to: &str, sequence: u32) -> Vec<u8> {
    tcp(from, to, Tcp { sequence, syn: false, fin: true, rst: false }, 0)
}

pub fn rst(from: &str, to: &str, sequence: u32) -> Vec<u8> {
    tcp(from, to, Tcp { sequence, syn: false, fin: false, rst: true }, 0)
}

pub fn udp(from: &str, to: &str, payload_bytes: usize) -> Vec<u8> {
    let (from, to) = ends(from, to);
    let mut packet = Vec::new();
    ip(from, to).udp(from.port(), to.port()).write(&mut packet, &PAYLOAD[..payload_bytes]).unwrap();
    packet
}

/// A little-endian pcap file of a link, microseconds; each packet a second after the one before.
pub fn pcap(link: Linktype, snap_bytes: usize, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 2 | 4 << 16, 0, 0, snap_bytes as u32, link.0 as u32] {
        file.extend(word.to_le_bytes());
    }
    for (second, packet) in packets.iter().enumerate() {
        let captured = &packet[..packet.len().min(snap_bytes)];
        for word in [second as u32 + 1, 0, captured.len() as u32, packet.len() as u32] {
            file.extend(word.to_le_bytes());
        }
        file.extend(captured);
    }
    file
}

/// A big-endian pcapng file of raw IP, nanoseconds; packet and the interface that it was seen on.
pub fn pcapng(interfaces: u32, packets: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut file = Vec::new();
    block(&mut file, 0x0a0d_0d0a, &[0x1a2b_3c4d, 0x0001_0000, u32::MAX, u32::MAX], &[]);
    for _ in 0..interfaces {
        // Raw IP; if_tsresol 9; end of options.
        block(&mut file, 1, &[101 << 16, 0, 0x0009_0001, 0x0900_0000, 0], &[]);
    }
    for (second, (interface, packet)) in packets.iter().enumerate() {
        let at_ns = (second as u64 + 1) * SECOND_NS;
        let bytes = packet.len() as u32;
        block(&mut file, 6, &[*interface, (at_ns >> 32) as u32, at_ns as u32, bytes, bytes], packet);
    }
    file
}

/// The flows of one file.
pub fn flows(file: &[u8]) -> Flows {
    let mut flows = Flows::default();
    for_each_frame(file, "made", |frame| flows.add(frame)).unwrap();
    flows
}

fn block(file: &mut Vec<u8>, kind: u32, words: &[u32], data: &[u8]) {
    let padded = data.len().next_multiple_of(4);
    let length = (12 + words.len() * 4 + padded) as u32;
    for word in [kind, length].iter().chain(words) {
        file.extend(word.to_be_bytes());
    }
    file.extend(data);
    file.resize(file.len() + padded - data.len(), 0);
    file.extend(length.to_be_bytes());
}

fn ends(from: &str, to: &str) -> (SocketAddr, SocketAddr) {
    (from.parse().unwrap(), to.parse().unwrap())
}

fn ip(from: SocketAddr, to: SocketAddr) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let header = etherparse::Ipv4Header {
                time_to_live: 64,
                source: from.octets(),
                destination: to.octets(),
                ..Default::default()
            };
            PacketBuilder::ip(etherparse::IpHeaders::Ipv4(header, etherparse::Ipv4Extensions::default()))
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let header = etherparse::Ipv6Header {
                hop_limit: 64,
                source: from.octets(),
                destination: to.octets(),
                ..Default::default()
            };
            PacketBuilder::ip(etherparse::IpHeaders::Ipv6(header, etherparse::Ipv6Extensions::default()))
        }
        _ => panic!("both ends are IPv4 or IPv6"),
    }
}
