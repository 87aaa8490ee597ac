//! Kernel threads that act for a device, told by their command names.
//!
//! An unbound kworker is taken for writeback or a file system's, which it nearly always is where a target
//! sleeps on it; a bound one says nothing, except those of kblockd.

use crate::records::span::KernelWorker;

/// What a kernel thread stands for; None where its name says nothing. Not to be asked about user threads.
pub fn by_name(comm: &str) -> Option<KernelWorker> {
    let starts = |names: &[&str]| names.iter().any(|name| comm.starts_with(name));
    if starts(&["jbd2/", "xfsaild/"]) {
        Some(KernelWorker::Journal)
    } else if comm.strip_prefix("loop").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
        Some(KernelWorker::LoopDevice)
    } else if comm == "kthrotld" {
        Some(KernelWorker::Throttle)
    } else if starts(&["kworker/u", "btrfs-"]) || is_kblockd(comm) {
        Some(KernelWorker::Writeback)
    } else if starts(&["napi/"]) {
        Some(KernelWorker::Napi)
    } else if starts(&["iou-sqp-"]) {
        Some(KernelWorker::IoUringPoll)
    } else {
        None
    }
}

/// kblockd is the bound high-priority workqueue: `kworker/0:1H`.
fn is_kblockd(comm: &str) -> bool {
    let Some((_, worker)) = comm.strip_prefix("kworker/").and_then(|rest| rest.split_once(':')) else {
        return false;
    };
    worker.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with('H')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_worker_is_for() {
        let check = |comm, expected| assert_eq!(by_name(comm), expected, "{comm}");
        check("jbd2/vda1-8", Some(KernelWorker::Journal));
        check("xfsaild/vdb", Some(KernelWorker::Journal));
        check("loop0", Some(KernelWorker::LoopDevice));
        check("loopback", None);
        check("kthrotld", Some(KernelWorker::Throttle));
        check("kworker/u8:3", Some(KernelWorker::Writeback));
        check("kworker/u8:3-fl", Some(KernelWorker::Writeback));
        check("kworker/1:1H", Some(KernelWorker::Writeback));
        check("kworker/1:1H-kb", Some(KernelWorker::Writeback));
        check("kworker/1:1", None);
        check("kworker/1:12-ev", None);
        check("napi/eth0-8193", Some(KernelWorker::Napi));
        check("iou-sqp-1234", Some(KernelWorker::IoUringPoll));
        check("iou-wrk-1234", None);
        check("ksoftirqd/0", None);
    }
}
