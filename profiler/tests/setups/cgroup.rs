//! Limits on disk and CPU, by cgroups of the test's own: version 1 where its controllers are mounted, else 2.

use std::{
    fs, io,
    os::linux::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// Dropping it removes it; its processes must have ended.
pub struct Cgroup {
    path: PathBuf,
}

const MOUNTS: &str = "/sys/fs/cgroup";
const QUOTA_PERIOD_US: u64 = 100_000;

impl Cgroup {
    /// Limits reads and writes, each, on the disk that holds a folder.
    pub fn with_disk_limit(folder: &Path, bytes_per_s: u64) -> Self {
        let disk = disk_of(folder);
        let (v1, group) = Self::create("blkio", "io");
        if v1 {
            group.set("blkio.throttle.read_bps_device", &format!("{disk} {bytes_per_s}"));
            group.set("blkio.throttle.write_bps_device", &format!("{disk} {bytes_per_s}"));
        } else {
            group.set("io.max", &format!("{disk} rbps={bytes_per_s} wbps={bytes_per_s}"));
        }
        group
    }

    /// Limits the CPU time of all its processes together, in percent of one CPU.
    pub fn with_cpu_quota(percent: u64) -> Self {
        let quota_us = QUOTA_PERIOD_US * percent / 100;
        let (v1, group) = Self::create("cpu", "cpu");
        if v1 {
            group.set("cpu.cfs_period_us", &QUOTA_PERIOD_US.to_string());
            group.set("cpu.cfs_quota_us", &quota_us.to_string());
        } else {
            group.set("cpu.max", &format!("{quota_us} {QUOTA_PERIOD_US}"));
        }
        group
    }

    /// A process that writes its id into this file is in the group.
    pub fn procs(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    /// For how long all its processes together were held back.
    pub fn throttled_ns(&self) -> u64 {
        let stat = fs::read_to_string(self.path.join("cpu.stat")).expect("read the group's statistics");
        let value =
            |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        let ns = value("throttled_time ").or_else(|| Some(value("throttled_usec ")? * 1000));
        ns.expect("the group has a quota")
    }

    /// Also says whether it is of version 1.
    fn create(v1_controller: &str, v2_controller: &str) -> (bool, Self) {
        let hierarchy = Path::new(MOUNTS).join(v1_controller);
        let v1 = hierarchy.is_dir();
        let parent = if v1 {
            hierarchy
        } else {
            let controllers = Path::new(MOUNTS).join("cgroup.subtree_control");
            fs::write(controllers, format!("+{v2_controller}"))
                .expect("delegate the controller, which needs root");
            PathBuf::from(MOUNTS)
        };
        let path = parent.join(format!("profiler-setups-{}", std::process::id()));
        fs::create_dir(&path).unwrap_or_else(|error| panic!("create {}: {error}", path.display()));
        (v1, Self { path })
    }

    fn set(&self, name: &str, value: &str) {
        let path = self.path.join(name);
        fs::write(&path, value)
            .unwrap_or_else(|error| panic!("write {value:?} to {}: {error}", path.display()));
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A process that was waited for leaves its group a little later.
        for _ in 0..100 {
            match fs::remove_dir(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    thread::sleep(Duration::from_millis(10));
                }
                _ => return,
            }
        }
        eprintln!("{} is still in use and not removed", self.path.display());
    }
}

/// The device number of the whole disk under a folder: limits know no partitions.
fn disk_of(folder: &Path) -> String {
    let device = fs::metadata(folder).expect("look at the folder").st_dev();
    let number = format!("{}:{}", libc::major(device), libc::minor(device));
    let block = Path::new("/sys/dev/block").join(&number);
    let disk = if block.join("partition").exists() { block.join("..") } else { block };
    let number = fs::read_to_string(disk.join("dev"));
    number.unwrap_or_else(|error| panic!("no disk holds {}: {error}", folder.display())).trim().to_owned()
}
