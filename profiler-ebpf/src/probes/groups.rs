//! Processes that come into a control group that is followed, or into a group below it, become targets.
//! `bpf_get_current_cgroup_id` knows version 2 only; here the destination tells, which both versions name.

use abi::{fields::Field, groups::GroupKey};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

use crate::{
    kernel::{load, offset, read, read_bytes},
    maps::GROUPS,
    target,
};

/// `CLONE_INTO_CGROUP` of `clone_flags` (since 5.7): the child begins in a group that its parent names.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Groups above a group that are looked at. Service managers and container runtimes nest less than 10.
const DEPTH: usize = 32;

/// `cgroup_attach_task(struct cgroup *dst_cgrp, const char *path, struct task_struct *task, bool threadgroup)`:
/// in whoever moved it. A thread that is moved alone takes its process along: targets are processes.
#[btf_tracepoint(function = "cgroup_attach_task")]
pub fn group_enter(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: argument 0 is a cgroup, argument 2 a task_struct.
    unsafe { enter(ctx.arg(0), ctx.arg(2), true) };
    0
}

/// `task_newtask(struct task_struct *task, u64 clone_flags)`: after `process_fork`, which has made children of
/// targets targets.
#[btf_tracepoint(function = "task_newtask")]
pub fn group_fork(ctx: BtfTracePointContext) -> i32 {
    if ctx.arg::<u64>(1) & CLONE_INTO_CGROUP != 0 {
        let child: *const u8 = ctx.arg(0);
        // SAFETY: argument 0 is a task_struct; only version 2 has this flag, and every task is in one of its groups.
        unsafe {
            let sets = child.add(offset(Field::TaskCgroups)).cast::<*const u8>().read_volatile();
            if let Some(group) = read::<*const u8>(sets, Field::CssSetDefault) {
                enter(group, child, false);
            }
        }
    }
    0
}

#[inline(always)]
unsafe fn enter(group: *const u8, task: *const u8, has_lived: bool) {
    // SAFETY: the caller's task is a task_struct, and its group a cgroup.
    unsafe {
        let tgid: u32 = load(task, Field::TaskTgid);
        if target::of(tgid).is_none() && !target::is_kernels(task) && is_followed(group) {
            let leader = task.add(offset(Field::TaskGroupLeader)).cast::<*const u8>().read_volatile();
            let mut comm = [0; 16];
            read_bytes(leader, Field::TaskComm, &mut comm);
            target::adopt(tgid, 0, comm, has_lived);
        }
    }
}

/// Whether the group, or one above it, is followed.
#[inline(always)]
unsafe fn is_followed(mut group: *const u8) -> bool {
    // SAFETY: the helper checks every address; the map's value is not used.
    unsafe {
        let Some(root) = read::<*const u8>(group, Field::CgroupRoot) else { return false };
        let Some(hierarchy) = read(root, Field::CgroupRootHierarchy) else { return false };
        for _ in 0..DEPTH {
            let Some(node) = read::<*const u8>(group, Field::CgroupNode) else { return false };
            let Some(id) = read(node, Field::NodeId) else { return false };
            if GROUPS.get(GroupKey { id, hierarchy, _pad: 0 }).is_some() {
                return true;
            }
            // A group begins with its own `css`, so its parent's `css` is the parent.
            match read::<*const u8>(group, Field::CgroupParent) {
                Some(parent) if !parent.is_null() => group = parent,
                _ => return false,
            }
        }
        false
    }
}
