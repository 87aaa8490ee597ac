//! Frames that lie whole at the front of a buffer, as nearly all of a file's do.
//!
//! pcap-parser finds the same, but asks for each frame through a virtual call, and gives it as a block of any kind. What is
//! anything but plain is left to it: options, other blocks, damage.

use super::Packet;

/// How frames lie in a file, or in a section of one.
#[derive(Clone, Copy)]
pub enum Layout {
    Pcap { is_big_endian: bool, resolution: u64 },
    Pcapng { is_big_endian: bool },
}

/// Of an enhanced packet.
const BLOCK_TYPE: u32 = 6;

/// The packet that `data` begins with, and the length of its record.
pub fn packet(layout: Layout, data: &[u8]) -> Option<(Packet<'_>, usize)> {
    match layout {
        Layout::Pcap { is_big_endian, resolution } => {
            let (head, rest) = data.split_first_chunk::<16>()?;
            let [seconds, fraction, captured_bytes, wire_bytes] = words(is_big_endian, head);
            let data = rest.get(..captured_bytes as usize)?;
            let ticks = Some(u64::from(seconds) * resolution + u64::from(fraction));
            Some((Packet { interface: 0, ticks, data, wire_bytes, outbound: false }, 16 + data.len()))
        }
        Layout::Pcapng { is_big_endian } => {
            let (head, rest) = data.split_first_chunk::<28>()?;
            let [block_type, block_bytes, interface, high, low, captured_bytes, wire_bytes] =
                words(is_big_endian, head);
            let padded_bytes = (captured_bytes as usize).next_multiple_of(4);
            let (padded, rest) = rest.split_at_checked(padded_bytes)?;
            let [block_bytes_again] = words(is_big_endian, rest.first_chunk::<4>()?);
            let is_plain = block_type == BLOCK_TYPE
                && block_bytes as usize == 32 + padded_bytes
                && block_bytes_again == block_bytes;
            let ticks = Some(u64::from(high) << 32 | u64::from(low));
            let data = &padded[..captured_bytes as usize];
            let packet = Packet { interface, ticks, data, wire_bytes, outbound: false };
            is_plain.then_some((packet, 32 + padded_bytes))
        }
    }
}

/// The words that `bytes` is made of.
pub fn words<const BYTES: usize, const WORDS: usize>(
    is_big_endian: bool,
    bytes: &[u8; BYTES],
) -> [u32; WORDS] {
    let (words, _) = bytes.as_chunks::<4>();
    std::array::from_fn(|i| match is_big_endian {
        false => u32::from_le_bytes(words[i]),
        true => u32::from_be_bytes(words[i]),
    })
}
