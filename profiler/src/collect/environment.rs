//! The host as it is when a recording begins: what a reader of the report would ask for first. What cannot be
//! read is left out, never guessed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use procfs::{Current as _, CurrentSI as _};

use super::mounts;
use capture::{Disk, Environment, Filesystem, Held};

pub fn read() -> Result<Environment> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context("read the kernel's release")?;
    let memory = procfs::Meminfo::current().context("read /proc/meminfo")?;
    let stat = procfs::KernelStats::current().context("read /proc/stat")?;
    let tick_ns = 1_000_000_000 / procfs::ticks_per_second();
    Ok(Environment {
        kernel: kernel.trim().to_owned(),
        cpus: stat.cpu_time.len() as u32,
        memory_bytes: memory.mem_total,
        lockdown: text("/sys/kernel/security/lockdown").map(|modes| selected(&modes).to_owned()),
        congestion_control: text("/proc/sys/net/ipv4/tcp_congestion_control"),
        default_qdisc: text("/proc/sys/net/core/default_qdisc"),
        steal_ns: stat.total.steal.unwrap_or(0) * tick_ns,
        disks: disks(),
        filesystems: filesystems(),
        memory_limit_bytes: memory_limit_bytes(),
        netns: fs::metadata("/proc/self/ns/net")
            .map(|meta| std::os::unix::fs::MetadataExt::ino(&meta) as u32)
            .context("read /proc/self/ns/net")?,
        held: held(),
    })
}

/// `/etc/machine-id`; empty where the host has none.
pub fn machine_id() -> String {
    text("/etc/machine-id").unwrap_or_default()
}

/// As `uname -n` has it.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// `/proc/sys/kernel/random/boot_id`
pub fn boot_id() -> Result<String> {
    text("/proc/sys/kernel/random/boot_id").context("read the boot id")
}

fn disks() -> Vec<Disk> {
    let mut disks: Vec<Disk> = folders(Path::new("/sys/block")).filter_map(|path| disk(&path)).collect();
    disks.sort_by_key(|disk| (disk.major, disk.minor));
    disks
}

fn disk(path: &Path) -> Option<Disk> {
    let (major, minor) = numbers(path)?;
    Some(Disk {
        major,
        minor,
        name: path.file_name()?.to_str()?.to_owned(),
        scheduler: text(path.join("queue/scheduler")).map(|modes| selected(&modes).to_owned()),
        below_another: parts(path).any(|part| is_held(&part)),
    })
}

fn held() -> Vec<Held> {
    let mut held = Vec::new();
    for disk in folders(Path::new("/sys/block")) {
        let Some((disk_major, disk_minor)) = numbers(&disk) else { continue };
        let parts = parts(&disk).filter(|part| is_held(part)).filter_map(|part| numbers(&part));
        held.extend(parts.map(|(major, minor)| Held { disk_major, disk_minor, major, minor }));
    }
    held
}

/// A disk and its partitions, as folders.
fn parts(disk: &Path) -> impl Iterator<Item = PathBuf> {
    let partitions = folders(disk).filter(|path| path.join("partition").exists());
    [disk.to_owned()].into_iter().chain(partitions)
}

/// Whether another block device sits on this disk or partition.
fn is_held(part: &Path) -> bool {
    folders(&part.join("holders")).next().is_some()
}

/// Major and minor.
fn numbers(part: &Path) -> Option<(u32, u32)> {
    let numbers = text(part.join("dev"))?;
    let (major, minor) = numbers.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Nothing where there is no such folder.
fn folders(within: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(within).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn filesystems() -> Vec<Filesystem> {
    let mut found: Vec<Filesystem> = mounts::mounted()
        .into_iter()
        .flatten()
        .filter_map(|mount| {
            Some(Filesystem {
                mounted_on: mount.mount_point.to_str()?.to_owned(),
                kind: mount.fs_type,
                device: mount.mount_source.filter(|source| source.starts_with("/dev/"))?,
            })
        })
        .collect();
    found.sort_by(|a, b| a.mounted_on.cmp(&b.mounted_on));
    found
}

/// The profiler's own cgroup's limit, of version 2 or 1.
fn memory_limit_bytes() -> Option<u64> {
    let cgroups = procfs::process::Process::myself().and_then(|me| me.cgroups()).ok()?;
    let limits = cgroups.0.iter().filter_map(|cgroup| {
        let path = cgroup.pathname.trim_start_matches('/');
        if cgroup.controllers.iter().any(|name| name == "memory") {
            text(Path::new("/sys/fs/cgroup/memory").join(path).join("memory.limit_in_bytes"))
        } else {
            text(Path::new("/sys/fs/cgroup").join(path).join("memory.max"))
        }
    });
    // Version 2 says "max", version 1 the largest number of pages, where there is no limit.
    limits.filter_map(|limit| limit.parse().ok()).filter(|&bytes: &u64| bytes < 1 << 62).min()
}

/// The choice in brackets: `none [integrity] confidentiality`.
fn selected(modes: &str) -> &str {
    modes.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or(modes, |(choice, _)| choice)
}

fn text(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}
