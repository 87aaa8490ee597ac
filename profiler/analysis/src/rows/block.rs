//! Packed rows, in memory or in a file.

use std::{
    cell::RefCell,
    fs::File,
    os::unix::fs::FileExt as _,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use super::{
    Row,
    codec::{Packer, Unpacker},
    unreadable,
};

/// How much all blocks of the process take in memory; what goes beyond it is in a file without a name, in the folder for
/// temporary files.
const MEMORY_BYTES: usize = 64 << 20;

thread_local! {
    /// What is packed at the moment, so that a block is made as large as it has to be.
    static PACKED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Some rows of a list, without the first.
pub enum Block {
    Memory(Box<[u8]>),
    File { offset: u64, bytes: usize },
}

impl Block {
    pub fn pack<T: Row>(rows: &[T]) -> Self {
        Self::pack_within(rows, MEMORY_BYTES)
    }

    /// In the file, where all blocks take more memory than this.
    pub fn pack_within<T: Row>(rows: &[T], memory_bytes: usize) -> Self {
        PACKED.with_borrow_mut(|packed| {
            packed.clear();
            let mut packer = Packer { packed };
            for pair in rows.windows(2) {
                let (before, mut row) = (&pair[0], pair[1]);
                row.code(before, &mut packer);
            }
            Self::put(packed, memory_bytes)
        })
    }

    /// All rows, of which the first one is known.
    pub fn unpack<T: Row>(&self, first: T, rows: usize) -> Vec<T> {
        match self {
            Self::Memory(packed) => unpack(packed, first, rows),
            Self::File { offset, bytes } => {
                let mut packed = vec![0; *bytes];
                let file = file().expect("it was written to");
                match file.read_exact_at(&mut packed, *offset) {
                    Ok(()) => unpack(&packed, first, rows),
                    Err(error) => unreadable::give_up(error),
                }
            }
        }
    }

    fn put(packed: &[u8], memory_bytes: usize) -> Self {
        if IN_MEMORY.fetch_add(packed.len(), Ordering::Relaxed) + packed.len() > memory_bytes
            && let Some(block) = write(packed)
        {
            IN_MEMORY.fetch_sub(packed.len(), Ordering::Relaxed);
            return block;
        }
        Self::Memory(packed.into())
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Self::Memory(packed) = self {
            IN_MEMORY.fetch_sub(packed.len(), Ordering::Relaxed);
        }
    }
}

static IN_MEMORY: AtomicUsize = AtomicUsize::new(0);

fn unpack<T: Row>(packed: &[u8], first: T, rows: usize) -> Vec<T> {
    let mut unpacker = Unpacker { packed };
    // Rows are large: each is changed where it stands.
    let mut unpacked = vec![first; rows];
    for place in 1..rows {
        let (before, row) = unpacked.split_at_mut(place);
        row[0].code(&before[place - 1], &mut unpacker);
    }
    unpacked
}

/// None where there is no room: memory it is, then.
fn write(packed: &[u8]) -> Option<Block> {
    static END: AtomicU64 = AtomicU64::new(0);
    static IS_FULL: AtomicBool = AtomicBool::new(false);
    if IS_FULL.load(Ordering::Relaxed) {
        return None;
    }
    let offset = END.fetch_add(packed.len() as u64, Ordering::Relaxed);
    match file()?.write_all_at(packed, offset) {
        Ok(()) => Some(Block::File { offset, bytes: packed.len() }),
        Err(_) => {
            IS_FULL.store(true, Ordering::Relaxed);
            None
        }
    }
}

fn file() -> Option<&'static File> {
    static FILE: OnceLock<Option<File>> = OnceLock::new();
    let large = || match std::env::var_os("TMPDIR") {
        Some(_) => tempfile::tempfile(),
        // `/tmp` may be in memory.
        None => tempfile::tempfile_in("/var/tmp").or_else(|_| tempfile::tempfile()),
    };
    FILE.get_or_init(|| large().ok()).as_ref()
}
