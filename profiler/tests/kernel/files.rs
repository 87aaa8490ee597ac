//! Files on a disk, and what the tests do with them.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::{
        fd::AsRawFd as _,
        unix::fs::{FileExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
};

use tempfile::TempDir;

pub const MIB: u64 = 1 << 20;

pub fn folder() -> TempDir {
    // On a disk: /tmp may be memory.
    tempfile::tempdir_in("/var/tmp").unwrap()
}

pub fn write_blocks(path: &Path, offsets: impl Iterator<Item = u64>, flags: i32) {
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).custom_flags(flags).open(path).unwrap();
    let block = vec![7; MIB as usize];
    for offset in offsets {
        file.write_all_at(&block, offset).unwrap();
    }
}

pub fn write_mapped(path: &Path, bytes: u64) {
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path).unwrap();
    file.set_len(bytes).unwrap();
    // SAFETY: nobody else changes the file.
    unsafe { memmap2::MmapMut::map_mut(&file) }.unwrap().fill(7);
}

/// Past the page cache.
pub fn write_direct(path: &Path, bytes: u64) {
    let mut options = OpenOptions::new();
    let file =
        options.write(true).create(true).truncate(false).custom_flags(libc::O_DIRECT).open(path).unwrap();
    let mut memory = memmap2::MmapMut::map_anon(MIB as usize).unwrap();
    // Memory that nobody has written is the page of zeros, which is not anonymous: see the limitations, before 6.5.
    memory.fill(7);
    for offset in (0..bytes).step_by(memory.len()) {
        file.write_all_at(&memory, offset).unwrap();
    }
}

/// Has a part of a file written to the device, and waits until it is there.
pub fn write_out(path: &Path, offset: u64, bytes: u64) {
    let file = File::open(path).unwrap();
    let flags = libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    // SAFETY: an open file.
    let result = unsafe { libc::sync_file_range(file.as_raw_fd(), offset as i64, bytes as i64, flags) };
    assert_eq!(result, 0);
}

pub fn read_cached(path: &Path, bytes: u64) {
    let mut file = File::open(path).unwrap().take(bytes);
    let mut block = vec![0; MIB as usize];
    while file.read(&mut block).unwrap() > 0 {}
}

pub fn read_direct(path: &Path, bytes: u64) {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(path).unwrap();
    let mut memory = memmap2::MmapMut::map_anon(MIB as usize).unwrap();
    for offset in (0..bytes).step_by(memory.len()) {
        assert_eq!(file.read_at(&mut memory, offset).unwrap(), memory.len());
    }
}

/// A file on a disk, of which nothing is in the page cache.
pub struct Cold {
    pub path: PathBuf,
    _folder: TempDir,
}

impl Cold {
    pub fn file(bytes: u64) -> Self {
        let folder = folder();
        let path = folder.path().join("cold");
        let mut file = File::create(&path).unwrap();
        file.write_all(&vec![7; bytes as usize]).unwrap();
        file.sync_all().unwrap();
        // SAFETY: an open file; the kernel drops what is clean.
        assert_eq!(unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) }, 0);
        Self { path, _folder: folder }
    }
}
