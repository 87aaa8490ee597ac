//! Kernel threads of captures up to November 2026, which tell nothing but their names.

use crate::records::span::KernelWorker;

/// By a command name, as the kernel keeps it; `None` where it says nothing: a kworker's does not, it works for anybody.
pub fn by_name(comm: &[u8; 16]) -> Option<KernelWorker> {
    let begins = |prefix: &[u8]| comm.starts_with(prefix);
    Some(match comm {
        _ if begins(b"jbd2/") || begins(b"xfsaild/") => KernelWorker::Journal,
        [b'l', b'o', b'o', b'p', b'0'..=b'9', ..] => KernelWorker::LoopDevice,
        _ if begins(b"kthrotld\0") => KernelWorker::Throttle,
        _ if begins(b"btrfs-") => KernelWorker::Writeback,
        _ if begins(b"napi/") => KernelWorker::Napi,
        _ if begins(b"iou-sqp-") => KernelWorker::IoUringPoll,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<KernelWorker>) {
        let mut comm = [0; 16];
        comm[..name.len()].copy_from_slice(name.as_bytes());
        assert_eq!(by_name(&comm), expected, "{name}");
    }

    #[test]
    fn names_of_threads_with_one_purpose_tell_it() {
        check("jbd2/vda1-8", Some(KernelWorker::Journal));
        check("xfsaild/vdb", Some(KernelWorker::Journal));
        check("loop0", Some(KernelWorker::LoopDevice));
        check("loopback", None);
        check("kthrotld", Some(KernelWorker::Throttle));
        check("kthrotldx", None);
        check("btrfs-transacti", Some(KernelWorker::Writeback));
        check("kworker/u8:3", None);
        check("kworker/1:1H-kb", None);
        check("napi/eth0-8193", Some(KernelWorker::Napi));
        check("iou-sqp-1234", Some(KernelWorker::IoUringPoll));
        check("iou-wrk-1234", None);
        check("ksoftirqd/0", None);
        check("", None);
    }
}
