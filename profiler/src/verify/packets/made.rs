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
    let timed: Vec<_> = (1..).map(|second| second * 1_000_000).zip(packets.iter().cloned()).collect();
    pcap_at(link, snap_bytes, &timed)
}

/// The same, with the microsecond of each packet.
pub fn pcap_at(link: Linktype, snap_bytes: usize, packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 2 | 4 << 16, 0, 0, snap_bytes as u32, link.0 as u32] {
        file.extend(word.to_le_bytes());
    }
    for (at_us, packet) in packets {
        let captured = &packet[..packet.len().min(snap_bytes)];
        let (second, us) = (at_us / 1_000_000, at_us % 1_000_000);
        for word in [second as u32, us as u32, captured.len() as u32, packet.len() as u32] {
            file.extend(word.to_le_bytes());
        }
        file.extend(captured);
    }
    file
}

/// A big-endian pcapng file of raw IP, nanoseconds; packet and the interface that it was seen on.
pub fn pcapng(interfaces: u32, packets: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut section = Section::new(true);
    for _ in 0..interfaces {
        section.interface(Linktype::RAW, &[(9, &[9])]);
    }
    for (second, (interface, packet)) in packets.iter().enumerate() {
        section.packet(*interface, (second as u64 + 1) * SECOND_NS, packet, &[]);
    }
    section.file
}

/// A section of pcapng. Options are a code and a value.
pub struct Section {
    is_big_endian: bool,
    pub file: Vec<u8>,
}

impl Section {
    pub fn new(is_big_endian: bool) -> Self {
        let mut section = Self { is_big_endian, file: Vec::new() };
        let version = section.halves(1, 0);
        let body = section.words(&[0x1a2b_3c4d, version, u32::MAX, u32::MAX]);
        section.block(0x0a0d_0d0a, body);
        section
    }

    pub fn interface(&mut self, link: Linktype, options: &[(u16, &[u8])]) {
        let link = self.halves(link.0 as u16, 0);
        let body = [self.words(&[link, 0]), self.options(options)].concat();
        self.block(1, body);
    }

    /// An enhanced packet; `ticks` in the interface's unit.
    pub fn packet(&mut self, interface: u32, ticks: u64, packet: &[u8], options: &[(u16, &[u8])]) {
        let body = self.timed(interface, ticks, packet);
        let body = [body, self.options(options)].concat();
        self.block(6, body);
    }

    /// What was before the enhanced packet: the interface has 16 bits, the number of drops the others.
    pub fn obsolete_packet(&mut self, interface: u16, ticks: u64, packet: &[u8], options: &[(u16, &[u8])]) {
        let body = self.timed(self.halves(interface, u16::MAX), ticks, packet);
        let body = [body, self.options(options)].concat();
        self.block(2, body);
    }

    fn timed(&self, first: u32, ticks: u64, packet: &[u8]) -> Vec<u8> {
        let bytes = packet.len() as u32;
        let mut body = self.words(&[first, (ticks >> 32) as u32, ticks as u32, bytes, bytes]);
        body.extend(packet);
        body.resize(body.len().next_multiple_of(4), 0);
        body
    }

    fn options(&self, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (code, value) in options {
            body.extend(self.words(&[self.halves(*code, value.len() as u16)]));
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        if !options.is_empty() {
            body.extend([0; 4]);
        }
        body
    }

    fn block(&mut self, kind: u32, body: Vec<u8>) {
        let length = 12 + body.len() as u32;
        let block = [self.words(&[kind, length]), body, self.words(&[length])].concat();
        self.file.extend(block);
    }

    /// Two numbers of 16 bits as a word, in the order in which the file has them.
    fn halves(&self, first: u16, second: u16) -> u32 {
        let (first, second) = (u32::from(first), u32::from(second));
        if self.is_big_endian { first << 16 | second } else { second << 16 | first }
    }

    fn words(&self, words: &[u32]) -> Vec<u8> {
        let bytes = |word: &u32| if self.is_big_endian { word.to_be_bytes() } else { word.to_le_bytes() };
        words.iter().flat_map(bytes).collect()
    }
}

/// The flows of one file.
pub fn flows(file: &[u8]) -> Flows {
    flows_of(&[file])
}

/// The flows of files, in the order of their first packets.
pub fn flows_of(files: &[&[u8]]) -> Flows {
    let mut flows = Flows::default();
    for file in files {
        flows.next_file();
        for_each_frame(*file, "made", |frame| flows.add(frame)).unwrap();
    }
    flows
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
