//! The IP packet in a frame of each kind of link: Ethernet and what may lie between it and IP, Linux cooked 1 and 2, PPP,
//! NFLOG, loopback, raw IP.
//!
//! By hand: of these links etherparse knows neither cooked 2, PPP nor loopback, and the rest are one or two fixed fields.

mod ether;
mod nflog;

use pcap_parser::Linktype;

use super::{files::Frame, kinds::Kind};

const PPP: Linktype = Linktype(9);
/// PPP or Cisco's HDLC, each with an address and a control byte.
const PPP_HDLC: Linktype = Linktype(50);
const PPPOE: Linktype = Linktype(51);

/// Raw IP as some systems number it, beside [`Linktype::RAW`].
const RAW_OF_OTHERS: [Linktype; 2] = [Linktype(12), Linktype(14)];

/// An IP packet, and where it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried<'a> {
    /// From the IP header on.
    pub data: &'a [u8],
    /// The same, before the snap length.
    pub wire_bytes: u32,
    /// The interface's index in cooked captures that have it; for NFLOG also the hook. Otherwise 0.
    pub interface_index: u32,
    /// Whether the file says that the host sent it. A host that talks to itself shows each packet both ways.
    pub outgoing: bool,
    /// Whether the file has packets of several interfaces, and does not say which.
    pub is_mixed: bool,
}

/// Why a frame has no IP packet to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotIp {
    /// It is something else, or a link that is not read.
    Other(Kind),
    /// The snap length, or damage, left less than what leads to the IP header.
    Cut,
}

/// The IP packet in a frame.
///
/// # Errors
/// There is none; see [`NotIp`].
pub fn ip_packet<'a>(frame: &Frame<'a>) -> Result<Carried<'a>, NotIp> {
    let data = frame.data;
    let (skip, interface_index, outgoing) = match frame.link {
        Linktype::ETHERNET => (ether::after(half(data, 12)?, data, 14)?, 0, false),
        Linktype::LINUX_SLL => {
            (ether::after_cooked(half(data, 14)?, data, 16)?, 0, is_outgoing(half(data, 0)?))
        }
        Linktype::LINUX_SLL2 => {
            let index = u32::from_be_bytes(*part(data, 4)?);
            let [packet_type] = *part(data, 10)?;
            (ether::after_cooked(half(data, 0)?, data, 20)?, index, is_outgoing(packet_type.into()))
        }
        Linktype::NFLOG => {
            let logged = nflog::packet(data)?;
            (logged.skip, logged.place, logged.outgoing)
        }
        PPP => (ether::after_ppp(data, if data.starts_with(&ADDRESS_CONTROL) { 2 } else { 0 })?, 0, false),
        PPP_HDLC if data.starts_with(&ADDRESS_CONTROL) => (ether::after_ppp(data, 2)?, 0, false),
        PPP_HDLC => (ether::after(half(data, 2)?, data, 4)?, 0, false),
        PPPOE => (ether::after_pppoe(data, 0)?, 0, false),
        Linktype::NULL | Linktype::LOOP => (4, 0, false),
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 => (0, 0, false),
        link if RAW_OF_OTHERS.contains(&link) => (0, 0, false),
        link => return Err(NotIp::Other(Kind::Link(link.0))),
    };
    let data = data.get(skip..).ok_or(NotIp::Cut)?;
    match data.first().ok_or(NotIp::Cut)? >> 4 {
        4 | 6 => {}
        _ => return Err(NotIp::Other(Kind::Link(frame.link.0))),
    }
    let wire_bytes = frame.wire_bytes.saturating_sub(skip as u32);
    let is_mixed = frame.link == Linktype::LINUX_SLL;
    Ok(Carried { data, wire_bytes, interface_index, outgoing: outgoing || frame.outbound, is_mixed })
}

/// What RFC 1662 puts before PPP's protocol.
const ADDRESS_CONTROL: [u8; 2] = [0xff, 0x03];

fn half(data: &[u8], at: usize) -> Result<u16, NotIp> {
    Ok(u16::from_be_bytes(*part(data, at)?))
}

fn part<const BYTES: usize>(data: &[u8], at: usize) -> Result<&[u8; BYTES], NotIp> {
    data.get(at..).and_then(|data| data.first_chunk()).ok_or(NotIp::Cut)
}

/// `PACKET_OUTGOING`
fn is_outgoing(packet_type: u16) -> bool {
    packet_type == 4
}
