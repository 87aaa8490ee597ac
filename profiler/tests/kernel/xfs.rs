//! Who is credited on another file system than that of the tests' folder.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    process::Command,
};

use analysis::timeline::DeviceId;
use capture::Operation::Write;

use crate::{
    actor::Actor,
    files::{MIB, write_blocks, write_direct, write_mapped},
    image::Image,
    owners::check,
    recorded::record_others,
};

const BUFFERED_BYTES: u64 = 24 * MIB;
const MAPPED_BYTES: u64 = 32 * MIB;
const DIRECT_BYTES: u64 = 16 * MIB;

#[test]
fn on_xfs_each_writer_is_credited_with_its_own_bytes() {
    if !kernel_has_xfs() {
        // Not by a macro, whose output nobody sees of a test that passes.
        writeln!(io::stderr(), "SKIPPED, nothing was tested: xfs is not in /proc/filesystems").unwrap();
        return;
    }
    // The smallest that mkfs.xfs makes has 300 MiB.
    let image = Image::mount(&["mkfs.xfs", "-q"], 512 * MIB, "noatime");
    let [buffered, mapped, direct] = ["buffered", "mapped", "direct"].map(|name| image.folder().join(name));
    let writers = [
        Actor::new(|| {
            write_blocks(&buffered, (0..BUFFERED_BYTES / MIB).map(|i| i * MIB), 0);
            File::open(&buffered).unwrap().sync_all().unwrap();
        }),
        Actor::new(|| write_mapped(&mapped, MAPPED_BYTES)),
        Actor::new(|| write_direct(&direct, DIRECT_BYTES)),
    ];
    let pids = writers.each_ref().map(|writer| writer.pid);
    let recorded = record_others(|recording| {
        for pid in pids {
            recording.register(pid).unwrap();
        }
        writers.into_iter().for_each(Actor::act);
        // A stranger's.
        File::open(&mapped).unwrap().sync_all().unwrap();
    });

    // Only of the loop device: its own writes to its file show on the disk below again.
    let device = fs::metadata(image.folder()).unwrap().dev();
    let device = DeviceId { major: libc::major(device), minor: libc::minor(device) };
    let credits = pids.map(|pid| recorded.with_pid(pid).credited_bytes(device, Write));
    check("written and synced", credits[0], BUFFERED_BYTES);
    check("through the mapping", credits[1], MAPPED_BYTES);
    check("past the page cache", credits[2], DIRECT_BYTES);
    // With what belongs to nobody: the log and the inodes.
    let written = recorded.timeline.devices[&device].totals[&Write].bytes;
    let credited: u64 = credits.iter().sum();
    assert!(credited * 100 >= written * 99, "{credited} of {written} bytes have an owner");
}

fn kernel_has_xfs() -> bool {
    // Where there are no modules, it is in the kernel or is not.
    let _ = Command::new("modprobe").arg("xfs").status();
    let file_systems = fs::read_to_string("/proc/filesystems").unwrap();
    file_systems.lines().any(|line| line.split_whitespace().last() == Some("xfs"))
}
