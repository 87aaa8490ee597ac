//! Writes a capture frame by frame. What is not in a finished frame is lost when the process is killed, so
//! the recording finishes a frame several times a second.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use super::{FRAME_LIMIT_BYTES, HEADER_BYTES, MAGIC, RECORD_HEADER_BYTES, VERSION};
use crate::{Record, records::EVENTS};

/// Frames of this size compress well and are quickly whole.
const FRAME_BYTES: usize = 256 << 10;

/// More than nearly every record: those that are larger make the room larger.
const RECORD_ROOM_BYTES: usize = 4 << 10;

pub struct Writer {
    file: File,
    path: PathBuf,
    /// Room for a frame's records, of which `filled` bytes are taken: records are encoded where they stay.
    plain: Vec<u8>,
    filled: usize,
    written_bytes: u64,
}

impl Writer {
    /// Creates the file; an existing one is refused rather than overwritten.
    pub fn create(path: &Path) -> Result<Self> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path).with_context(|| {
            let way_out = if path.exists() { "; `-o FILE` names another, or remove it first" } else { "" };
            format!("create the capture {}{way_out}", path.display())
        })?;
        let mut head = MAGIC.to_vec();
        head.extend(VERSION.to_le_bytes());
        file.write_all(&head).with_context(|| format!("write the capture {}", path.display()))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            plain: vec![0; FRAME_BYTES + RECORD_ROOM_BYTES],
            filled: 0,
            written_bytes: head.len() as u64,
        })
    }

    pub fn push(&mut self, record: &Record) -> Result<()> {
        let begin = self.filled + RECORD_HEADER_BYTES;
        let len = loop {
            match record.encode(&mut self.plain[begin..]) {
                Ok(encoded) => break encoded.len(),
                // The rest of a frame's room may be too little for what fits a frame of its own.
                Err(postcard::Error::SerializeBufferFull) if self.filled > 0 => {
                    self.finish_frame()?;
                    return self.push(record);
                }
                Err(postcard::Error::SerializeBufferFull) => {
                    ensure!(self.plain.len() < FRAME_LIMIT_BYTES, "a record is larger than a frame may be");
                    self.plain.resize(FRAME_LIMIT_BYTES.min(self.plain.len() * 2), 0);
                }
                Err(error) => return Err(error).context("encode a record of the capture"),
            }
        };
        self.plain[self.filled..begin].copy_from_slice(&record_header(record.number(), len));
        self.filled = begin + len;
        self.finish_full_frame()
    }

    /// Writes events as the probes wrote them; [`Capture`](crate::Capture) makes records of them.
    pub fn push_events(&mut self, events: &[u8]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let len = RECORD_HEADER_BYTES + events.len();
        if self.filled + len > self.plain.len() {
            self.finish_frame()?;
            ensure!(len <= FRAME_LIMIT_BYTES, "so many events are more than a frame may hold");
            self.plain.resize(self.plain.len().max(len), 0);
        }
        let place = &mut self.plain[self.filled..self.filled + len];
        let (header, room) = place.split_at_mut(RECORD_HEADER_BYTES);
        header.copy_from_slice(&record_header(EVENTS, events.len()));
        room.copy_from_slice(events);
        self.filled += len;
        self.finish_full_frame()
    }

    fn finish_full_frame(&mut self) -> Result<()> {
        if self.filled >= FRAME_BYTES { self.finish_frame() } else { Ok(()) }
    }

    /// Makes everything pushed so far readable, whatever happens next.
    pub fn finish_frame(&mut self) -> Result<()> {
        if self.filled == 0 {
            return Ok(());
        }
        let plain = &self.plain[..self.filled];
        write_frame(&mut self.file, plain, plain.len()).with_context(|| {
            format!(
                "write the capture {}: it is readable up to here; `-o FILE` puts it on another disk",
                self.path.display()
            )
        })?;
        self.written_bytes += (HEADER_BYTES + plain.len()) as u64;
        self.filled = 0;
        Ok(())
    }

    /// Bytes in the file.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Kind and length of a record.
pub(super) fn record_header(number: u32, body_len: usize) -> [u8; RECORD_HEADER_BYTES] {
    let words = [number, body_len as u32].map(u32::to_le_bytes);
    let mut header = [0; RECORD_HEADER_BYTES];
    header.copy_from_slice(words.as_flattened());
    header
}

/// Writes one frame, of which `bytes` stand in the file.
pub(super) fn write_frame(file: &mut File, bytes: &[u8], plain_len: usize) -> io::Result<()> {
    let mut header = [0; HEADER_BYTES];
    let words = [bytes.len() as u32, plain_len as u32, crc32fast::hash(bytes)];
    for (place, word) in header.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    file.write_all(&header)?;
    file.write_all(bytes)
}
