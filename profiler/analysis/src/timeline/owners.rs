//! Whose the device bytes of a file are: of the processes that dirtied it, or brought it into the page cache, in
//! proportion.

use std::collections::{BTreeMap, BTreeSet};

use capture::{Inode, InodeIo, InodeUse, Operation, ProcessSerial, families::OWNERS};

use super::{DeviceId, Process, Timeline, Volume};

impl Timeline {
    /// Whether it was recorded who dirtied the page cache: without it, credits are of direct I/O and of reads only.
    pub fn knows_owners(&self) -> bool {
        self.families.get(OWNERS).is_some_and(capture::Family::is_whole)
    }

    /// Bytes of a process on all devices: submitted by itself, or its share of its files.
    pub fn credited_bytes(&self, process: &Process, operation: Operation) -> u64 {
        let own = self.topmost(&process.credits, operation);
        own + self.file_credited_bytes(process, operation)
    }

    /// The part of [`Timeline::credited_bytes`] that is a share of files.
    pub fn file_credited_bytes(&self, process: &Process, operation: Operation) -> u64 {
        self.topmost(&process.file_credits, operation)
    }

    /// A stacked device's bytes show on the devices below it again, and are added up on the topmost only.
    fn topmost(&self, credits: &BTreeMap<(Volume, Operation), u64>, operation: Operation) -> u64 {
        let is_topmost =
            |volume: &Volume| self.devices.get(&volume.disk).is_none_or(|device| !device.is_below(volume));
        let found = credits.iter().filter(|((volume, of), _)| *of == operation && is_topmost(volume));
        found.map(|(_, bytes)| bytes).sum()
    }
}

/// What was recorded of one file.
#[derive(Default)]
pub(super) struct InodeTotals {
    /// `None`: all that are no targets.
    uses: BTreeMap<Option<ProcessSerial>, Bytes>,
    device_bytes: BTreeMap<(Volume, Operation), u64>,
}

#[derive(Clone, Copy, Default)]
struct Bytes {
    cached: u64,
    dirtied: u64,
}

impl InodeTotals {
    pub fn add_use(&mut self, more: &InodeUse) {
        let bytes = self.uses.entry(more.process).or_default();
        bytes.cached += more.cached_bytes;
        bytes.dirtied += more.dirtied_bytes;
    }

    pub fn add_io(&mut self, more: &InodeIo) {
        let volume = Volume::of(more.major, more.minor, more.partition);
        *self.device_bytes.entry((volume, more.operation)).or_default() += more.bytes;
    }

    /// Gives each process its share of what each device moved of this file.
    pub fn credit(
        &self,
        inode: &Inode,
        passing: &BTreeSet<DeviceId>,
        processes: &mut BTreeMap<ProcessSerial, Process>,
    ) {
        let device = DeviceId { major: inode.major, minor: inode.minor };
        let passes_on = has_no_device(inode) || passing.contains(&device);
        for (&serial, bytes) in &self.uses {
            let Some(process) = serial.and_then(|serial| processes.get_mut(&serial)) else { continue };
            process.dirtied_bytes += bytes.dirtied;
            process.writes_through |= passes_on && bytes.cached > bytes.dirtied;
            for (&(device, operation), &moved) in &self.device_bytes {
                let all: u64 = self.uses.values().map(|bytes| bytes.of(operation)).sum();
                *process.file_credits.entry((device, operation)).or_default() +=
                    share(moved, bytes.of(operation), all);
            }
        }
    }
}

/// Whether its file system has no device: FUSE, NFS and SMB are such ones, and btrfs, which has several.
fn has_no_device(inode: &Inode) -> bool {
    inode.major == 0
}

impl Bytes {
    /// Those that a device's bytes are for.
    fn of(self, operation: Operation) -> u64 {
        match operation {
            Operation::Read => self.cached,
            Operation::Write => self.dirtied,
        }
    }
}

/// The part of `moved` that belongs to who did `own` of `all`. Never more than `own`: what a device moved beyond
/// `all` was dirtied before the recording, or before a target used the file, and by whom is not known.
fn share(moved: u64, own: u64, all: u64) -> u64 {
    let part = u128::from(moved.min(all)) * u128::from(own) / u128::from(all.max(1));
    u64::try_from(part).expect("not more than own")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(what: &str, moved: u64, own: u64, all: u64, expected: u64) {
        assert_eq!(share(moved, own, all), expected, "{what}");
    }

    #[test]
    fn device_bytes_are_shared_as_the_file_was_used() {
        check("alone, everything written", 4096, 4096, 4096, 4096);
        check("alone, half written so far", 2048, 4096, 4096, 2048);
        check("one of four parts", 4000, 1024, 4096, 1000);
        check("dirty from before the recording", 1 << 30, 4096, 4096, 4096);
        check("dirty from before, two users", 1 << 30, 4096, 8192, 4096);
        check("never used", 4096, 0, 4096, 0);
        check("nothing known", 4096, 0, 0, 0);
        check("no overflow", u64::MAX, u64::MAX / 2, u64::MAX, u64::MAX / 2);
    }
}
