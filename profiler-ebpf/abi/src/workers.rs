//! Kernel threads that act for a device, told by their command names: the table that the probes add up time by, for the
//! states of threads, and that captures are read with.

/// What a kernel thread stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worker {
    /// A journal's.
    Journal,
    LoopDevice,
    /// The block throttle's.
    Throttle,
    /// A kworker in writeback, or one of a file system.
    Writeback,
    Napi,
    /// io_uring's polling thread: every completion passes through it, so that the cause is lost.
    IoUringPoll,
}

impl Worker {
    /// By a command name, as the kernel keeps it; `None` where it says nothing. Not to be asked about user threads.
    ///
    /// An unbound kworker is taken for writeback or a file system's, which it nearly always is where a target sleeps on it;
    /// a bound one says nothing, except those of kblockd, the bound workqueue of high priority: `kworker/0:1H`.
    #[inline(always)]
    pub const fn by_name(comm: &[u8; 16]) -> Option<Self> {
        Some(match comm {
            [b'j', b'b', b'd', b'2', b'/', ..] | [b'x', b'f', b's', b'a', b'i', b'l', b'd', b'/', ..] => {
                Self::Journal
            }
            [b'l', b'o', b'o', b'p', b'0'..=b'9', ..] => Self::LoopDevice,
            [b'k', b't', b'h', b'r', b'o', b't', b'l', b'd', 0, ..] => Self::Throttle,
            [b'b', b't', b'r', b'f', b's', b'-', ..]
            | [b'k', b'w', b'o', b'r', b'k', b'e', b'r', b'/', b'u', ..]
            // Of up to 999 CPUs, and 99 workers of each.
            | [b'k', b'w', b'o', b'r', b'k', b'e', b'r', b'/', _, b':', _, b'H', ..]
            | [b'k', b'w', b'o', b'r', b'k', b'e', b'r', b'/', _, b':', _, _, b'H', ..]
            | [b'k', b'w', b'o', b'r', b'k', b'e', b'r', b'/', _, _, b':', _, b'H', ..]
            | [b'k', b'w', b'o', b'r', b'k', b'e', b'r', b'/', _, _, b':', _, _, b'H', ..]
            | [b'k', b'w', b'o', b'r', b'k', b'e', b'r', b'/', _, _, _, b':', _, b'H', ..]
            | [b'k', b'w', b'o', b'r', b'k', b'e', b'r', b'/', _, _, _, b':', _, _, b'H', ..] => Self::Writeback,
            [b'n', b'a', b'p', b'i', b'/', ..] => Self::Napi,
            [b'i', b'o', b'u', b'-', b's', b'q', b'p', b'-', ..] => Self::IoUringPoll,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<Worker>) {
        let mut comm = [0; 16];
        comm[..name.len()].copy_from_slice(name.as_bytes());
        assert_eq!(Worker::by_name(&comm), expected, "{name}");
    }

    #[test]
    fn names_tell_what_a_worker_is_for() {
        check("jbd2/vda1-8", Some(Worker::Journal));
        check("xfsaild/vdb", Some(Worker::Journal));
        check("loop0", Some(Worker::LoopDevice));
        check("loopback", None);
        check("kthrotld", Some(Worker::Throttle));
        check("kthrotldx", None);
        check("btrfs-transacti", Some(Worker::Writeback));
        check("kworker/u8:3", Some(Worker::Writeback));
        check("kworker/u8:3-fl", Some(Worker::Writeback));
        check("kworker/1:1H", Some(Worker::Writeback));
        check("kworker/1:12H", Some(Worker::Writeback));
        check("kworker/12:1H", Some(Worker::Writeback));
        check("kworker/12:12H", Some(Worker::Writeback));
        check("kworker/123:1H", Some(Worker::Writeback));
        check("kworker/123:12H", Some(Worker::Writeback));
        check("kworker/1:1H-kb", Some(Worker::Writeback));
        check("kworker/1:1", None);
        check("kworker/1:12-ev", None);
        check("napi/eth0-8193", Some(Worker::Napi));
        check("iou-sqp-1234", Some(Worker::IoUringPoll));
        check("iou-wrk-1234", None);
        check("ksoftirqd/0", None);
        check("", None);
    }
}
