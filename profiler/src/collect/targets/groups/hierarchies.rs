//! Where control groups are mounted.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use procfs::process::{MountInfo, Process};

/// A hierarchy of control groups that is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    pub mounted_on: PathBuf,
    /// As in `/proc/PID/cgroup`: 0 is version 2.
    pub id: u32,
    /// Whether it is one in which systemd keeps its units.
    pub has_units: bool,
}

/// Every hierarchy once, whole ones before those of which a part is mounted.
pub fn mounted() -> Result<Vec<Hierarchy>> {
    let own = Process::myself().context("open /proc/self")?;
    let mounts = own.mountinfo().context("read /proc/self/mountinfo")?;
    // Without control groups in the kernel there is no such file, and no mount.
    let known: Vec<(u32, Vec<String>)> = own.cgroups().map_or(Vec::new(), |groups| {
        groups.into_iter().map(|group| (group.hierarchy, group.controllers)).collect()
    });
    let mut mounts: Vec<MountInfo> = mounts.into_iter().collect();
    mounts.sort_by_key(|mount| mount.root != "/");
    let mut found: Vec<Hierarchy> = Vec::new();
    for mount in mounts {
        if let Some(hierarchy) = hierarchy(mount, &known)
            && found.iter().all(|known| known.id != hierarchy.id)
        {
            found.push(hierarchy);
        }
    }
    Ok(found)
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
    Some(Hierarchy { mounted_on: mount.mount_point, id, has_units })
}
