//! What pcap-parser 0.17 misreads of pcapng, or leaves to its user.

use pcap_parser::{Block, EnhancedPacketBlock, InterfaceDescriptionBlock, OptionCode};

use super::Packet;

/// Of a packet block that was given up in favour of the enhanced one; editors before 2010 wrote it.
const OBSOLETE_PACKET: u32 = 2;

/// Units of time per second: a power of 10, or of 2 where the highest bit is set, which pcap-parser refuses. `None`: more
/// than 64 bits can count.
pub fn resolution(described: &InterfaceDescriptionBlock<'_>) -> Option<u64> {
    let power = u32::from(described.if_tsresol & 0x7f);
    let base: u64 = if described.if_tsresol & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(power)
}

/// Seconds that are added to every time; pcap-parser takes them for little-endian in any file.
pub fn offset_s(described: &InterfaceDescriptionBlock<'_>, is_big_endian: bool) -> i64 {
    let offset = described.options.iter().find(|option| option.code == OptionCode::IfTsoffset);
    let bytes = offset.and_then(|option| option.value.first_chunk::<8>().copied());
    bytes.map_or(0, |bytes| if is_big_endian { i64::from_be_bytes(bytes) } else { i64::from_le_bytes(bytes) })
}

/// Whether a packet's flags (`epb_flags`) say that the host sent it.
pub fn is_outbound(packet: &EnhancedPacketBlock<'_>, is_big_endian: bool) -> bool {
    let flags = packet.options.iter().find(|option| option.code.0 == FLAGS);
    flags.is_some_and(|flags| says_outbound(&flags.value, is_big_endian))
}

/// The packet of an obsolete packet block; `None` for any other block.
///
/// # Errors
/// The block is shorter than it says.
pub fn obsolete_packet<'a>(
    block: &Block<'a>,
    is_big_endian: bool,
) -> Option<Result<Packet<'a>, &'static str>> {
    let Block::Unknown(unknown) = block else { return None };
    // pcap-parser gives the number as if the file were little-endian.
    let block_type = if is_big_endian { unknown.block_type.swap_bytes() } else { unknown.block_type };
    (block_type == OBSOLETE_PACKET).then(|| packet(unknown.data, is_big_endian).ok_or("a packet that is cut"))
}

/// Interface and drops, time, both lengths; the frame; options.
fn packet(data: &[u8], is_big_endian: bool) -> Option<Packet<'_>> {
    let (head, rest) = data.split_first_chunk::<20>()?;
    let [interface_and_drops, high, low, captured_bytes, wire_bytes] =
        super::plain::words(is_big_endian, head);
    // Two numbers of 16 bits, the interface's first.
    let interface = if is_big_endian { interface_and_drops >> 16 } else { interface_and_drops & 0xffff };
    let ticks = Some(u64::from(high) << 32 | u64::from(low));
    let data = rest.get(..captured_bytes as usize)?;
    let flags = option(rest.get(data.len().next_multiple_of(4)..)?, FLAGS, is_big_endian);
    let outbound = flags.is_some_and(|flags| says_outbound(flags, is_big_endian));
    Some(Packet { interface, ticks, data, wire_bytes, outbound })
}

/// The number of a packet's flags among its options.
const FLAGS: u16 = 2;

fn says_outbound(flags: &[u8], is_big_endian: bool) -> bool {
    const DIRECTION: u32 = 3;
    const OUTBOUND: u32 = 2;
    flags.first_chunk::<4>().is_some_and(|bytes| {
        let [flags] = super::plain::words(is_big_endian, bytes);
        flags & DIRECTION == OUTBOUND
    })
}

/// The value of an option, which is padded to words.
fn option(mut options: &[u8], wanted: u16, is_big_endian: bool) -> Option<&[u8]> {
    loop {
        let ([a, b, c, d], rest) = options.split_first_chunk::<4>()?;
        let half = if is_big_endian { u16::from_be_bytes } else { u16::from_le_bytes };
        let (number, bytes) = (half([*a, *b]), usize::from(half([*c, *d])));
        if number == wanted {
            return rest.get(..bytes);
        }
        options = rest.get(bytes.next_multiple_of(4)..)?;
    }
}
