//! Reading past the page cache.

use std::{
    fs::{File, OpenOptions},
    io::Read as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// What any disk's blocks are aligned to.
const ALIGNMENT: usize = 4096;

/// A file that is read with O_DIRECT, and the block that it is read into.
pub struct DirectFile {
    file: File,
    memory: Vec<u8>,
    begins: usize,
    block_bytes: usize,
}

impl DirectFile {
    pub fn open(path: &Path, block_bytes: usize) -> Self {
        let file = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(path);
        let mut memory = vec![0; block_bytes + ALIGNMENT];
        // First touch is the kernel's work, and takes long on some hosts.
        memory.fill(1);
        let begins = memory.as_ptr().align_offset(ALIGNMENT);
        Self { file: file.expect("open the file past the page cache"), memory, begins, block_bytes }
    }

    /// The next block, or what is left of the file.
    pub fn read(&mut self) -> &[u8] {
        let block = &mut self.memory[self.begins..][..self.block_bytes];
        let got = self.file.read(block).expect("read the file");
        &block[..got]
    }
}
