//! Ways to move bytes of files that no task's accounting of calls (`rchar`, `wchar`) has (6.1 to 6.18): how much a process moved
//! by each, or that it went there.

use std::ops::{AddAssign, BitOrAssign};

use capture::FileWay;
use serde::{Serialize, Serializer};
use syscalls::Sysno;

/// Some of these ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ways(u8);

/// Bytes by each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WayBytes {
    pub io_uring: u64,
    pub libaio: u64,
    pub splice: u64,
}

impl Ways {
    /// The one that a system call is, in which a thread left its CPU. vmsplice and tee move nothing of files.
    pub fn of_call(number: i32) -> Self {
        match usize::try_from(number).ok().and_then(Sysno::new) {
            Some(Sysno::io_uring_enter) => FileWay::IoUring.into(),
            Some(Sysno::io_submit | Sysno::io_getevents | Sysno::io_pgetevents) => FileWay::Libaio.into(),
            Some(Sysno::splice) => FileWay::Splice.into(),
            _ => Self::default(),
        }
    }

    /// The one that a thread works on: io_uring's workers and pollers are threads of their process.
    pub fn of_thread(comm: &str) -> Self {
        if comm.starts_with("iou-wrk-") || comm.starts_with("iou-sqp-") {
            FileWay::IoUring.into()
        } else {
            Self::default()
        }
    }

    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Those that are asked for.
    pub fn filter(self, is_wanted: impl Fn(FileWay) -> bool) -> Self {
        let mut wanted = Self::default();
        self.iter().filter(|way| is_wanted(*way)).for_each(|way| wanted |= way.into());
        wanted
    }

    pub fn iter(self) -> impl Iterator<Item = FileWay> {
        FileWay::ALL.into_iter().filter(move |way| self.0 & Self::from(*way).0 != 0)
    }

    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.iter().map(FileWay::name)
    }
}

impl From<FileWay> for Ways {
    fn from(way: FileWay) -> Self {
        Self(match way {
            FileWay::IoUring => 1,
            FileWay::Libaio => 2,
            FileWay::Splice => 4,
        })
    }
}

impl BitOrAssign for Ways {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl Serialize for Ways {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

impl WayBytes {
    pub fn sum(&self) -> u64 {
        self.io_uring + self.libaio + self.splice
    }

    pub fn is_zero(&self) -> bool {
        self.sum() == 0
    }

    pub fn of(&self, way: FileWay) -> u64 {
        match way {
            FileWay::IoUring => self.io_uring,
            FileWay::Libaio => self.libaio,
            FileWay::Splice => self.splice,
        }
    }

    pub(super) fn set(&mut self, way: FileWay, bytes: u64) {
        match way {
            FileWay::IoUring => self.io_uring = bytes,
            FileWay::Libaio => self.libaio = bytes,
            FileWay::Splice => self.splice = bytes,
        }
    }
}

impl AddAssign for WayBytes {
    fn add_assign(&mut self, other: Self) {
        self.io_uring += other.io_uring;
        self.libaio += other.libaio;
        self.splice += other.splice;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ways: &[Ways], expected: &str) {
        let mut all = Ways::default();
        ways.iter().for_each(|way| all |= *way);
        assert_eq!(all.names().collect::<Vec<_>>().join(" "), expected);
        assert_eq!(all.is_empty(), expected.is_empty());
    }

    #[test]
    fn ways_are_told_by_calls_and_by_threads() {
        check(&[Ways::of_call(426), Ways::of_thread("main")], "io_uring");
        check(&[Ways::of_call(208), Ways::of_call(209), Ways::of_thread("iou-sqp-4711")], "io_uring libaio");
        check(&[Ways::of_call(275)], "splice");
        // read, write, sendfile and copy_file_range are accounted for, and what vmsplice and tee move is in no file.
        check(&[0, 1, 40, 326, 276, 278, -1].map(Ways::of_call), "");
    }
}
