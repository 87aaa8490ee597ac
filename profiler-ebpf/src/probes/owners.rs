//! Whose the pages of a file are: who brings them into the page cache, who dirties them, and what devices move of
//! them in whatever context.
//!
//! A file is known from the first time that a target uses it; of files that no target uses nothing is kept.
//! What a process is credited with follows from these counts, outside of the kernel.

use abi::{
    disk::{DeviceKey, READ, WRITE},
    fields::Field,
    loss::Loss,
    owners::{InodeIo, InodeIoKey, InodeKey, InodeUse, InodeUseKey, OTHERS},
};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

use crate::{
    atomic,
    emit::lose,
    kernel::load,
    maps::{INODE_IO, INODE_USES, NO_EXIST},
    probes::{bio, file_ways, requests},
    target,
};

/// Bit of `folio.flags` that says "more than one page". Set by the daemon.
#[unsafe(no_mangle)]
static FOLIO_LARGE_BIT: u32 = 0;

const PAGE_BYTES: u64 = 4096;

/// `writeback_dirty_folio(struct folio *folio, struct address_space *mapping)`: when a clean folio becomes dirty, in
/// the context of who dirties it, by a call or by a fault on a mapping.
#[btf_tracepoint(function = "writeback_dirty_folio")]
pub fn folio_dirty(ctx: BtfTracePointContext) -> i32 {
    let folio: *const u8 = ctx.arg(0);
    // SAFETY: argument 0 is a folio; map values are live.
    unsafe {
        let current = target::current();
        let user = match current {
            Some(process) => (*process).serial,
            // Writeback dirties again what it cannot write now (6.18): that is nobody's new write.
            None if target::is_kernel_thread() => return 0,
            None => OTHERS,
        };
        let Some(inode) = inode_of(folio) else { return 0 };
        requests::uses(inode, WRITE, current);
        if let Some(used) = use_of(inode, user) {
            atomic::add(&raw mut (*used).dirtied_bytes, folio_bytes(folio));
        }
    }
    0
}

/// `mm_filemap_add_to_page_cache(struct folio *folio)`: in the context of who will read it, read-ahead and faults
/// among them, or of who will write over it.
#[btf_tracepoint(function = "mm_filemap_add_to_page_cache")]
pub fn folio_add(ctx: BtfTracePointContext) -> i32 {
    let folio: *const u8 = ctx.arg(0);
    // SAFETY: argument 0 is a folio; map values are live.
    unsafe {
        let current = target::current();
        if let Some(process) = current {
            file_ways::note_call(process);
        }
        let user = current.map_or(OTHERS, |process| (*process).serial);
        if let Some(inode) = inode_of(folio)
            && inode != InodeKey::NO_FILE
            && let Some(used) = use_of(inode, user)
        {
            if current.is_some() {
                requests::uses(inode, READ, current);
            }
            atomic::add(&raw mut (*used).cached_bytes, folio_bytes(folio));
        }
    }
    0
}

/// Counts a bio of a file's page cache, if the file is known.
#[inline(always)]
pub unsafe fn moved(inode: InodeKey, device: DeviceKey, bytes: u64) {
    if INODE_USES.get_ptr(InodeUseKey { inode, process: OTHERS }).is_none() {
        return;
    }
    let key = InodeIoKey { inode, device };
    if INODE_IO.get_ptr_mut(key).is_none() {
        let _ = INODE_IO.insert(key, InodeIo::default(), NO_EXIST);
    }
    match INODE_IO.get_ptr_mut(key) {
        // SAFETY: a live map value.
        Some(io) => unsafe {
            atomic::add(&raw mut (*io).bytes, bytes);
            atomic::add(&raw mut (*io).bios, 1);
        },
        None => lose(Loss::InodeTableFull),
    }
}

/// The file of a folio.
#[inline(always)]
unsafe fn inode_of(folio: *const u8) -> Option<InodeKey> {
    // SAFETY: the caller's folio is one, and the pointers are loaded from it.
    unsafe {
        let mapping: *const u8 = load(folio, Field::FolioMapping);
        let inode: *const u8 = load(mapping, Field::MappingHost);
        let superblock: *const u8 = load(inode, Field::InodeSuperblock);
        match load(inode, Field::InodeMode) {
            // The swap cache has no inode.
            0 => None,
            mode if bio::is_regular(mode) => Some(InodeKey {
                number: load(inode, Field::InodeNumber),
                superblock: load(superblock, Field::SuperblockDevice),
                generation: load(inode, Field::InodeGeneration),
            }),
            _ => Some(InodeKey::NO_FILE),
        }
    }
}

/// The count of one user of a file; only a target makes a file known.
#[inline(always)]
fn use_of(inode: InodeKey, user: u64) -> Option<*mut InodeUse> {
    let key = InodeUseKey { inode, process: user };
    let found = INODE_USES.get_ptr_mut(key);
    if found.is_some() || user == OTHERS {
        return found;
    }
    if inode != InodeKey::NO_FILE {
        let _ = INODE_USES.insert(InodeUseKey { inode, process: OTHERS }, InodeUse::default(), NO_EXIST);
    }
    let _ = INODE_USES.insert(key, InodeUse::default(), NO_EXIST);
    let made = INODE_USES.get_ptr_mut(key);
    if made.is_none() {
        lose(Loss::InodeTableFull);
    }
    made
}

#[inline(always)]
unsafe fn folio_bytes(folio: *const u8) -> u64 {
    // SAFETY: the caller's folio is one; the number of pages is there in large ones only.
    unsafe {
        let large = 1 << (&raw const FOLIO_LARGE_BIT).read_volatile();
        if load::<u64>(folio, Field::FolioFlags) & large == 0 {
            return PAGE_BYTES;
        }
        PAGE_BYTES * u64::from(load::<u32>(folio, Field::FolioPages))
    }
}
