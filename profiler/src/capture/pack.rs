//! Packs a capture that is complete.
//!
//! While a recording runs its frames stay plain: to compress them would take more CPU than everything else that the
//! daemon does, at the expense of the transfer that is measured.

use std::{fs::File, io::Write as _, path::Path};

use anyhow::{Context as _, Result};
use tempfile::NamedTempFile;
use zstd::bulk::Compressor;

use super::{MAGIC, VERSION, read::Capture, write::write_frame};

/// Level 1 compresses records to 38 % at some 250 MB/s; level 3 saves a tenth more, and takes twice as long.
const ZSTD_LEVEL: i32 = 1;

/// Puts a packed capture in the place of a plain one, whole: until then the plain one stays, and stays if this fails.
pub fn pack(path: &Path) -> Result<()> {
    let context = || format!("pack the capture {}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let permissions = path.metadata().with_context(context)?.permissions();
    let mut packed =
        tempfile::Builder::new().permissions(permissions).tempfile_in(folder).with_context(context)?;
    write(path, &mut packed).with_context(context)?;
    packed.persist(path).with_context(context)?;
    Ok(())
}

fn write(path: &Path, into: &mut NamedTempFile) -> Result<()> {
    let mut packer = Compressor::new(ZSTD_LEVEL).context("prepare packing")?;
    let mut packed = Vec::new();
    let mut capture: Capture<_> = super::read(path)?;
    let file: &mut File = into.as_file_mut();
    file.write_all(&MAGIC)?;
    file.write_all(&VERSION.to_le_bytes())?;
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
