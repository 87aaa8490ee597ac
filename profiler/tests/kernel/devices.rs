//! What devices did, beside the block layer's own statistics.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use analysis::{
    report::{self, Comparison},
    timeline::{DeviceId, Volume},
};
use capture::Operation::Write;
use tempfile::TempDir;

use crate::{
    files::{MIB, folder, write_blocks, write_direct},
    image::Image,
    recorded::{Recorded, record},
};

/// A write that the device has to flush its cache for, before and after it, completes twice.
#[test]
fn devices_that_flush_have_as_many_writes_as_their_statistics() {
    let image = Image::mount(&["mkfs.ext4", "-q"], 64 * MIB, "noatime");
    let path = image.folder().join("synced");
    let recorded = record(|| {
        let mut file = File::create(&path).unwrap();
        for _ in 0..50 {
            file.write_all(&[7; 4096]).unwrap();
            file.sync_all().unwrap();
        }
    });
    let device = device_of(&image.folder());
    let writes = compared(&recorded, &device, "writes completed");
    assert!(writes.theirs >= 100, "a block and a commit each: {writes:?}");
    assert!(writes.ours.abs_diff(writes.theirs) <= 4, "{writes:?}");
    assert!(compared(&recorded, &device, "written to the device").agrees);
}

/// It does bios at once.
#[test]
fn devices_without_requests_have_their_bytes() {
    const BYTES: u64 = 8 * MIB;
    let Some(zram) = Zram::mount(128 * MIB) else {
        // Not by a macro, whose output nobody sees of a test that passes.
        writeln!(io::stderr(), "SKIPPED, nothing was tested: this kernel has no zram").unwrap();
        return;
    };
    let device = device_of(&zram.folder());
    let recorded = record(|| {
        let buffered = zram.folder().join("buffered");
        write_blocks(&buffered, (0..BYTES / MIB).map(|i| i * MIB), 0);
        File::open(&buffered).unwrap().sync_all().unwrap();
        write_direct(&zram.folder().join("direct"), BYTES);
    });
    let written = recorded.timeline.devices.get(&device).and_then(|device| device.totals.get(&Write));
    let written_bytes = written.map_or(0, |totals| totals.bytes);
    let credited_bytes = recorded.own().credited_bytes(device, Write);
    assert!(
        credited_bytes >= 2 * BYTES && written_bytes >= credited_bytes,
        "{credited_bytes} of {written_bytes}"
    );
    let compared = compared(&recorded, &device, "written to the device");
    assert!(compared.agrees && compared.theirs >= 2 * BYTES, "{compared:?}");
}

/// A bio for a partition is one for its disk, and says which partition it is.
#[test]
fn direct_writes_are_those_of_the_partition_that_they_went_to() {
    let disk = PartedDisk::attach();
    let parts = [None, Some(1), Some(2)];
    let volumes =
        parts.map(|part| Volume { disk: disk.numbers(None), partition: part.map(|_| disk.numbers(part)) });
    let recorded = record(|| {
        for (mib, part) in (1..).zip(parts) {
            write_direct(&disk.node(part), mib * MIB);
        }
    });
    for (mib, volume) in (1..).zip(volumes) {
        assert_eq!(recorded.own().credits.get(&(volume, Write)), Some(&(mib * MIB)), "{volume:?}");
    }
    assert_eq!(recorded.own().credited_bytes(volumes[0].disk, Write), 6 * MIB);
}

/// A loop device with two partitions, which is gone when this is dropped.
struct PartedDisk {
    node: PathBuf,
    _folder: TempDir,
}

impl PartedDisk {
    fn attach() -> Self {
        const SECTORS_PER_MIB: u64 = 2048;
        let folder = folder();
        let file = folder.path().join("parted");
        File::create(&file).unwrap().set_len(24 * MIB).unwrap();
        let losetup = Command::new("losetup").args(["--find", "--show", "--partscan"]).arg(&file).output();
        let output = losetup.expect("run losetup");
        assert!(output.status.success(), "{output:?}");
        let disk = Self { node: String::from_utf8(output.stdout).unwrap().trim().into(), _folder: folder };
        // Not by a table, which this kernel may not know how to read.
        for part in 1..=2 {
            let numbers = [part, part * 8 * SECTORS_PER_MIB, 8 * SECTORS_PER_MIB].map(|n| n.to_string());
            let added = Command::new("addpart").arg(&disk.node).args(numbers).status();
            assert!(added.expect("run addpart").success());
        }
        disk
    }

    /// The disk's, or a partition's.
    fn node(&self, part: Option<u32>) -> PathBuf {
        part.map_or_else(|| self.node.clone(), |part| format!("{}p{part}", self.node.display()).into())
    }

    fn numbers(&self, part: Option<u32>) -> DeviceId {
        let device = fs::metadata(self.node(part)).unwrap().rdev();
        DeviceId { major: libc::major(device), minor: libc::minor(device) }
    }
}

impl Drop for PartedDisk {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.node).status();
    }
}

fn device_of(folder: &Path) -> DeviceId {
    let device = fs::metadata(folder).unwrap().dev();
    DeviceId { major: libc::major(device), minor: libc::minor(device) }
}

#[track_caller]
fn compared(recorded: &Recorded, device: &DeviceId, what: &str) -> Comparison {
    let sysfs = fs::canonicalize(format!("/sys/dev/block/{device}")).unwrap();
    let name = sysfs.file_name().unwrap().to_str().unwrap();
    let rows = report::build(&recorded.timeline).trust.cross_checks;
    let is_it = |row: &&Comparison| row.what == what && row.of == name;
    rows.iter().find(is_it).unwrap_or_else(|| panic!("no {what} of {name}: {rows:?}")).clone()
}

/// A file system in compressed memory; gone when it is dropped.
struct Zram {
    number: String,
    folder: TempDir,
}

impl Zram {
    /// None where the kernel has none.
    fn mount(bytes: u64) -> Option<Self> {
        // Where there are no modules, it is in the kernel or is not.
        let _ = Command::new("modprobe").arg("zram").status();
        let number = fs::read_to_string("/sys/class/zram-control/hot_add").ok()?.trim().to_owned();
        let zram = Self { number, folder: folder() };
        fs::write(format!("/sys/block/zram{}/disksize", zram.number), bytes.to_string()).unwrap();
        assert!(Command::new("mkfs.ext4").arg("-q").arg(zram.device()).status().unwrap().success());
        assert!(Command::new("mount").arg(zram.device()).arg(zram.folder.path()).status().unwrap().success());
        Some(zram)
    }

    fn device(&self) -> PathBuf {
        format!("/dev/zram{}", self.number).into()
    }

    fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

impl Drop for Zram {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.folder.path()).status();
        let _ = fs::write(format!("/sys/block/zram{}/reset", self.number), "1");
        let _ = fs::write("/sys/class/zram-control/hot_remove", &self.number);
    }
}
