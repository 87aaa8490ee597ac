//! Reads a capture. Wrong input is an error that names the file and the offset; a cut capture is not an error.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, ErrorKind, Read},
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use zstd::bulk::Decompressor;

use super::{FRAME_LIMIT_BYTES, HEADER_BYTES, MAGIC, RECORD_HEADER_BYTES, VERSION, converter};
use crate::{Kind, Record, events, records::EVENTS};

/// The records of a capture, in the order in which they were written.
pub struct Capture<R> {
    source: R,
    version: u32,
    name: String,
    offset: u64,
    packed: Vec<u8>,
    unpacker: Decompressor<'static>,
    frame: Vec<u8>,
    position: usize,
    events: events::Reader,
    /// Events stand in the frame from `position` to here.
    events_end: usize,
    /// Events that the writer knew, by its own word.
    written_events: Vec<Kind>,
    skipped: BTreeMap<u32, u64>,
    ending: Option<Ending>,
}

/// How a capture ended, known once all of its records were read.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// With [`Record::End`].
    Complete,
    /// In the middle of a frame or without [`Record::End`]: killed, or the disk was full.
    CutAt { offset: u64 },
}

/// Opens a capture and checks what it is.
pub fn read(path: &Path) -> Result<Capture<BufReader<File>>> {
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("open {name}"))?;
    Capture::new(BufReader::with_capacity(1 << 20, file), name)
}

impl<R: Read> Capture<R> {
    pub fn new(mut source: R, name: String) -> Result<Self> {
        let mut head = [0; 12];
        let got = read_up_to(&mut source, &mut head).with_context(|| format!("read {name}"))?;
        if got < head.len() || head[..8] != MAGIC {
            bail!(
                "{name} is no capture: it does not begin with the mark of one. `profiler record -o FILE` makes one"
            );
        }
        let version = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        if ![converter::VERSION, VERSION].contains(&version) {
            bail!(
                "{name} is a capture of format {version}; this profiler reads formats {} and {VERSION}. Use the version that \
                 recorded it",
                converter::VERSION
            );
        }
        Ok(Self {
            source,
            version,
            name,
            offset: head.len() as u64,
            packed: Vec::new(),
            unpacker: Decompressor::new().context("prepare unpacking")?,
            frame: Vec::new(),
            position: 0,
            events: events::Reader::default(),
            events_end: 0,
            written_events: Vec::new(),
            skipped: BTreeMap::new(),
            ending: None,
        })
    }

    /// The next record, or `None` at the end, after which [`Capture::ending`] tells how it ended.
    #[expect(clippy::should_implement_trait, reason = "fallible: the error comes first, as `?` wants it")]
    pub fn next(&mut self) -> Result<Option<Record>> {
        loop {
            if let Some(record) = self.events.second() {
                return Ok(Some(record));
            }
            while self.position == self.frame.len() {
                if self.ending.is_some() || self.next_frame()?.is_none() {
                    return Ok(None);
                }
            }
            let record = self.take_record().with_context(|| {
                format!("{}: damaged record in the frame that ends at byte {}", self.name, self.offset)
            })?;
            match &record {
                // Of a kind that is not known.
                None => continue,
                Some(Record::Start(start)) => self.written_events = start.layout.events.clone(),
                Some(Record::End(_)) => self.ending = Some(Ending::Complete),
                Some(_) => {}
            }
            return Ok(record);
        }
    }

    /// Records and events of kinds that are not known, a newer writer's, by their number: how many there were so far.
    pub fn skipped(&self) -> &BTreeMap<u32, u64> {
        &self.skipped
    }

    /// The format that it was written in.
    pub fn version(&self) -> u32 {
        self.version
    }

    pub fn ending(&self) -> Ending {
        self.ending.clone().unwrap_or(Ending::CutAt { offset: self.offset })
    }

    /// The records of the next frame; `None` at the end.
    pub(super) fn next_frame(&mut self) -> Result<Option<&[u8]>> {
        let cut = Ending::CutAt { offset: self.offset };
        let mut header = [0; HEADER_BYTES];
        let got = read_up_to(&mut self.source, &mut header).with_context(|| format!("read {}", self.name))?;
        if got < HEADER_BYTES {
            self.ending = Some(cut);
            return Ok(None);
        }
        let word = |i: usize| u32::from_le_bytes([header[i], header[i + 1], header[i + 2], header[i + 3]]);
        let (packed_len, plain_len, crc) = (word(0) as usize, word(4) as usize, word(8));
        if packed_len > FRAME_LIMIT_BYTES || plain_len > FRAME_LIMIT_BYTES {
            bail!("{}: damaged frame at byte {}: it claims {packed_len} bytes", self.name, self.offset);
        }
        self.packed.resize(packed_len, 0);
        let got =
            read_up_to(&mut self.source, &mut self.packed).with_context(|| format!("read {}", self.name))?;
        if got < packed_len {
            self.ending = Some(cut);
            return Ok(None);
        }
        if crc32fast::hash(&self.packed) != crc {
            bail!("{}: damaged frame at byte {}: its checksum differs", self.name, self.offset);
        }
        self.position = 0;
        self.events_end = 0;
        if packed_len == plain_len {
            std::mem::swap(&mut self.packed, &mut self.frame);
        } else {
            self.unpack(plain_len)?;
        }
        self.offset += (HEADER_BYTES + packed_len) as u64;
        Ok(Some(&self.frame))
    }

    /// The record at `position`, or that of the event there; `None` for one of an unknown kind.
    fn take_record(&mut self) -> Result<Option<Record>> {
        if self.position >= self.events_end {
            let frame = &self.frame[self.position..];
            let header = if self.version == VERSION { header(frame) } else { converter::header(frame) };
            let (number, header_len, body_len) = header.context("no kind and length")?;
            let rest = &frame[header_len..];
            let body = rest.get(..body_len).context("longer than its frame")?;
            self.position += header_len;
            if number != EVENTS {
                self.position += body_len;
                let record = if self.version == VERSION {
                    Record::decode(number, body)
                } else {
                    converter::record(body)
                };
                return match record {
                    None => {
                        *self.skipped.entry(number).or_default() += 1;
                        Ok(None)
                    }
                    Some(record) => record.map(Some).context("not decodable"),
                };
            }
            self.events_end = self.position + body_len;
        }
        let events = &self.frame[self.position..self.events_end];
        let (number, len) = self.first_event(events).context("no event of the probes")?;
        self.position += len;
        if !events::is_known(number) {
            *self.skipped.entry(number).or_default() += 1;
            return Ok(None);
        }
        self.events.record(&events[..len]).map(Some).context("no event of the probes")
    }

    /// Kind and size of the first event of some, whole.
    fn first_event(&self, events: &[u8]) -> Option<(u32, usize)> {
        let number = u32::from_le_bytes(*events.first_chunk()?);
        let written = || self.written_events.iter().find(|kind| kind.number == number);
        let len = events::size_bytes(number).or_else(|| written().map(|kind| kind.size_bytes as usize))?;
        (4..=events.len()).contains(&len).then_some((number, len))
    }

    fn unpack(&mut self, plain_len: usize) -> Result<()> {
        self.frame.clear();
        self.frame.reserve_exact(plain_len);
        let got = self
            .unpacker
            .decompress_to_buffer(&self.packed, &mut self.frame)
            .with_context(|| format!("{}: damaged frame at byte {}", self.name, self.offset))?;
        if got != plain_len {
            bail!("{}: damaged frame at byte {}: {got} bytes instead of {plain_len}", self.name, self.offset);
        }
        Ok(())
    }
}

/// Kind, length of this header, and length of the body.
fn header(frame: &[u8]) -> Option<(u32, usize, usize)> {
    let (number, rest) = frame.split_first_chunk()?;
    let len = rest.first_chunk()?;
    Some((u32::from_le_bytes(*number), RECORD_HEADER_BYTES, u32::from_le_bytes(*len) as usize))
}

/// Fills as much of `into` as there is; fewer bytes mean the end of the source.
fn read_up_to(source: &mut impl Read, into: &mut [u8]) -> std::io::Result<usize> {
    let mut got = 0;
    while got < into.len() {
        match source.read(&mut into[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}
