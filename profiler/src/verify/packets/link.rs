//! The IP packet in a frame of each kind of link: Ethernet with VLAN tags, Linux cooked 1 and 2, loopback, raw IP.
//!
//! By hand: of these, etherparse knows neither cooked 2 nor loopback, and the rest are one or two fixed fields.

use pcap_parser::Linktype;

use super::files::Frame;

/// More tags than this in a row are nonsense.
const TAG_LIMIT: usize = 4;

/// Raw IP as some systems number it, beside [`Linktype::RAW`].
const RAW_OF_OTHERS: [Linktype; 2] = [Linktype(12), Linktype(14)];

/// An IP packet, and where it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried<'a> {
    /// From the IP header on.
    pub data: &'a [u8],
    /// The same, before the snap length.
    pub wire_bytes: u32,
    /// The interface's index in cooked captures that have it, otherwise 0.
    pub interface_index: u32,
    /// Whether a cooked capture says that the host sent it. A host that talks to itself shows each packet both ways.
    pub outgoing: bool,
}

/// `None`: not IP, an unknown kind of link, or cut before the IP header.
pub fn ip_packet<'a>(frame: &Frame<'a>) -> Option<Carried<'a>> {
    let word = |at: usize| Some(u16::from_be_bytes(*frame.data.get(at..)?.first_chunk()?));
    let (skip, interface_index, outgoing) = match frame.link {
        Linktype::ETHERNET => (after_tags(frame.data, 12)?, 0, false),
        Linktype::LINUX_SLL => (after_tags(frame.data, 14)?, 0, is_outgoing(word(0)?)),
        Linktype::LINUX_SLL2 => {
            let index = u32::from_be_bytes(*frame.data.get(4..)?.first_chunk()?);
            let skip = match word(0)? {
                protocol if is_tag(protocol) => after_tags(frame.data, 22)?,
                protocol => is_ip(protocol).then_some(20)?,
            };
            (skip, index, is_outgoing(u16::from(*frame.data.get(10)?)))
        }
        Linktype::NULL | Linktype::LOOP => (4, 0, false),
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 => (0, 0, false),
        link if RAW_OF_OTHERS.contains(&link) => (0, 0, false),
        _ => return None,
    };
    let data = frame.data.get(skip..)?;
    matches!(data.first()? >> 4, 4 | 6).then_some(())?;
    Some(Carried {
        data,
        wire_bytes: frame.wire_bytes.saturating_sub(skip as u32),
        interface_index,
        outgoing,
    })
}

/// Where the IP header begins after the EtherType at `at` and the tags that it may announce.
fn after_tags(data: &[u8], mut at: usize) -> Option<usize> {
    for _ in 0..=TAG_LIMIT {
        let ether_type = u16::from_be_bytes(*data.get(at..)?.first_chunk()?);
        if is_ip(ether_type) {
            return Some(at + 2);
        }
        is_tag(ether_type).then_some(())?;
        at += 4;
    }
    None
}

fn is_ip(ether_type: u16) -> bool {
    matches!(ether_type, 0x0800 | 0x86dd)
}

/// 802.1Q, 802.1ad (QinQ), and what preceded it.
fn is_tag(ether_type: u16) -> bool {
    matches!(ether_type, 0x8100 | 0x88a8 | 0x9100)
}

/// `PACKET_OUTGOING`
fn is_outgoing(packet_type: u16) -> bool {
    packet_type == 4
}
