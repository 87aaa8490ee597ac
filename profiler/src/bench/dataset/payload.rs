//! The file that is transferred: random bytes, which nothing on the way can compress or find twice.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, ensure};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rustix::fs::statvfs;

use super::checksum::Xxh128;
use crate::bench::wait;

const CHUNK_BYTES: u64 = 1 << 20;
/// How much is written before the disk has to have it. Bounds how long a wish to stop goes unheard.
const SYNCED_BYTES: u64 = 16 << 20;

/// Writes the same random file to each path, and returns its checksum.
///
/// The files are on disk when this returns: the transfer must not share the disk with the writeback of its
/// own preparation. Same seed, same bytes, within one build of this program.
pub fn make(paths: &[PathBuf], size_bytes: u64, seed: u64, stop: &AtomicBool) -> Result<String> {
    let mut files = Vec::new();
    for path in paths {
        files.push(File::create_new(path).with_context(|| format!("create {}", path.display()))?);
    }
    let mut random = SmallRng::seed_from_u64(seed);
    let mut xxh128 = Xxh128::default();
    let mut chunk = vec![0; CHUNK_BYTES as usize];
    let mut written_bytes = 0;
    while written_bytes < size_bytes {
        wait::check_stop(stop)?;
        let length = CHUNK_BYTES.min(size_bytes - written_bytes);
        let chunk = &mut chunk[..length as usize];
        random.fill_bytes(chunk);
        xxh128.update(chunk);
        written_bytes += length;
        let is_due = written_bytes % SYNCED_BYTES == 0 || written_bytes == size_bytes;
        for (file, path) in files.iter_mut().zip(paths) {
            file.write_all(chunk).with_context(|| format!("write {}", path.display()))?;
            if is_due {
                file.sync_data().with_context(|| format!("sync {}", path.display()))?;
            }
        }
    }
    Ok(xxh128.finish())
}

/// What a run with so many copies of the file takes on the disk.
pub fn needed_space_bytes(copies: u32, size_bytes: u64) -> u64 {
    u64::from(copies).saturating_mul(size_bytes).saturating_add(SLACK_BYTES)
}

/// What a run writes besides payload: settings, logs, the metadata of file systems.
const SLACK_BYTES: u64 = 64 << 20;

/// What is free in `folder` for programs.
pub fn free_bytes(folder: &Path) -> Result<u64> {
    let file_system =
        statvfs(folder).with_context(|| format!("find the scratch directory {}", folder.display()))?;
    Ok(file_system.f_bavail * file_system.f_frsize)
}

/// An error if `folder` has no room for `copies` of the file.
pub fn require_space(folder: &Path, copies: u32, size_bytes: u64) -> Result<()> {
    let free_bytes = free_bytes(folder)?;
    let needed_bytes = needed_space_bytes(copies, size_bytes);
    ensure!(
        needed_bytes <= free_bytes,
        "the run needs {} MiB in {}, where {} MiB are free: make room, or choose another scratch directory",
        needed_bytes >> 20,
        folder.display(),
        free_bytes >> 20,
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::dataset::checksum;
    use std::fs;

    #[test]
    fn every_copy_has_the_same_bytes_and_the_sum_that_is_returned() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("payload-test-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let paths = [folder.join("a"), folder.join("b")];
        let stop = AtomicBool::new(false);
        let size_bytes = CHUNK_BYTES + 7;
        let sum = make(&paths, size_bytes, 1, &stop)?;
        for path in &paths {
            assert_eq!(fs::metadata(path)?.len(), size_bytes);
            assert_eq!(checksum::xxh128_of_file(path, &stop)?, sum);
        }
        fs::remove_dir_all(folder)?;
        Ok(())
    }
}
