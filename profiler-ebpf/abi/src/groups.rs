//! Control groups whose processes are profiled.

use crate::Plain;

/// A control group. The ids of two hierarchies may be the same.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GroupKey {
    /// `kernfs_node.id`: the inode number of the group's folder.
    pub id: u64,
    /// `cgroup_root.hierarchy_id`: 0 is version 2's, the others are those of `/proc/PID/cgroup`.
    pub hierarchy: u32,
    pub _pad: u32,
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for GroupKey {}

const _: () = assert!(size_of::<GroupKey>() == 16);

/// Control groups that can be followed at one time.
pub const GROUPS: u32 = 256;
