//! What kernel threads work on, and what else tells whether a thread that one of them wakes has waited for a disk. Asked only
//! of wake-ups by kernel threads, which are rare: some 40 ns for each pointer that is followed.

use abi::{
    fields::Field,
    workers::{Worker, is_of_file},
};
use aya_ebpf::helpers::{bpf_probe_read_kernel, generated::bpf_task_pt_regs};

use crate::{
    kernel::{has, load, read},
    maps::WORKERS,
    probes::bio,
};

/// Of `task_struct.flags`.
const PF_WQ_WORKER: u32 = 0x20;
const PF_KTHREAD: u32 = 0x0020_0000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// A process's.
    Process,
    /// A kworker's: one work after another.
    Works,
    /// That of a kernel thread, for good.
    Thread,
}

#[inline(always)]
pub unsafe fn job(task: *const u8) -> Job {
    // SAFETY: the caller's task is a task_struct.
    match unsafe { load::<u32>(task, Field::TaskFlags) } & (PF_KTHREAD | PF_WQ_WORKER) {
        PF_KTHREAD => Job::Thread,
        flags if flags & PF_KTHREAD != 0 => Job::Works,
        _ => Job::Process,
    }
}

/// The number of what a kernel thread works on, the current task.
#[inline(always)]
pub unsafe fn number(task: *const u8, job: Job) -> u8 {
    // SAFETY: the caller's task is a task_struct.
    let known = unsafe { function(task, job) }.and_then(|function| WORKERS.get_ptr(function));
    // SAFETY: a live map value.
    known.map_or(Worker::Unknown as u8, |number| unsafe { *number } as u8)
}

/// As `print_worker_info` (6.18) finds it.
#[inline(always)]
unsafe fn function(task: *const u8, job: Job) -> Option<u64> {
    if !(has(Field::TaskWorkerPrivate)
        && has(Field::KthreadFunction)
        && has(Field::KthreadData)
        && has(Field::WorkerFunction))
    {
        return None;
    }
    // SAFETY: the caller's task is a task_struct; the helper checks the addresses behind it.
    unsafe {
        let thread = load::<u64>(task, Field::TaskWorkerPrivate) as *const u8;
        if job == Job::Works {
            read(read::<u64>(thread, Field::KthreadData)? as *const u8, Field::WorkerFunction)
        } else {
            read(thread, Field::KthreadFunction)
        }
    }
}

/// Whether a task that sleeps does so in a call on a file of a block device, or on such a device.
#[inline(always)]
pub unsafe fn is_on_disk(sleeper: *const u8) -> bool {
    if !(has(Field::TaskFiles)
        && has(Field::FilesTable)
        && has(Field::TableSize)
        && has(Field::TableFiles)
        && has(Field::FileInode)
        && has(Field::SuperblockBdev))
    {
        return false;
    }
    // SAFETY: the caller's sleeper is a task_struct; the helper gives its registers.
    unsafe {
        let registers = bpf_task_pt_regs(sleeper.cast_mut().cast()) as *const u8;
        !registers.is_null()
            && is_of_file(load::<u64>(registers, Field::RegsSyscall) as i32)
            && is_disks(sleeper, load::<u64>(registers, Field::RegsFirst) as u32).unwrap_or(false)
    }
}

/// Another thread may close the descriptor meanwhile: what is read then is stale, and no more.
#[inline(always)]
unsafe fn is_disks(sleeper: *const u8, descriptor: u32) -> Option<bool> {
    const S_IFMT: u16 = 0o170_000;
    const S_IFDIR: u16 = 0o040_000;
    const S_IFBLK: u16 = 0o060_000;
    // SAFETY: the caller's sleeper is a task_struct; the helper checks the addresses behind it.
    unsafe {
        let table = read::<u64>(load(sleeper, Field::TaskFiles), Field::FilesTable)? as *const u8;
        if descriptor >= read(table, Field::TableSize)? {
            return None;
        }
        let files = read::<u64>(table, Field::TableFiles)? as *const u64;
        let file = bpf_probe_read_kernel(files.add(descriptor as usize)).ok()? as *const u8;
        let inode = read::<u64>(file, Field::FileInode)? as *const u8;
        let mode: u16 = read(inode, Field::InodeMode)?;
        if bio::is_regular(mode) || mode & S_IFMT == S_IFDIR {
            let superblock = read::<u64>(inode, Field::InodeSuperblock)? as *const u8;
            return Some(read::<u64>(superblock, Field::SuperblockBdev)? != 0);
        }
        Some(mode & S_IFMT == S_IFBLK)
    }
}
