//! Programs that only use the disk.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    path::PathBuf,
    time::{Duration, Instant},
};

use memmap2::Mmap;
use serde::{Deserialize, Serialize};

use super::{Prepared, direct::DirectFile};
use crate::log::{Log, State};

/// Reads a file from its beginning to its end.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Reader {
    pub path: PathBuf,
    pub by: By,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug)]
pub enum By {
    Direct,
    PageCache,
    Mmap,
}

/// Appends blocks to a file, each followed by an fsync.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Syncer {
    pub path: PathBuf,
    pub block_bytes: usize,
    pub time: Duration,
}

const BLOCK_BYTES: usize = 256 << 10;
const PAGE_BYTES: usize = 4096;

impl Reader {
    pub(super) fn prepare(self) -> Prepared {
        match self.by {
            By::Direct => {
                let mut file = DirectFile::open(&self.path, BLOCK_BYTES);
                Prepared::new(None, move |log| read_with(log, || file.read().len()))
            }
            By::PageCache => {
                let mut file = File::open(&self.path).expect("open the file");
                let mut block = vec![1; BLOCK_BYTES];
                Prepared::new(None, move |log| {
                    read_with(log, || file.read(&mut block).expect("read the file"))
                })
            }
            By::Mmap => {
                let file = File::open(&self.path).expect("open the file");
                // SAFETY: nobody else changes the test's own file.
                let map = unsafe { Mmap::map(&file) }.expect("map the file");
                Prepared::new(None, move |log| {
                    let mut blocks = map.chunks(BLOCK_BYTES);
                    read_with(log, || blocks.next().map_or(0, touch));
                })
            }
        }
    }
}

impl Syncer {
    pub(super) fn prepare(self) -> Prepared {
        let mut file =
            OpenOptions::new().create_new(true).append(true).open(&self.path).expect("create the file");
        let block = vec![1; self.block_bytes];
        Prepared::new(None, move |log| {
            let began = Instant::now();
            while began.elapsed() < self.time {
                file.write_all(&block).expect("write the file");
                log.did(State::Write, block.len());
                file.sync_all().expect("sync the file");
                log.did(State::Fsync, 0);
            }
        })
    }
}

fn read_with(log: &mut Log, mut read: impl FnMut() -> usize) {
    loop {
        let got = read();
        log.did(State::Read, got);
        if got == 0 {
            return;
        }
    }
}

/// A byte of every page, which brings them all into memory.
fn touch(block: &[u8]) -> usize {
    let sum = block.iter().step_by(PAGE_BYTES).fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    std::hint::black_box(sum);
    block.len()
}
