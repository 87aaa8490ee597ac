//! A disk one of whose partitions lies below another device. Under the virtual kernels only: they have a spare disk and device
//! mapper, see `xtask/src/guest/`.

use std::{
    ffi::c_int,
    fs::{self, File, OpenOptions},
    io,
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use analysis::timeline::DeviceId;
use capture::{Held, Operation::Write};

use crate::{
    files::{MIB, write_direct},
    modules,
    recorded::record,
};

const SECTORS_PER_MIB: u64 = 2048;

#[test]
#[ignore = "needs a spare disk and device mapper: runs under the virtual kernels"]
fn what_goes_beside_a_partition_below_another_device_counts_and_what_goes_through_counts_once() {
    let disk = fs::canonicalize("/dev/tests-spare").expect("a spare disk");
    let plain = add_partition(&disk, 1, 8 * MIB, 16 * MIB);
    let below = add_partition(&disk, 2, 32 * MIB, 16 * MIB);
    modules::load(&["dax", "dm-mod"]);
    let above = Linear::over(&below, 16 * MIB);
    let recorded = record(|| {
        write_direct(&plain, 3 * MIB);
        write_direct(&above.node, 5 * MIB);
    });
    let (disk, below) = (numbers(&disk), numbers(&below));
    let held =
        Held { disk_major: disk.major, disk_minor: disk.minor, major: below.major, minor: below.minor };
    assert_eq!(recorded.timeline.environment.held, [held]);
    let own = recorded.own();
    // What was written through is on both.
    let on = |node: &Path| own.credited_bytes(numbers(node), Write);
    assert_eq!((own.credited_bytes(disk, Write), on(&above.node)), (8 * MIB, 5 * MIB));
    assert_eq!(recorded.timeline.credited_bytes(own, Write), 8 * MIB);
}

fn numbers(node: &Path) -> DeviceId {
    let device = fs::metadata(node).unwrap().rdev();
    DeviceId { major: libc::major(device), minor: libc::minor(device) }
}

/// Makes a partition of this place on a disk; gives its node.
fn add_partition(disk: &Path, number: c_int, begin: u64, bytes: u64) -> PathBuf {
    /// `struct blkpg_partition`
    #[repr(C)]
    struct Place {
        begin: i64,
        bytes: i64,
        number: c_int,
        names: [[u8; 64]; 2],
    }
    /// `struct blkpg_ioctl_arg`
    #[repr(C)]
    struct Request {
        operation: c_int,
        flags: c_int,
        bytes: c_int,
        data: *const Place,
    }
    const BLKPG: libc::c_ulong = 0x1269;
    const BLKPG_ADD_PARTITION: c_int = 1;
    let place = Place { begin: begin as i64, bytes: bytes as i64, number, names: [[0; 64]; 2] };
    let request = Request {
        operation: BLKPG_ADD_PARTITION,
        flags: 0,
        bytes: size_of::<Place>() as c_int,
        data: &raw const place,
    };
    let file = OpenOptions::new().read(true).write(true).open(disk).expect("a spare disk");
    // SAFETY: the structures that this request takes.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), BLKPG, &raw const request) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
    there(format!("{}p{number}", disk.display()).into())
}

/// A node that the kernel makes beside the call.
fn there(node: PathBuf) -> PathBuf {
    let began = Instant::now();
    while !node.exists() {
        assert!(began.elapsed() < Duration::from_secs(5), "no {}", node.display());
        thread::sleep(Duration::from_millis(10));
    }
    node
}

/// A device that is all of another one, until it is dropped.
struct Linear {
    control: File,
    node: PathBuf,
}

/// `struct dm_ioctl`
#[repr(C)]
#[derive(Clone, Copy)]
struct Call {
    version: [u32; 3],
    bytes: u32,
    data_begins: u32,
    targets: u32,
    opens: i32,
    flags: u32,
    event: u32,
    _pad: u32,
    device: u64,
    name: [u8; 128],
    uuid: [u8; 129],
    data: [u8; 7],
}

/// With a table of one line: `struct dm_target_spec`, and its words.
#[repr(C)]
struct Table {
    call: Call,
    begin: u64,
    sectors: u64,
    status: i32,
    next: u32,
    kind: [u8; 16],
    words: [u8; 64],
}

impl Linear {
    /// `DM_DEV_CREATE`, `DM_DEV_REMOVE`, `DM_DEV_SUSPEND` (which resumes, too), `DM_TABLE_LOAD`
    const CREATE: libc::c_ulong = 0xc138_fd03;
    const REMOVE: libc::c_ulong = 0xc138_fd04;
    const RESUME: libc::c_ulong = 0xc138_fd06;
    const LOAD: libc::c_ulong = 0xc138_fd09;

    fn over(below: &Path, bytes: u64) -> Self {
        let control = there("/dev/mapper/control".into());
        let control = OpenOptions::new().read(true).write(true).open(control).unwrap();
        let mut table = Table {
            call: call(),
            begin: 0,
            sectors: bytes / MIB * SECTORS_PER_MIB,
            status: 0,
            next: 0,
            kind: text("linear"),
            words: text(&format!("{} 0", numbers(below))),
        };
        table.call.targets = 1;
        let created = ask(&control, Self::CREATE, &mut table);
        ask(&control, Self::LOAD, &mut table);
        ask(&control, Self::RESUME, &mut table);
        let node = there(format!("/dev/dm-{}", libc::minor(created.device)).into());
        Self { control, node }
    }
}

impl Drop for Linear {
    fn drop(&mut self) {
        let mut call = call();
        // SAFETY: the structure that this request takes.
        let _ = unsafe { libc::ioctl(self.control.as_raw_fd(), Self::REMOVE, &raw mut call) };
    }
}

fn call() -> Call {
    Call {
        version: [4, 0, 0],
        bytes: size_of::<Table>() as u32,
        data_begins: size_of::<Call>() as u32,
        targets: 0,
        opens: 0,
        flags: 0,
        event: 0,
        _pad: 0,
        device: 0,
        name: text("profiler-test"),
        uuid: text(""),
        data: [0; 7],
    }
}

/// Asks with the table, and gives the answer.
#[track_caller]
fn ask(control: &File, request: libc::c_ulong, table: &mut Table) -> Call {
    let asked = table.call;
    // SAFETY: the structure that these requests take, of the length that stands in it.
    let done = unsafe { libc::ioctl(control.as_raw_fd(), request, &raw mut *table) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
    std::mem::replace(&mut table.call, asked)
}

fn text<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    bytes
}

const _: () = assert!(size_of::<Call>() == 312);
