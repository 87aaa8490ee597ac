//! The frames of a pcap or pcapng file, one by one, in bounded memory.

mod pcapng;
mod plain;

use std::io::Read;

use anyhow::{Result, bail};
use pcap_parser::{
    Block, InterfaceDescriptionBlock, Linktype, PcapBlockOwned, PcapError, create_reader,
    traits::PcapNGPacketBlock as _,
};

use plain::Layout;

/// What is read at once: more would leave the processor's caches.
const BUFFER_BYTES: usize = 1 << 20;

/// A longer block is damage: the longest frame that Linux captures is half a megabyte (BIG TCP).
const BLOCK_LIMIT_BYTES: usize = 16 << 20;

/// A file with more interfaces is damaged, or hostile.
const INTERFACE_LIMIT: usize = 1 << 16;

const NS_PER_S: u64 = 1_000_000_000;

/// A frame as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Wall clock, ns since 1970; `None` in pcapng's simple packets.
    pub at_ns: Option<u64>,
    /// Counts up over the file's sections; 0 in pcap.
    pub section: u32,
    /// Counts up over the section's interfaces; 0 in pcap.
    pub interface: u32,
    pub link: Linktype,
    /// As much of it as the snap length left.
    pub data: &'a [u8],
    /// Its length before that.
    pub wire_bytes: u32,
    /// Whether pcapng says that the host sent it.
    pub outbound: bool,
}

/// Calls `each` for every frame, in the file's order.
///
/// # Errors
/// With the name and the offset in bytes: what is neither pcap nor pcapng, what is damaged or cut short. The frames
/// before that were seen.
pub fn for_each_frame(source: impl Read + Send, name: &str, mut each: impl FnMut(&Frame<'_>)) -> Result<()> {
    let mut reader = match create_reader(BUFFER_BYTES, source) {
        Ok(reader) => reader,
        Err(PcapError::Eof) => bail!("{name} is empty: no packet capture"),
        Err(PcapError::ReadError) => bail!("{name}: cannot be read at byte 0"),
        Err(_) => bail!("{name} is no packet capture: byte 0 begins neither pcap nor pcapng"),
    };
    let mut interfaces = Interfaces::default();
    loop {
        let at = reader.consumed();
        let fits = match reader.next() {
            Ok((used, block)) => {
                if let Err(problem) = interfaces.take(&block, &mut each) {
                    bail!("{name}: damaged at byte {at}: {problem}");
                }
                // What is left is moved once, when more is read.
                reader.consume_noshift(used);
                let used = interfaces.take_plain(reader.data(), &mut each);
                reader.consume_noshift(used);
                continue;
            }
            Err(PcapError::Eof) => return Ok(()),
            Err(PcapError::Incomplete(_)) => true,
            Err(PcapError::BufferTooSmall) => false,
            Err(PcapError::UnexpectedEof) => bail!("{name}: cut short in the block at byte {at}"),
            Err(PcapError::ReadError) => bail!("{name}: cannot be read at byte {at}"),
            Err(_) => bail!("{name}: damaged at byte {at}: the block is not decodable"),
        };
        if fits {
            if reader.refill().is_err() {
                bail!("{name}: cannot be read at byte {at}");
            }
        } else if !reader.grow(BLOCK_LIMIT_BYTES) {
            bail!("{name}: damaged at byte {at}: the block is too long");
        }
    }
}

/// What a frame needs to know of its interface.
struct Interface {
    link: Linktype,
    /// Units of time per second.
    resolution: u64,
    offset_s: i64,
    /// The unit, where it is a whole number of ns and nothing is to be added: nearly always.
    tick_ns: Option<u64>,
}

/// A frame as the file has it.
#[derive(Clone, Copy)]
struct Packet<'a> {
    interface: u32,
    /// Since 1970, in the interface's unit.
    ticks: Option<u64>,
    data: &'a [u8],
    wire_bytes: u32,
    outbound: bool,
}

/// The interfaces of the current section, how many sections there were before it, and how many interfaces those had.
#[derive(Default)]
struct Interfaces {
    section: u32,
    before: usize,
    current: Vec<Interface>,
    /// `None` where frames are not plain.
    layout: Option<Layout>,
}

impl Interfaces {
    fn take(
        &mut self,
        block: &PcapBlockOwned<'_>,
        each: &mut impl FnMut(&Frame<'_>),
    ) -> Result<(), &'static str> {
        let packet = match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let resolution = if header.is_nanosecond_precision() { NS_PER_S } else { 1_000_000 };
                // The upper bits say whether frames end with a checksum.
                let link = Linktype(header.network.0 & 0xffff);
                self.current.push(Interface::new(link, resolution, 0));
                let layout = Layout::Pcap { is_big_endian: header.is_bigendian(), resolution };
                self.layout = (!header.is_modified_format()).then_some(layout);
                return Ok(());
            }
            PcapBlockOwned::Legacy(packet) => {
                let resolution = self.current.first().map_or(1_000_000, |interface| interface.resolution);
                let ticks = u64::from(packet.ts_sec) * resolution + u64::from(packet.ts_usec);
                Packet {
                    interface: 0,
                    ticks: Some(ticks),
                    data: packet.data,
                    wire_bytes: packet.origlen,
                    outbound: false,
                }
            }
            PcapBlockOwned::NG(Block::SectionHeader(section)) => {
                self.section += u32::from(self.layout.is_some());
                self.before += self.current.len();
                self.current.clear();
                self.layout = Some(Layout::Pcapng { is_big_endian: section.big_endian() });
                return Ok(());
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(described)) => return self.describe(described),
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => Packet {
                interface: packet.if_id,
                ticks: Some(u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low)),
                data: packet.packet_data(),
                wire_bytes: packet.origlen,
                outbound: pcapng::is_outbound(packet, self.is_big_endian()),
            },
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => Packet {
                interface: 0,
                ticks: None,
                data: packet.packet_data(),
                wire_bytes: packet.origlen,
                outbound: false,
            },
            PcapBlockOwned::NG(other) => match pcapng::obsolete_packet(other, self.is_big_endian()) {
                Some(packet) => packet?,
                None => return Ok(()),
            },
        };
        each(&self.frame(packet)?);
        Ok(())
    }

    /// Takes plain frames as long as there are any, and gives the bytes that they took.
    fn take_plain(&self, data: &[u8], each: &mut impl FnMut(&Frame<'_>)) -> usize {
        let Some(layout) = self.layout else { return 0 };
        let mut used = 0;
        while let Some((packet, bytes)) = plain::packet(layout, &data[used..])
            && let Ok(frame) = self.frame(packet)
        {
            each(&frame);
            used += bytes;
        }
        used
    }

    fn frame<'a>(&self, packet: Packet<'a>) -> Result<Frame<'a>, &'static str> {
        let Packet { interface, ticks, data, wire_bytes, outbound } = packet;
        let described =
            self.current.get(interface as usize).ok_or("a packet of an interface that is not described")?;
        Ok(Frame {
            at_ns: ticks.and_then(|ticks| described.wall_ns(ticks)),
            section: self.section,
            interface,
            link: described.link,
            data,
            wire_bytes,
            outbound,
        })
    }

    fn describe(&mut self, described: &InterfaceDescriptionBlock<'_>) -> Result<(), &'static str> {
        if self.before + self.current.len() >= INTERFACE_LIMIT {
            return Err("more interfaces than any host has");
        }
        let resolution = pcapng::resolution(described).ok_or("an impossible resolution of time")?;
        let offset_s = pcapng::offset_s(described, self.is_big_endian());
        self.current.push(Interface::new(described.linktype, resolution, offset_s));
        Ok(())
    }

    fn is_big_endian(&self) -> bool {
        matches!(self.layout, Some(Layout::Pcapng { is_big_endian: true }))
    }
}

impl Interface {
    fn new(link: Linktype, resolution: u64, offset_s: i64) -> Self {
        let is_whole = offset_s == 0 && NS_PER_S.is_multiple_of(resolution);
        Self { link, resolution, offset_s, tick_ns: is_whole.then(|| NS_PER_S / resolution) }
    }

    fn wall_ns(&self, ticks: u64) -> Option<u64> {
        // A division of 128 bits for each frame costs more than all the rest of its time.
        if let Some(tick_ns) = self.tick_ns {
            return ticks.checked_mul(tick_ns);
        }
        let ns = i128::from(ticks) * i128::from(NS_PER_S) / i128::from(self.resolution);
        u64::try_from(ns + i128::from(self.offset_s) * i128::from(NS_PER_S)).ok()
    }
}

#[cfg(test)]
mod tests;
