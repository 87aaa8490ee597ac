//! What a load has received so far, where it can be read at any time: a word of shared memory.

use std::{
    fs::{File, OpenOptions},
    io,
    os::fd::{AsRawFd as _, FromRawFd as _},
    path::{Path, PathBuf},
    ptr::{self, NonNull},
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context as _, Result};

const BYTES: usize = size_of::<AtomicU64>();

pub struct Counter {
    word: NonNull<AtomicU64>,
    file: File,
}

impl Counter {
    pub fn make() -> Result<Self> {
        // SAFETY: a name that ends with a zero; the descriptor is nobody's yet.
        let file = unsafe {
            let fd = libc::memfd_create(c"received-bytes".as_ptr(), libc::MFD_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error()).context("make shared memory");
            }
            File::from_raw_fd(fd)
        };
        file.set_len(BYTES as u64).context("size the shared memory")?;
        Self::of(file)
    }

    /// Those that another process has made.
    pub fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        Self::of(file.with_context(|| format!("open {}", path.display()))?)
    }

    /// Where other processes find them.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()))
    }

    pub fn add(&self, bytes: u64) {
        self.word().fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn bytes(&self) -> u64 {
        self.word().load(Ordering::Relaxed)
    }

    fn of(file: File) -> Result<Self> {
        let (rights, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: a new mapping of a file that is as long.
        let word = unsafe { libc::mmap(ptr::null_mut(), BYTES, rights, flags, file.as_raw_fd(), 0) };
        if word == libc::MAP_FAILED {
            return Err(io::Error::last_os_error()).context("map the shared memory");
        }
        Ok(Self { word: NonNull::new(word.cast()).context("a mapping at 0")?, file })
    }

    fn word(&self) -> &AtomicU64 {
        // SAFETY: the mapping lives as long as this, and begins with a page.
        unsafe { self.word.as_ref() }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        // SAFETY: the mapping that was made.
        unsafe { libc::munmap(self.word.as_ptr().cast(), BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_counts_in_the_same_word() {
        let ours = Counter::make().expect("memory");
        let theirs = Counter::open(&ours.path()).expect("the same");
        theirs.add(5);
        theirs.add(2);
        assert_eq!(ours.bytes(), 7);
    }
}
