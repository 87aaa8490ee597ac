//! Ways to move bytes of files that no task's accounting of calls (`rchar`, `wchar`) has (6.18). Of them is known that a
//! process went them, and not how much it moved.

use std::ops::BitOrAssign;

use serde::{Serialize, Serializer};
use syscalls::Sysno;

/// Which of them a process was seen on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ways(u8);

const NAMES: [&str; 3] = ["io_uring", "libaio", "splice"];
const IO_URING: Ways = Ways(1);
const LIBAIO: Ways = Ways(2);
const SPLICE: Ways = Ways(4);

impl Ways {
    /// The one that a system call is, in which a thread left its CPU.
    pub fn of_call(number: i32) -> Self {
        match usize::try_from(number).ok().and_then(Sysno::new) {
            Some(Sysno::io_uring_enter) => IO_URING,
            Some(Sysno::io_submit | Sysno::io_getevents | Sysno::io_pgetevents) => LIBAIO,
            Some(Sysno::splice | Sysno::vmsplice | Sysno::tee) => SPLICE,
            _ => Self::default(),
        }
    }

    /// The one that a thread works on: io_uring's workers and pollers are threads of their process.
    pub fn of_thread(comm: &str) -> Self {
        if comm.starts_with("iou-wrk-") || comm.starts_with("iou-sqp-") { IO_URING } else { Self::default() }
    }

    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    pub fn names(self) -> impl Iterator<Item = &'static str> {
        (0..).zip(NAMES).filter(move |(bit, _)| self.0 >> bit & 1 != 0).map(|(_, name)| name)
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
        // read, write, sendfile and copy_file_range are accounted for.
        check(&[0, 1, 40, 326, -1].map(Ways::of_call), "");
    }
}
