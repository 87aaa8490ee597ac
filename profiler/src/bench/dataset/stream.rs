//! Takes a file that a node hands over in order, stamps what comes, and hashes it. Nothing is kept.

use std::io::Read;

use anyhow::{Context, Result, ensure};

use super::checksum::Xxh128;
use crate::bench::dataset::Sample;
use crate::clock::now_ns;

/// As much as one read gives at most: four blocks of Codex.
const CHUNK_BYTES: usize = 256 << 10;

/// A file that was read to its end.
#[derive(Debug)]
pub struct Received {
    pub reads: u64,
    pub checksum: String,
}

/// Reads a stream to its end, which is an error if it comes early.
///
/// What a read gave was not there when the read before returned: no better resolution is claimed, although a
/// read that had to wait returned when its bytes came.
pub fn receive(
    mut stream: impl Read,
    file_size_bytes: u64,
    mut tell: impl FnMut(Sample) -> Result<()>,
) -> Result<Received> {
    let mut xxh128 = Xxh128::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    let (mut bytes, mut reads) = (0, 0);
    tell(now(bytes))?;
    loop {
        let length = stream
            .read(&mut chunk)
            .with_context(|| format!("read the stream after {bytes} of {file_size_bytes} bytes"))?;
        reads += 1;
        bytes += length as u64;
        ensure!(
            length > 0 || bytes >= file_size_bytes,
            "the stream ended after {bytes} of {file_size_bytes} bytes"
        );
        ensure!(bytes <= file_size_bytes, "the stream has more than the {file_size_bytes} bytes of the file");
        if length == 0 {
            return Ok(Received { reads, checksum: xxh128.finish() });
        }
        tell(now(bytes))?;
        xxh128.update(&chunk[..length]);
    }
}

/// So many bytes were there exactly now.
fn now(bytes: u64) -> Sample {
    let at_ns = now_ns();
    Sample { requested_ns: at_ns, answered_ns: at_ns, bytes }
}
