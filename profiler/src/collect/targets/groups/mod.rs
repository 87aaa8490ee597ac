//! Control groups: which one is meant, and who is in it. Both versions; the probes tell who comes in later.

mod hierarchies;
mod unit;

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use abi::groups::GroupKey;
use anyhow::{Context as _, Result, bail};
use procfs::process::Process;

use super::in_proc;

pub use hierarchies::{Hierarchy, mounted};
pub use unit::{find_unit, of_unit};

/// A control group's folder, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub folder: PathBuf,
    hierarchy: u32,
}

/// The group that a path names: a folder below a mount of control groups, or the path inside the hierarchy, as in
/// `/proc/PID/cgroup`. Several if hierarchies have the same path and the same processes in it.
pub fn named(path: &Path, hierarchies: &[Hierarchy]) -> Result<Vec<Group>> {
    let (path_shown, mounts) = (path.display(), listed(hierarchies.iter().map(|found| &found.mounted_on)));
    // Version 1 has links in place of controllers that share a hierarchy.
    let folder = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // Mounts may lie inside of others.
    let holding = hierarchies.iter().filter(|mount| folder.starts_with(&mount.mounted_on));
    if let Some(hierarchy) = holding.max_by_key(|mount| mount.mounted_on.components().count()) {
        if !folder.is_dir() {
            bail!("there is no control group {path_shown}");
        }
        return Ok(vec![Group { folder, hierarchy: hierarchy.id }]);
    }
    let found = inside(path, hierarchies.iter());
    if found.is_empty() {
        bail!(
            "there is no control group {path_shown}: give its folder, or its path in a hierarchy as in \
             /proc/PID/cgroup (mounted are: {mounts})"
        );
    }
    same_members(path, found)
}

fn listed<'p>(paths: impl Iterator<Item = &'p PathBuf>) -> String {
    let paths: Vec<_> = paths.map(|path| path.display().to_string()).collect();
    if paths.is_empty() { "none".to_owned() } else { paths.join(", ") }
}

/// The folders of a path in hierarchies, one in each.
fn inside<'h>(path: &Path, hierarchies: impl Iterator<Item = &'h Hierarchy>) -> Vec<Group> {
    let path = Path::new("/").join(path);
    let group = |mount: &Hierarchy| {
        let below = match path.strip_prefix(&mount.root) {
            Ok(below) => below,
            // In a control group namespace, what is mounted from outside of it is shown from its root.
            Err(_) if mount.root.starts_with("/..") => path.strip_prefix("/").ok()?,
            Err(_) => return None,
        };
        let folder = fs::canonicalize(mount.mounted_on.join(below)).ok()?;
        let is_inside = folder.is_dir() && folder.starts_with(&mount.mounted_on);
        is_inside.then_some(Group { folder, hierarchy: mount.id })
    };
    let mut found: Vec<Group> = Vec::new();
    for group in hierarchies.filter_map(group) {
        if found.iter().all(|known| known.hierarchy != group.hierarchy) {
            found.push(group);
        }
    }
    found
}

/// Groups of several hierarchies are one choice only if the same processes are in them.
fn same_members(path: &Path, groups: Vec<Group>) -> Result<Vec<Group>> {
    let members = groups.iter().map(Group::members).collect::<Result<Vec<_>>>()?;
    if members.windows(2).any(|pair| pair[0] != pair[1]) {
        bail!(
            "the control group {} is in several hierarchies, and not with the same processes: name the folder of one: {}",
            path.display(),
            listed(groups.iter().map(|group| &group.folder))
        );
    }
    Ok(groups)
}

impl Group {
    /// What the probes know it by; nothing if it was removed. One that is made again gets another key.
    pub fn key(&self) -> Result<Option<GroupKey>> {
        let metadata = unless_gone(fs::metadata(&self.folder))
            .with_context(|| format!("look for the control group {}", self.folder.display()))?;
        Ok(metadata.map(|found| GroupKey { id: found.ino(), hierarchy: self.hierarchy, _pad: 0 }))
    }

    /// The processes in it and in the groups below it, without threads of the kernel. A process counts as soon as one
    /// of its threads is there.
    pub fn members(&self) -> Result<BTreeSet<u32>> {
        let mut members = BTreeSet::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            let found = unless_gone(processes(&folder))
                .with_context(|| format!("read who is in {}", folder.display()))?;
            members.extend(found.into_iter().flatten());
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
            folders.extend(
                entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|e| e.path()),
            );
        }
        Ok(members)
    }
}

fn processes(group: &Path) -> io::Result<Vec<u32>> {
    let (ids, of_threads) = match fs::read_to_string(group.join("cgroup.procs")) {
        // A threaded group of version 2.
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
            (fs::read_to_string(group.join("cgroup.threads"))?, true)
        }
        other => (other?, false),
    };
    let ids = ids.lines().filter_map(|line| line.parse().ok()).filter(|&id| is_user(id));
    Ok(if of_threads { ids.filter_map(in_proc::tgid).collect() } else { ids.collect() })
}

/// Groups come and go while they are looked at.
fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV)) => Ok(None),
        other => other.map(Some),
    }
}

/// Whether it is a process, and no thread of the kernel.
fn is_user(pid: u32) -> bool {
    let stat = Process::new(pid as i32).and_then(|process| process.stat());
    stat.is_ok_and(|stat| !in_proc::is_kernel_thread(&stat))
}

#[cfg(test)]
mod tests;
