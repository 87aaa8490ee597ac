//! Files: who brought their pages into the page cache and who dirtied them, and what devices moved of them.

use crate::Plain;

use super::disk::DeviceKey;

/// A file, as long as it exists: the number of a deleted one is given to the next.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct InodeKey {
    pub number: u64,
    /// `super_block.s_dev`, in the kernel's own form: 12 bits of major, 20 of minor.
    pub superblock: u32,
    /// `inode.i_generation`
    pub generation: u32,
}

impl InodeKey {
    /// All pages together that belong to no regular file: a file system's own (directories, inode tables), and those of
    /// block devices. No file has the number 0.
    pub const NO_FILE: Self = Self { number: 0, superblock: 0, generation: 0 };
}

/// The key of `INODE_USES`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct InodeUseKey {
    pub inode: InodeKey,
    /// [`Process::serial`](super::target::Process::serial), or [`OTHERS`].
    pub process: u64,
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for InodeUseKey {}

/// All processes that are no targets. A file has an entry for them as soon as a target uses it, and it is this
/// entry that tells that a file is known.
pub const OTHERS: u64 = 0;

/// `INODE_USES`: whole folios, each counted when it enters the state.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct InodeUse {
    /// Brought into the page cache, to be read or to be written over.
    pub cached_bytes: u64,
    /// Dirtied; again after each writeback.
    pub dirtied_bytes: u64,
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for InodeUse {}

const _: () = assert!(size_of::<InodeUseKey>() == 24);

/// The key of `INODE_IO`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct InodeIoKey {
    pub inode: InodeKey,
    pub device: DeviceKey,
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for InodeIoKey {}

/// `INODE_IO`: bios of a known file's page cache. Of reads only those that a kernel thread submitted: any other
/// belongs to the process that submits it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct InodeIo {
    pub bytes: u64,
    pub bios: u64,
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for InodeIo {}

const _: () = assert!(size_of::<InodeIoKey>() == 32);
