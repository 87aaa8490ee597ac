//! Where control groups are mounted.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use procfs::process::{MountInfo, Process};

use crate::collect::mounts;

/// A mount of a hierarchy of control groups. One may have several: elsewhere again, or parts of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    pub mounted_on: PathBuf,
    /// The group that is there.
    pub root: PathBuf,
    /// As in `/proc/PID/cgroup`: 0 is version 2.
    pub id: u32,
    /// Whether it is one in which systemd keeps its units.
    pub has_units: bool,
}

/// Every mount of every hierarchy, whole ones before those of a part.
pub fn mounted() -> Result<Vec<Hierarchy>> {
    // Without control groups in the kernel there is no such file, and no mount.
    let own = Process::myself().context("open /proc/self")?.cgroups();
    let known = own.map_or(Vec::new(), |groups| {
        groups.into_iter().map(|group| (group.hierarchy, group.controllers)).collect()
    });
    Ok(of_mounts(mounts::mounted()?, &known))
}

/// `known` are the controllers of each hierarchy.
fn of_mounts(mounts: Vec<MountInfo>, known: &[(u32, Vec<String>)]) -> Vec<Hierarchy> {
    let mut found: Vec<_> = mounts.into_iter().filter_map(|mount| hierarchy(mount, known)).collect();
    found.sort_by_key(|mount| mount.root != Path::new("/"));
    found
}

fn hierarchy(mount: MountInfo, known: &[(u32, Vec<String>)]) -> Option<Hierarchy> {
    let (id, has_units) = match mount.fs_type.as_str() {
        "cgroup2" => (0, true),
        "cgroup" => {
            let options = &mount.super_options;
            let is_option = |controller: &String| match controller.strip_prefix("name=") {
                Some(name) => options.get("name").is_some_and(|found| found.as_deref() == Some(name)),
                None => options.contains_key(controller),
            };
            let is_mounted =
                |controllers: &[String]| !controllers.is_empty() && controllers.iter().all(is_option);
            let (id, controllers) = known.iter().find(|(_, controllers)| is_mounted(controllers))?;
            (*id, controllers.iter().any(|controller| controller == "name=systemd"))
        }
        _ => return None,
    };
    Some(Hierarchy { mounted_on: mount.mount_point, root: mount.root.into(), id, has_units })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mount_is_found_with_the_name_that_it_has() {
        let text = br"
30 24 0:26 /docker/a /run/part rw - cgroup2 cgroup2 rw
31 24 0:26 / /mnt/of\040groups rw - cgroup2 cgroup2 rw
32 24 0:26 / /mnt/again rw - cgroup2 cgroup2 rw
33 24 0:27 / /mnt/cpu rw - cgroup cgroup rw,cpu,cpuacct
34 24 0:28 / /mnt/systemd rw - cgroup cgroup rw,xattr,name=systemd
35 24 0:29 / /mnt/gone rw - cgroup cgroup rw,pids
36 24 8:1 / /mnt/disk rw - ext4 /dev/sda1 rw
";
        let known =
            [(0, vec![]), (4, vec!["cpu".into(), "cpuacct".into()]), (1, vec!["name=systemd".into()])];
        let found = of_mounts(mounts::parse(text).unwrap(), &known);
        let found: Vec<_> = found
            .iter()
            .map(|Hierarchy { mounted_on, root, id, has_units }| {
                format!("{id} {} of {} {has_units}", root.display(), mounted_on.display())
            })
            .collect();
        assert_eq!(
            found,
            [
                "0 / of /mnt/of groups true",
                "0 / of /mnt/again true",
                "4 / of /mnt/cpu false",
                "1 / of /mnt/systemd true",
                "0 /docker/a of /run/part true",
            ]
        );
    }
}
