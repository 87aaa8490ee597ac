//! SHA-256 of a file, as `sha256sum` prints it.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::wait;

const CHUNK_BYTES: usize = 1 << 20;

/// Reads a whole file and returns its checksum.
pub fn sha256_of_file(path: &Path, stop: &AtomicBool) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut checksum = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        wait::check_stop(stop)?;
        match file.read(&mut chunk).with_context(|| format!("read {}", path.display()))? {
            0 => return Ok(hex(checksum)),
            length => checksum.update(&chunk[..length]),
        }
    }
}

/// The checksum of what was put in so far.
pub fn hex(checksum: Sha256) -> String {
    checksum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
