//! What a kernel thread works on that wakes a target's: `sched_wake` asks, and what the target's own call is about.

use abi::fields::Field::{
    FileInode, FilesTable, KthreadData, KthreadFunction, SuperblockBdev, TableFiles, TableSize, TaskFiles,
    TaskWorkerPrivate, WorkerFunction,
};
use capture::families::WORKERS;

use super::{Family, Way};

pub const FAMILY: Family = Family {
    name: WORKERS,
    counts: "whether a kernel thread ended a wait for a disk",
    ways: &[Way::Fields(&[
        TaskWorkerPrivate,
        KthreadFunction,
        KthreadData,
        WorkerFunction,
        TaskFiles,
        FilesTable,
        TableSize,
        TableFiles,
        FileInode,
        SuperblockBdev,
    ])],
    knows_functions: true,
    ..Family::PLAIN
};
