//! Packets that netfilter logged (`tcpdump -i nflog`): <https://www.tcpdump.org/linktypes/LINKTYPE_NFLOG.html>.

use super::{NotIp, part};
use crate::verify::packets::kinds::Kind;

/// Where in a frame a logged packet is, and where in the host it was.
pub struct Logged {
    pub skip: usize,
    /// The hook, whose number is below 256, and the interface: a packet may pass several rules that log it.
    pub place: u32,
    pub outgoing: bool,
}

/// Family, version, and the group's number.
const HEADER_BYTES: usize = 4;

/// Numbers of attributes (`enum nfulnl_attr_type`).
const PACKET_HEADER: u16 = 1;
const ARRIVED_ON: u16 = 4;
const LEAVES_BY: u16 = 5;
const PAYLOAD: u16 = 9;

/// What a host does to its own packets: `NF_INET_LOCAL_OUT` and `NF_INET_POST_ROUTING`.
const LEAVING_HOOKS: [u8; 2] = [3, 4];

/// Reads attributes up to the payload, which the kernel puts last.
pub fn packet(data: &[u8]) -> Result<Logged, NotIp> {
    let (mut at, mut hook, mut interface) = (HEADER_BYTES, 0, 0);
    loop {
        let (bytes, kind) = length_and_kind(*part(data, at)?);
        let value = at + 4;
        match kind {
            PAYLOAD => break,
            // The protocol, then the hook.
            PACKET_HEADER => hook = part::<3>(data, value)?[2],
            ARRIVED_ON | LEAVES_BY => interface = u32::from_be_bytes(*part(data, value)?),
            _ => {}
        }
        if bytes < 4 {
            return Err(NotIp::Other(Kind::Link(pcap_parser::Linktype::NFLOG.0)));
        }
        at += usize::from(bytes).next_multiple_of(4);
    }
    Ok(Logged {
        skip: at + 4,
        place: u32::from(hook) << 24 | interface & 0xff_ffff,
        outgoing: LEAVING_HOOKS.contains(&hook),
    })
}

/// In the order of bytes of the host that captured, which shows: there are fewer than 64 kinds, below two flags.
fn length_and_kind([a, b, c, d]: [u8; 4]) -> (u16, u16) {
    const KIND: u16 = 0x3fff;
    match d & 0x3f {
        0 => (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]) & KIND),
        _ => (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]) & KIND),
    }
}
