//! What packets are that are neither TCP nor UDP, by name, so that none is left out in silence.

use std::fmt;

use etherparse::IpNumber;
use serde::{Serialize, Serializer};

/// The layer at which reading ended, with the number that says what follows there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A link type of the file that is not read, or whose frame is no IP though nothing says what it is.
    Link(i32),
    EtherType(u16),
    /// The destination's service access point (IEEE 802.2).
    Llc(u8),
    Ppp(u16),
    Ip(u8),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, number) = match *self {
            Self::Link(link) => (link_name(link), format!("link type {link}")),
            Self::EtherType(number) => (ether_type_name(number), format!("EtherType {number:#06x}")),
            Self::Llc(number) => (None, format!("LLC {number:#04x}")),
            Self::Ppp(number) => (ppp_name(number), format!("PPP {number:#06x}")),
            Self::Ip(number) => (IpNumber(number).keyword_str(), format!("IP protocol {number}")),
        };
        match name {
            Some(name) => write!(f, "{name} ({number})"),
            None => f.write_str(&number),
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// <https://www.tcpdump.org/linktypes.html>: those that Linux captures.
fn link_name(link: i32) -> Option<&'static str> {
    Some(match link {
        0 | 108 => "loopback",
        12 | 14 | 101 => "raw",
        105 => "802.11",
        119 => "802.11 with Prism",
        127 => "802.11 with radiotap",
        163 => "802.11 with AVS",
        189 | 220 => "USB",
        195 => "802.15.4",
        201 => "Bluetooth",
        227 => "CAN",
        239 => "NFLOG",
        253 => "netlink",
        _ => return None,
    })
}

fn ether_type_name(number: u16) -> Option<&'static str> {
    Some(match number {
        0x0806 => "ARP",
        0x8847 | 0x8848 => "MPLS",
        0x8863 => "PPPoE discovery",
        0x888e => "EAPOL",
        0x88cc => "LLDP",
        0x88e5 => "MACsec",
        0x88f7 => "PTP",
        _ => return None,
    })
}

fn ppp_name(number: u16) -> Option<&'static str> {
    Some(match number {
        0x003d => "multilink",
        0x00fd => "compressed",
        0x8021 => "IPCP",
        0x8057 => "IPv6CP",
        0xc021 => "LCP",
        0xc023 => "PAP",
        0xc223 => "CHAP",
        _ => return None,
    })
}
