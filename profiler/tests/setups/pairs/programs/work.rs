//! What a node does with a block: a peer before it sends it, a receiver after it got it.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    log::{Log, State},
    programs::compute,
};

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Nothing,
    Sleep(Duration),
    /// For so much CPU time.
    Compute(Duration),
    /// Writes it with O_DSYNC.
    Sync,
}

/// A work with what it needs.
pub struct Tool {
    work: Work,
    file: Option<File>,
    block: Vec<u8>,
}

/// Of the file, whose blocks are written again and again: new ones would wait for the journal too.
const FILE_BLOCKS: u32 = 64;

impl Tool {
    /// `file` is made if the work needs one.
    pub fn new(work: Work, block_bytes: usize, file: &Path) -> Self {
        let block = vec![3; block_bytes];
        let file = (work == Work::Sync).then(|| filled(file, &block));
        Self { work, file, block }
    }

    pub fn act(&self, block: u32, log: &mut Log) {
        match self.work {
            Work::Nothing => {}
            Work::Sleep(time) => {
                thread::sleep(time);
                log.did_with(State::Sleep, block, 0);
            }
            Work::Compute(time) => {
                compute(time);
                log.did_with(State::Compute, block, 0);
            }
            Work::Sync => {
                let at = u64::from(block % FILE_BLOCKS) * self.block.len() as u64;
                let file = self.file.as_ref().expect("a file was made");
                file.write_all_at(&self.block, at).expect("write the file");
                log.did_with(State::Write, block, self.block.len());
            }
        }
    }
}

/// A new file of blocks that are on the disk, for synchronous writes.
fn filled(path: &Path, block: &[u8]) -> File {
    let file = File::create_new(path).expect("create a file");
    for number in 0..FILE_BLOCKS {
        file.write_all_at(block, u64::from(number) * block.len() as u64).expect("fill the file");
    }
    file.sync_all().expect("sync the file");
    let file = OpenOptions::new().write(true).custom_flags(libc::O_DSYNC).open(path);
    file.expect("open the file for synchronous writes")
}
