//! Checksums of files, as `sha256sum` and `xxh128sum` print them.
//!
//! Programs are named by their SHA-256. Payload is compared by its XXH128, which finds what goes wrong with bytes and
//! not what somebody makes to deceive: SHA-256 of every stream took two fifths of what following the streams cost.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use twox_hash::XxHash3_128;

use crate::bench::wait;

const CHUNK_BYTES: usize = 1 << 20;

/// SHA-256 of a whole file, in hexadecimal.
pub fn sha256_of_file(path: &Path, stop: &AtomicBool) -> Result<String> {
    let mut sha256 = Sha256::new();
    read_all(path, stop, |bytes| sha256.update(bytes))?;
    Ok(sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// XXH128 of a whole file, as [`Xxh128::finish`] writes it.
pub fn xxh128_of_file(path: &Path, stop: &AtomicBool) -> Result<String> {
    let mut xxh128 = Xxh128::default();
    read_all(path, stop, |bytes| xxh128.update(bytes))?;
    Ok(xxh128.finish())
}

/// XXH128 of what was put in so far.
#[derive(Default)]
pub struct Xxh128(XxHash3_128);

impl Xxh128 {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// With its name in front: `xxh128:` and 32 hexadecimal digits.
    pub fn finish(self) -> String {
        format!("xxh128:{:032x}", self.0.finish_128())
    }
}

fn read_all(path: &Path, stop: &AtomicBool, mut take: impl FnMut(&[u8])) -> Result<()> {
    let mut file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        wait::check_stop(stop)?;
        match file.read(&mut chunk).with_context(|| format!("read {}", path.display()))? {
            0 => return Ok(()),
            length => take(&chunk[..length]),
        }
    }
}
