//! Writes a capture frame by frame. What is not in a finished frame is lost when the process is killed, so
//! the recording finishes a frame several times a second.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{FRAME_LIMIT_BYTES, HEADER_BYTES, MAGIC, Record, VERSION};

/// Level 1 compresses records to a third at several hundred MB/s; higher levels cost the host more CPU than
/// they save it disk.
const ZSTD_LEVEL: i32 = 1;

/// Frames of this size compress well and are quickly whole.
const FRAME_BYTES: usize = 256 << 10;

pub struct Writer {
    file: File,
    path: PathBuf,
    plain: Vec<u8>,
    scratch: Vec<u8>,
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
            plain: Vec::new(),
            scratch: Vec::new(),
            written_bytes: head.len() as u64,
        })
    }

    pub fn push(&mut self, record: &Record) -> Result<()> {
        self.scratch = postcard::to_extend(record, std::mem::take(&mut self.scratch))
            .context("encode a record of the capture")?;
        self.plain.extend((self.scratch.len() as u32).to_le_bytes());
        self.plain.append(&mut self.scratch);
        if self.plain.len() >= FRAME_BYTES {
            self.finish_frame()?;
        }
        Ok(())
    }

    /// Makes everything pushed so far readable, whatever happens next.
    pub fn finish_frame(&mut self) -> Result<()> {
        if self.plain.is_empty() {
            return Ok(());
        }
        debug_assert!(self.plain.len() < FRAME_LIMIT_BYTES);
        let packed =
            zstd::bulk::compress(&self.plain, ZSTD_LEVEL).context("compress a frame of the capture")?;
        let mut frame = Vec::with_capacity(HEADER_BYTES + packed.len());
        frame.extend((packed.len() as u32).to_le_bytes());
        frame.extend((self.plain.len() as u32).to_le_bytes());
        frame.extend(crc32fast::hash(&packed).to_le_bytes());
        frame.extend(&packed);
        self.file.write_all(&frame).with_context(|| {
            format!(
                "write the capture {}: it is readable up to here; `-o FILE` puts it on another disk",
                self.path.display()
            )
        })?;
        self.written_bytes += frame.len() as u64;
        self.plain.clear();
        Ok(())
    }

    /// Bytes in the file.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }
}
