//! Files whose pages a process reads through the page cache, or directly, throttled or not.

use std::{
    fs::{self, File},
    os::linux::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use capture::Operation::Read;

use crate::{
    actor::Actor,
    files::{Cold, MIB, read_cached, read_direct, write_blocks},
    owners::{check, credited},
    recorded::{Recorded, record, record_others},
};

#[test]
fn a_read_into_the_page_cache_belongs_to_its_reader() {
    let cold = Cold::file(32 * MIB);
    let recorded = record(|| read_cached(&cold.path, 32 * MIB));
    check("read", credited(&recorded, std::process::id(), Read), 32 * MIB);
}

#[test]
fn a_read_belongs_to_its_reader_also_of_a_file_that_another_process_writes() {
    let cold = Cold::file(16 * MIB);
    let writer = Actor::new(|| write_blocks(&cold.path, (16..32).map(|i| i * MIB), 0));
    let reader = Actor::new(|| read_cached(&cold.path, 16 * MIB));
    let pids = [writer.pid, reader.pid];
    let recorded = record_others(|recording| {
        let _ = pids.map(|pid| recording.register(pid).unwrap());
        writer.act();
        reader.act();
    });
    assert_eq!(credited(&recorded, pids[0], Read), 0, "the writer read nothing");
    check("read", credited(&recorded, pids[1], Read), 16 * MIB);
}

#[test]
fn a_fault_on_a_mapping_belongs_to_who_touched_it() {
    let cold = Cold::file(32 * MIB);
    let recorded = record(|| {
        let file = File::open(&cold.path).unwrap();
        // SAFETY: nobody changes the file.
        let map = unsafe { memmap2::Mmap::map(&file) }.unwrap();
        assert_eq!(map.iter().step_by(4096).map(|byte| u64::from(*byte)).sum::<u64>(), 7 * 32 * MIB / 4096);
    });
    check("read through a mapping", credited(&recorded, std::process::id(), Read), 32 * MIB);
}

#[test]
fn a_throttled_read_belongs_to_its_reader_though_a_kernel_thread_submits_it() {
    let (recorded, pid) = record_throttled(read_cached);
    let itself: u64 = recorded.with_pid(pid).credits.values().sum();
    assert!(itself < 8 * MIB, "the throttle did not work: it submitted {itself} bytes itself");
    check("read through a throttle", credited(&recorded, pid, Read), 16 * MIB);
}

#[test]
fn throttled_direct_io_belongs_to_its_caller_though_a_kernel_thread_submits_it() {
    let (recorded, pid) = record_throttled(read_direct);
    assert!(recorded.with_pid(pid).file_credits.is_empty(), "direct I/O is of no file's cache");
    check("read directly through a throttle", credited(&recorded, pid, Read), 16 * MIB);
}

/// A process reads a file of 16 MiB that is not in the page cache at 20 MiB/s.
fn record_throttled(read: fn(&Path, u64)) -> (Recorded, u32) {
    let cold = Cold::file(16 * MIB);
    let throttle = Throttle::reads(&cold.path, 20 * MIB);
    let reader = Actor::new(|| {
        throttle.enter();
        read(&cold.path, 16 * MIB);
    });
    let pid = reader.pid;
    let mut took = Duration::ZERO;
    let recorded = record_others(|recording| {
        recording.register(pid).unwrap();
        let began = Instant::now();
        reader.act();
        took = began.elapsed();
    });
    assert!(took > Duration::from_millis(500), "the throttle did not work: it took {took:?}");
    (recorded, pid)
}

/// A cgroup of version 1 that limits reads of the disk under a file.
struct Throttle(PathBuf);

impl Throttle {
    fn reads(of: &Path, bytes_per_s: u64) -> Self {
        /// Tests run side by side.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("profiler-test-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let group = Path::new("/sys/fs/cgroup/blkio").join(name);
        fs::create_dir(&group).expect("a cgroup of the blkio controller, version 1");
        let device = fs::metadata(of).unwrap().st_dev();
        let limit = format!("{}:{} {bytes_per_s}", libc::major(device), libc::minor(device));
        let throttle = Self(group);
        fs::write(throttle.0.join("blkio.throttle.read_bps_device"), limit).unwrap();
        throttle
    }

    fn enter(&self) {
        fs::write(self.0.join("cgroup.procs"), "0").unwrap();
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        // The group of an actor that has just been waited for may still be busy for a moment.
        for _ in 0..50 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}
