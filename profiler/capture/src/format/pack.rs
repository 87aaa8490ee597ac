//! Packs a capture that is complete.
//!
//! While a recording runs its frames stay plain: to compress them took a third of the daemon's CPU, at the expense of the
//! transfer that is measured.

use std::{
    fs::File,
    io::{Read, Write as _},
    path::Path,
};

use anyhow::{Context as _, Result};
use zstd::bulk::Compressor;

use super::write::write_frame;
use super::{Capture, MAGIC};
use crate::whole;

/// A tenth smaller than at level 1, for a tenth more time.
const ZSTD_LEVEL: i32 = 3;

/// Puts a packed capture in the place of a plain one, which stays until then, and stays if this fails.
pub fn pack(path: &Path) -> Result<()> {
    let packed = super::read(path).and_then(|capture| whole::write(path, |file| pack_into(file, capture)));
    packed.with_context(|| format!("pack the capture {}", path.display()))
}

fn pack_into(file: &mut File, mut capture: Capture<impl Read>) -> Result<()> {
    let mut packer = Compressor::new(ZSTD_LEVEL).context("prepare packing")?;
    let mut packed = Vec::new();
    file.write_all(&MAGIC)?;
    file.write_all(&capture.version().to_le_bytes())?;
    while let Some(plain) = capture.next_frame()? {
        packed.clear();
        packed.reserve(zstd::zstd_safe::compress_bound(plain.len()));
        packer.compress_to_buffer(plain, &mut packed).context("compress a frame")?;
        // Equal lengths say that a frame is plain.
        let is_smaller = packed.len() < plain.len();
        write_frame(file, if is_smaller { &packed } else { plain }, plain.len())?;
    }
    Ok(())
}
