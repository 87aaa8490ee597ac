//! Limits a node's disk: by a control group of its own, of the version whose I/O controller is mounted.

use std::{
    fs::{self, File},
    io,
    os::linux::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::fs::{major, minor};

use crate::{bench::hosts::DiskLimit, collect::mounts, display::tell};

/// A control group for one node. Dropping it removes it; its processes must have ended.
pub struct Throttle {
    folder: PathBuf,
    pub procs: File,
    /// What it had to switch on for groups below the root.
    _enabled: Vec<Enabled>,
}

/// A controller of version 2 that no group had yet. Dropping it switches it off again.
struct Enabled {
    control: PathBuf,
    controller: &'static str,
}

impl Throttle {
    /// Makes the group, and limits it on the disk that holds `scratch`.
    pub fn new(name: &str, scratch: &Path, limit: &DiskLimit) -> Result<Self> {
        let disk = disk_of(scratch)?;
        let hierarchy = hierarchy()?;
        let enabled = match &hierarchy {
            Hierarchy::V1(_) => Vec::new(),
            // What is written back belongs to a group by its memory.
            Hierarchy::V2(root) => {
                let enabled = ["io", "memory"].map(|controller| enable(root, controller));
                enabled.into_iter().filter_map(Result::transpose).collect::<Result<_>>()?
            }
        };
        let folder = hierarchy.folder().join(name);
        fs::create_dir(&folder).with_context(|| format!("make the control group {}", folder.display()))?;
        let limited = limits(&hierarchy, &disk, limit).into_iter().try_for_each(|(file, value)| {
            let path = folder.join(file);
            fs::write(&path, &value).with_context(|| format!("write {value:?} to {}", path.display()))
        });
        let procs = limited.and_then(|()| {
            let path = folder.join("cgroup.procs");
            File::options().write(true).open(&path).with_context(|| format!("open {}", path.display()))
        });
        match procs {
            Ok(procs) => Ok(Self { folder, procs, _enabled: enabled }),
            Err(error) => {
                remove(&folder);
                Err(error)
            }
        }
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

impl Drop for Enabled {
    fn drop(&mut self) {
        let _ = fs::write(&self.control, format!("-{}", self.controller));
    }
}

/// Nothing if it is there already.
fn enable(root: &Path, controller: &'static str) -> Result<Option<Enabled>> {
    let control = root.join("cgroup.subtree_control");
    let before = fs::read_to_string(&control).with_context(|| format!("read {}", control.display()))?;
    if before.split_whitespace().any(|found| found == controller) {
        return Ok(None);
    }
    fs::write(&control, format!("+{controller}"))
        .with_context(|| format!("write \"+{controller}\" to {}", control.display()))?;
    Ok(Some(Enabled { control, controller }))
}

/// Removes the groups of a killed run, whose processes have ended. Names begin with `prefix`.
pub fn remove_left_over(prefix: &str) {
    let Ok(hierarchy) = hierarchy() else { return };
    for entry in fs::read_dir(hierarchy.folder()).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            remove(&entry.path());
        }
    }
}

/// A process that was waited for leaves its group a little later.
fn remove(folder: &Path) {
    for _ in 0..100 {
        match fs::remove_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                thread::sleep(Duration::from_millis(10));
            }
            _ => return,
        }
    }
    tell(&format!("the control group {} is still in use, and was not removed", folder.display()));
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hierarchy {
    /// `blkio`
    V1(PathBuf),
    /// `io`
    V2(PathBuf),
}

impl Hierarchy {
    fn folder(&self) -> &Path {
        match self {
            Self::V1(folder) | Self::V2(folder) => folder,
        }
    }
}

/// Where the I/O controller is; a host that has version 1 mounted has it there.
fn hierarchy() -> Result<Hierarchy> {
    let mounts = mounts::mounted()?;
    let mut v2 = None;
    for mount in mounts {
        match mount.fs_type.as_str() {
            "cgroup" if mount.super_options.contains_key("blkio") => {
                return Ok(Hierarchy::V1(mount.mount_point));
            }
            "cgroup2" => v2 = Some(mount.mount_point),
            _ => (),
        }
    }
    let has_io = |root: &PathBuf| {
        let controllers = fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
        controllers.split_whitespace().any(|controller| controller == "io")
    };
    match v2.filter(has_io) {
        Some(root) => Ok(Hierarchy::V2(root)),
        None => bail!(
            "`[disk]` of the matrix needs the I/O controller of control groups (`blkio`, or `io` of version 2), \
             which is not mounted here: leave it out, or mount it"
        ),
    }
}

/// The files of the group to be written, with their values.
fn limits(hierarchy: &Hierarchy, disk: &str, limit: &DiskLimit) -> Vec<(&'static str, String)> {
    let DiskLimit { read_bytes_per_s, write_bytes_per_s } = *limit;
    match hierarchy {
        Hierarchy::V1(_) => [
            ("blkio.throttle.read_bps_device", read_bytes_per_s),
            ("blkio.throttle.write_bps_device", write_bytes_per_s),
        ]
        .into_iter()
        .filter_map(|(file, rate)| Some((file, format!("{disk} {}", rate?))))
        .collect(),
        Hierarchy::V2(_) => {
            let rates = [("rbps", read_bytes_per_s), ("wbps", write_bytes_per_s)];
            let rates = rates.into_iter().filter_map(|(name, rate)| Some(format!(" {name}={}", rate?)));
            vec![("io.max", format!("{disk}{}", rates.collect::<String>()))]
        }
    }
}

/// `MAJOR:MINOR` of the whole disk that holds a folder: limits know no partitions.
fn disk_of(folder: &Path) -> Result<String> {
    let device = fs::metadata(folder).with_context(|| format!("look at {}", folder.display()))?.st_dev();
    let block = Path::new("/sys/dev/block").join(format!("{}:{}", major(device), minor(device)));
    let disk = if block.join("partition").exists() { block.join("..") } else { block };
    let number = fs::read_to_string(disk.join("dev")).map_err(|_| {
        anyhow::anyhow!(
            "`[disk]` of the matrix limits the disk of the scratch directory, and {} is on none: choose another",
            folder.display()
        )
    })?;
    Ok(number.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hierarchy: Hierarchy, limit: DiskLimit, expected: &[(&str, &str)]) {
        let found = limits(&hierarchy, "254:0", &limit);
        let found: Vec<_> = found.iter().map(|(file, value)| (*file, value.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn each_version_has_its_own_files() {
        let both = DiskLimit { read_bytes_per_s: Some(20_000_000), write_bytes_per_s: Some(5_000_000) };
        let read = DiskLimit { write_bytes_per_s: None, ..both };
        let (v1, v2) = (|| Hierarchy::V1("/blkio".into()), || Hierarchy::V2("/unified".into()));
        let read_file = ("blkio.throttle.read_bps_device", "254:0 20000000");
        check(v1(), both, &[read_file, ("blkio.throttle.write_bps_device", "254:0 5000000")]);
        check(v1(), read, &[read_file]);
        check(v2(), both, &[("io.max", "254:0 rbps=20000000 wbps=5000000")]);
        check(v2(), read, &[("io.max", "254:0 rbps=20000000")]);
    }

    #[test]
    fn a_folder_that_is_on_no_disk_is_named() {
        let error = disk_of(Path::new("/proc")).expect_err("no disk").to_string();
        assert!(error.contains("/proc is on none"), "{error}");
    }
}
