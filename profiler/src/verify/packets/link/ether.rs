//! What may lie between an EtherType and the IP header: VLAN tags, MPLS, PPPoE, MACsec that does not encrypt, LLC with SNAP.

use etherparse::{EtherType, MacsecHeaderSlice};

use super::{NotIp, half, part};
use crate::verify::packets::kinds::Kind;

/// More headers than this in a row are nonsense.
const HEADER_LIMIT: usize = 8;

/// The greatest number in an EtherType's place that is a length instead (IEEE 802.3).
const GREATEST_LENGTH: u16 = 1500;

/// What a cooked capture has in place of an EtherType before LLC (`ETH_P_802_2`).
const COOKED_LLC: u16 = 4;

/// SNAP in LLC, and the codes of organisations (IEEE 802.1H) whose protocols are EtherTypes.
const SNAP: [u8; 3] = [0xaa, 0xaa, 0x03];
const ETHER_TYPES: [[u8; 3]; 2] = [[0, 0, 0], [0, 0, 0xf8]];

/// Where the IP header begins, of what `number` announces at `at`.
#[inline]
pub fn after(number: u16, data: &[u8], at: usize) -> Result<usize, NotIp> {
    if is_ip(number) { Ok(at) } else { after_others(number, data, at) }
}

fn is_ip(number: u16) -> bool {
    matches!(number, 0x0800 | 0x86dd)
}

fn after_others(mut number: u16, data: &[u8], mut at: usize) -> Result<usize, NotIp> {
    for _ in 0..HEADER_LIMIT {
        (number, at) = match number {
            _ if is_ip(number) => return Ok(at),
            // 802.1Q, 802.1ad (QinQ), and what preceded it.
            0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => (half(data, at + 2)?, at + 4),
            0x8847 | 0x8848 => return after_labels(number, data, at),
            0x8864 => return after_pppoe(data, at),
            0x88e5 => after_macsec(number, data, at)?,
            0..=GREATEST_LENGTH => after_llc(data, at)?,
            _ => break,
        };
    }
    Err(NotIp::Other(Kind::EtherType(number)))
}

/// The same in cooked captures, where a small number is no length but one of Linux's own protocols.
pub fn after_cooked(number: u16, data: &[u8], at: usize) -> Result<usize, NotIp> {
    match number {
        COOKED_LLC => after(0, data, at),
        0..=GREATEST_LENGTH => Err(NotIp::Other(Kind::EtherType(number))),
        _ => after(number, data, at),
    }
}

/// After a PPPoE header (RFC 2516) and PPP's protocol.
pub fn after_pppoe(data: &[u8], at: usize) -> Result<usize, NotIp> {
    const SESSION: u8 = 0;
    let [_, code, ..] = *part::<6>(data, at)?;
    if code != SESSION {
        return Err(NotIp::Other(Kind::EtherType(0x8863)));
    }
    after_ppp(data, at + 6)
}

/// After PPP's protocol, which may be compressed to a byte: an odd one (RFC 1661, 6.5).
pub fn after_ppp(data: &[u8], at: usize) -> Result<usize, NotIp> {
    let [first] = *part(data, at)?;
    let (protocol, at) = match first & 1 {
        1 => (u16::from(first), at + 1),
        _ => (half(data, at)?, at + 2),
    };
    match protocol {
        0x0021 | 0x0057 => Ok(at),
        _ => Err(NotIp::Other(Kind::Ppp(protocol))),
    }
}

/// Labels do not say what follows; as routers do, the version of IP is taken from the first bits (RFC 4928).
fn after_labels(number: u16, data: &[u8], mut at: usize) -> Result<usize, NotIp> {
    for _ in 0..HEADER_LIMIT {
        let [_, _, flags, _] = *part::<4>(data, at)?;
        at += 4;
        if flags & 1 == 1 {
            let [first] = *part(data, at)?;
            match first >> 4 {
                4 | 6 => return Ok(at),
                _ => break,
            }
        }
    }
    Err(NotIp::Other(Kind::EtherType(number)))
}

fn after_macsec(number: u16, data: &[u8], at: usize) -> Result<(u16, usize), NotIp> {
    let encrypted = NotIp::Other(Kind::EtherType(number));
    let header = MacsecHeaderSlice::from_slice(data.get(at..).ok_or(NotIp::Cut)?);
    let header = header.map_err(|error| match error {
        etherparse::err::macsec::HeaderSliceError::Len(_) => NotIp::Cut,
        etherparse::err::macsec::HeaderSliceError::Content(_) => encrypted,
    })?;
    let EtherType(next) = header.next_ether_type().ok_or(encrypted)?;
    Ok((next, at + header.header_len()))
}

fn after_llc(data: &[u8], at: usize) -> Result<(u16, usize), NotIp> {
    let [to, from, control] = *part(data, at)?;
    if [to, from, control] != SNAP {
        return Err(NotIp::Other(Kind::Llc(to)));
    }
    if !ETHER_TYPES.contains(part(data, at + 3)?) {
        return Err(NotIp::Other(Kind::Llc(to)));
    }
    Ok((half(data, at + 6)?, at + 8))
}
