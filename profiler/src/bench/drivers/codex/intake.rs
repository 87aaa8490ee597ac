//! An upload into a node, from the disk, with a sample whenever the node has taken another piece.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result};

use super::rest::Rest;
use crate::bench::dataset::Sample;
use crate::clock::now_ns;

/// Uploads a file and returns its CID. The whole file counts as there when the node answers; until then, what
/// was handed to the socket does, which may be some hundred KiB more than the node has read.
pub fn upload(rest: &mut Rest, file: &Path, tell: &mut dyn FnMut(Sample) -> Result<()>) -> Result<String> {
    let context = || format!("upload {}", file.display());
    let opened = File::open(file).with_context(context)?;
    let size_bytes = opened.metadata().with_context(context)?.len();
    let mut watched = Watched { file: opened, size_bytes, handed_bytes: 0, tell };
    let cid = rest.upload(&mut watched, size_bytes).with_context(context)?;
    tell(now(size_bytes))?;
    Ok(cid)
}

/// A file that is read piece by piece as the socket takes it.
struct Watched<'a> {
    file: File,
    size_bytes: u64,
    handed_bytes: u64,
    tell: &'a mut dyn FnMut(Sample) -> Result<()>,
}

impl Read for Watched<'_> {
    /// Asked for the next piece, when the socket has taken all of the last one.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.handed_bytes < self.size_bytes {
            (self.tell)(now(self.handed_bytes)).map_err(io::Error::other)?;
        }
        let length = self.file.read(buffer)?;
        self.handed_bytes += length as u64;
        Ok(length)
    }
}

fn now(bytes: u64) -> Sample {
    let at_ns = now_ns();
    Sample { requested_ns: at_ns, answered_ns: at_ns, bytes }
}
