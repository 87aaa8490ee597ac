//! What an IP packet carries: its flow, its place in TCP's sequence, and the length of its payload by its headers.

use std::{
    hash::{BuildHasher as _, Hasher as _},
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use etherparse::{IpAuthHeaderSlice, IpNumber, Ipv4HeaderSlice, Ipv6HeaderSlice};
use foldhash::fast::FixedState;

use super::{kinds::Kind, link::Carried};

mod extensions;

/// Both directions of a connection are two flows. Addresses are IPv6, those of IPv4 as mapped to it: plain integers compare
/// and hash in a few instructions, which happens for every packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    source: u128,
    destination: u128,
    source_port: u16,
    destination_port: u16,
    pub transport: Transport,
}

impl Flow {
    pub fn new(transport: Transport, source: SocketAddr, destination: SocketAddr) -> Self {
        Self {
            source: number(source.ip()),
            destination: number(destination.ip()),
            source_port: source.port(),
            destination_port: destination.port(),
            transport,
        }
    }

    /// Both addresses, whichever sends.
    pub fn between(&self) -> (u128, u128) {
        (self.source.min(self.destination), self.source.max(self.destination))
    }

    pub fn source(&self) -> SocketAddr {
        SocketAddr::new(Ipv6Addr::from_bits(self.source).to_canonical(), self.source_port)
    }

    pub fn destination(&self) -> SocketAddr {
        SocketAddr::new(Ipv6Addr::from_bits(self.destination).to_canonical(), self.destination_port)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    Tcp,
    Udp,
}

/// A TCP segment, or a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub flow: Flow,
    pub payload_bytes: u32,
    /// `None` for UDP.
    pub tcp: Option<Tcp>,
    /// The first part of a fragmented packet.
    pub fragmented: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    pub sequence: u32,
    pub syn: bool,
    pub fin: bool,
    pub rst: bool,
}

/// What tells a packet from the others of its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark<'a> {
    /// IPv4's identification; 0 where there is none, as Linux sends datagrams that it does not fragment.
    id: u16,
    /// What was captured, from the transport's header on.
    data: &'a [u8],
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read<'a> {
    Segment(Segment, Mark<'a>),
    /// A later part of a fragmented packet: ports and lengths are in the first.
    LaterFragment,
    /// Neither TCP nor UDP.
    Other(Kind),
    /// The snap length, or damage, left less than the headers.
    Headless,
}

pub fn read<'a>(packet: &Carried<'a>) -> Read<'a> {
    let internet = match packet.data.first().map(|first| first >> 4) {
        Some(4) => ipv4(packet),
        _ => ipv6(packet),
    };
    let Some(internet) = internet else { return Read::Headless };
    let segment = match internet.number {
        IpNumber::TCP | IpNumber::UDP if internet.is_later_fragment => return Read::LaterFragment,
        IpNumber::TCP => tcp(&internet),
        IpNumber::UDP => udp(&internet),
        IpNumber(number) => return Read::Other(Kind::Ip(number)),
    };
    let mark = Mark { id: internet.id, data: internet.data };
    segment.map_or(Read::Headless, |segment| Read::Segment(segment, mark))
}

impl Mark<'_> {
    /// A number that two packets of a flow share by chance only, unless they carry the same: by their first bytes, at most
    /// `limit`. The checksum is left out, which a network card may fill in between two places.
    pub fn content(&self, segment: &Segment, limit: usize) -> u64 {
        let checksum = match segment.flow.transport {
            Transport::Tcp => 16,
            Transport::Udp => 6,
        };
        let data = &self.data[..self.data.len().min(limit)];
        let (before, after) = data.split_at(checksum.min(data.len()));
        let mut hasher = FixedState::default().build_hasher();
        hasher.write_u64(u64::from(self.id) << 32 | u64::from(segment.payload_bytes));
        hasher.write(before);
        hasher.write(after.get(2..).unwrap_or_default());
        hasher.finish()
    }
}

/// A packet without its IP headers.
struct Internet<'a> {
    source: u128,
    destination: u128,
    number: IpNumber,
    id: u16,
    data: &'a [u8],
    /// Length of `data` before the snap length.
    bytes: u32,
    is_first_fragment: bool,
    is_later_fragment: bool,
}

fn ipv4<'a>(packet: &Carried<'a>) -> Option<Internet<'a>> {
    let header = Ipv4HeaderSlice::from_slice(packet.data).ok()?;
    let header_bytes = header.slice().len();
    // Packets that are still to be segmented may be longer than the field can say; it is 0 then (BIG TCP).
    let total_bytes = match header.total_len() {
        0 => packet.wire_bytes,
        total => u32::from(total),
    };
    let offset = header.fragments_offset().value();
    let mut internet = Internet {
        source: number(header.source_addr().into()),
        destination: number(header.destination_addr().into()),
        number: header.protocol(),
        id: header.identification(),
        data: packet.data.get(header_bytes..)?,
        bytes: total_bytes.checked_sub(header_bytes as u32)?,
        is_first_fragment: offset == 0 && header.more_fragments(),
        is_later_fragment: offset > 0,
    };
    if internet.number == IpNumber::AUTHENTICATION_HEADER && !internet.is_later_fragment {
        let header = IpAuthHeaderSlice::from_slice(internet.data).ok()?;
        internet.number = header.next_header();
        internet.data = &internet.data[header.slice().len()..];
        internet.bytes = internet.bytes.checked_sub(header.slice().len() as u32)?;
    }
    Some(internet)
}

fn ipv6<'a>(packet: &Carried<'a>) -> Option<Internet<'a>> {
    let header = Ipv6HeaderSlice::from_slice(packet.data).ok()?;
    let after = packet.data.get(header.slice().len()..)?;
    // A jumbogram, as BIG TCP makes them.
    let after_bytes = match header.payload_length() {
        0 => packet.wire_bytes.checked_sub(header.slice().len() as u32)?,
        bytes => u32::from(bytes),
    };
    let extended = extensions::read(header.next_header(), after)?;
    Some(Internet {
        source: header.source_addr().to_bits(),
        destination: header.destination_addr().to_bits(),
        number: extended.number,
        id: 0,
        data: extended.data,
        bytes: after_bytes.checked_sub((after.len() - extended.data.len()) as u32)?,
        is_first_fragment: extended.is_first_fragment,
        is_later_fragment: extended.is_later_fragment,
    })
}

/// By hand, because a snap length may cut the options, which etherparse does not forgive.
fn tcp(internet: &Internet<'_>) -> Option<Segment> {
    let header = internet.data.first_chunk::<14>()?;
    let header_bytes = u32::from(header[12] >> 4) * 4;
    let flag = |bit: u8| header[13] & bit != 0;
    Some(Segment {
        flow: flow(internet, Transport::Tcp)?,
        payload_bytes: internet.bytes.checked_sub(header_bytes)?,
        tcp: Some(Tcp {
            sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            fin: flag(0x01),
            syn: flag(0x02),
            rst: flag(0x04),
        }),
        fragmented: internet.is_first_fragment,
    })
}

/// The first fragment has the length of the whole datagram.
fn udp(internet: &Internet<'_>) -> Option<Segment> {
    const HEADER_BYTES: u32 = 8;
    let length = u16::from_be_bytes(*internet.data.get(4..)?.first_chunk()?);
    let bytes = if length == 0 { internet.bytes } else { u32::from(length) };
    Some(Segment {
        flow: flow(internet, Transport::Udp)?,
        payload_bytes: bytes.checked_sub(HEADER_BYTES)?,
        tcp: None,
        fragmented: internet.is_first_fragment,
    })
}

fn flow(internet: &Internet<'_>, transport: Transport) -> Option<Flow> {
    let ports = internet.data.first_chunk::<4>()?;
    Some(Flow {
        source: internet.source,
        destination: internet.destination,
        source_port: u16::from_be_bytes([ports[0], ports[1]]),
        destination_port: u16::from_be_bytes([ports[2], ports[3]]),
        transport,
    })
}

#[cfg(test)]
mod tests;
