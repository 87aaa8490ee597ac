//! What a bio carries: a user's memory, or pages of a file's cache, and then of which file.
//!
//! The first page stands for the whole bio: file systems put pages of one file only into a bio (ext4, XFS, 6.18).

use abi::{fields::Field, owners::InodeKey};

use crate::kernel::{load, read};

/// The bit of `bio.bi_flags` that says "pages pinned for a user's direct I/O" (6.5), as a mask; 0 where the
/// kernel has no such flag. Set by the daemon.
#[unsafe(no_mangle)]
static PAGES_PINNED: u16 = 0;

/// Bit 0 of `page.mapping`: anonymous memory. Bit 1: pages that a driver moves.
const PAGE_MAPPING_ANON: u64 = 1;
const PAGE_MAPPING_FLAGS: u64 = 3;

/// Does it carry a user's memory? Pinned pages are a user's, shared memory among them; kernels without the flag
/// leave only the kind of the first page: anonymous.
#[inline(always)]
pub unsafe fn is_direct(bio: *const u8) -> bool {
    // SAFETY: the caller's bio is a struct bio; the helper checks the addresses behind it.
    unsafe {
        load::<u16>(bio, Field::BioFlags) & (&raw const PAGES_PINNED).read_volatile() != 0
            || mapping(bio).is_some_and(|mapping| mapping & PAGE_MAPPING_ANON != 0)
    }
}

/// The file whose cache it carries. Encryption and compression hand other pages to the device: those have none.
#[inline(always)]
pub unsafe fn file(bio: *const u8) -> Option<InodeKey> {
    // SAFETY: the caller's bio is a struct bio; the helper checks the addresses behind it.
    unsafe {
        let mapping = mapping(bio).filter(|mapping| *mapping != 0 && mapping & PAGE_MAPPING_FLAGS == 0)?;
        let inode = read::<u64>(mapping as *const u8, Field::MappingHost)? as *const u8;
        if !is_regular(read(inode, Field::InodeMode)?) {
            return None;
        }
        let superblock = read::<u64>(inode, Field::InodeSuperblock)? as *const u8;
        Some(InodeKey {
            number: read(inode, Field::InodeNumber)?,
            superblock: read(superblock, Field::SuperblockDevice)?,
            generation: read(inode, Field::InodeGeneration)?,
        })
    }
}

/// By `i_mode`. The inode of a block device holds a file system's metadata, which belongs to nobody.
#[inline(always)]
pub fn is_regular(mode: u16) -> bool {
    const S_IFMT: u16 = 0o170_000;
    const S_IFREG: u16 = 0o100_000;
    mode & S_IFMT == S_IFREG
}

/// `page.mapping` of the first page.
#[inline(always)]
unsafe fn mapping(bio: *const u8) -> Option<u64> {
    // bio_vec: page pointer, length, offset.
    const BIO_VEC_BYTES: usize = 16;
    // SAFETY: the caller's bio is a struct bio; the helper checks the addresses behind it.
    unsafe {
        let vectors: *const u8 = load(bio, Field::BioVec);
        let index = load::<u32>(bio, Field::BioIndex) as usize;
        let page = read::<u64>(vectors.add(index * BIO_VEC_BYTES), Field::BioVecPage)? as *const u8;
        // A tail page names its head in `compound_head`, with bit 0 set.
        let head = match read::<u64>(page, Field::PageCompoundHead) {
            Some(link) if link & 1 != 0 => (link - 1) as *const u8,
            _ => page,
        };
        read(head, Field::PageMapping)
    }
}
