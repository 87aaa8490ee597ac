//! How much of a node's payload is in the page cache, and how it gets out of it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use memmap2::Mmap;
use rustix::fs::{Advice, fadvise};

/// Of all files together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cached {
    pub file_bytes: u64,
    pub cached_bytes: u64,
}

/// Has the kernel drop the pages of every file below a folder. Pages that a process has mapped and used stay: see [`cached`].
pub fn drop_pages(folder: &Path) -> Result<()> {
    for path in files(folder)? {
        let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
        // Only clean pages are dropped.
        file.sync_all().with_context(|| format!("sync {}", path.display()))?;
        fadvise(&file, 0, None, Advice::DontNeed)
            .with_context(|| format!("drop {} from the page cache", path.display()))?;
    }
    Ok(())
}

/// How much of the files below a folder is in the page cache, by `mincore`, which touches nothing.
pub fn cached(folder: &Path) -> Result<Cached> {
    let mut sum = Cached::default();
    for path in files(folder)? {
        let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
        let file_bytes = file.metadata().with_context(|| format!("look at {}", path.display()))?.len();
        if file_bytes > 0 {
            sum.cached_bytes += cached_bytes(&file, file_bytes)
                .with_context(|| format!("ask what of {} is cached", path.display()))?;
        }
        sum.file_bytes += file_bytes;
    }
    Ok(sum)
}

fn cached_bytes(file: &File, file_bytes: u64) -> Result<u64> {
    // SAFETY: nothing is read through the mapping.
    let map = unsafe { Mmap::map(file) }?;
    let page_bytes = procfs::page_size() as usize;
    let mut pages = vec![0_u8; map.len().div_ceil(page_bytes)];
    // SAFETY: one byte for each page of the mapping.
    let done = unsafe { libc::mincore(map.as_ptr().cast_mut().cast(), map.len(), pages.as_mut_ptr()) };
    ensure!(done == 0, std::io::Error::last_os_error());
    let cached = pages.iter().filter(|page| **page & 1 != 0).count() as u64;
    // The last page may be less.
    Ok((cached * page_bytes as u64).min(file_bytes))
}

/// Every regular file below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("list {}", folder.display()))?;
            match entry.file_type().with_context(|| format!("look at {}", entry.path().display()))? {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_cached_until_it_is_dropped() -> Result<()> {
        // On a disk: pages in memory are never dropped.
        let folder = tempfile::tempdir_in("/var/tmp")?;
        let below = folder.path().join("below");
        fs::create_dir(&below)?;
        const LARGE: usize = (1 << 20) + 100;
        fs::write(folder.path().join("large"), vec![7; LARGE])?;
        fs::write(below.join("small"), vec![7; 100])?;
        fs::write(below.join("empty"), [])?;
        let all = LARGE as u64 + 100;
        assert_eq!(cached(folder.path())?, Cached { file_bytes: all, cached_bytes: all });
        drop_pages(folder.path())?;
        assert_eq!(cached(folder.path())?, Cached { file_bytes: all, cached_bytes: 0 });
        fs::read(below.join("small"))?;
        assert_eq!(cached(folder.path())?.cached_bytes, 100);
        Ok(())
    }
}
