//! Bytes of files that processes moved past the tasks' own accounting of calls (`rchar`, `wchar`).

use crate::Plain;

/// A way that no task's accounting has (6.1 to 6.18). Numbers are for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum FileWay {
    IoUring = 0,
    Libaio = 1,
    Splice = 2,
}

impl FileWay {
    pub const ALL: [Self; 3] = [Self::IoUring, Self::Libaio, Self::Splice];
}

/// The key of `WAY_BYTES`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct WayKey {
    /// [`Process::serial`](super::target::Process::serial)
    pub process: u64,
    /// A [`FileWay`]
    pub way: u32,
    /// [`READ`](super::disk::READ) or [`WRITE`](super::disk::WRITE)
    pub operation: u32,
}

// SAFETY: plain integers without padding.
unsafe impl Plain for WayKey {}

/// `WAY_BYTES`: what calls returned. An entry without calls tells that the process was seen on the way.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct WayBytes {
    pub bytes: u64,
    pub calls: u64,
}

// SAFETY: plain integers without padding.
unsafe impl Plain for WayBytes {}

const _: () = assert!(size_of::<WayKey>() == 16);
