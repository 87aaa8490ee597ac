//! What kernel threads work on, by the function that they run: of a kworker that of its work, of another thread its own.
//! Names of threads prove nothing: kworkers end waits for terminals as well as for disks.

/// What a kernel thread works on. Numbers are those of [`Waker::kernel`](crate::span::Waker::kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Worker {
    /// Nothing of the following, or nobody knows.
    Unknown = 2,
    Journal = 3,
    LoopDevice = 4,
    /// The block throttle.
    Throttle = 5,
    /// Writeback, or other work of a file system or of the block layer.
    Writeback = 6,
    Napi = 7,
    /// io_uring's polling thread, in captures up to November 2026: every completion passes through it, so that the cause
    /// is lost.
    IoUringPoll = 8,
}

/// [`Waker::kernel`](crate::span::Waker::kernel) of a kernel thread in captures up to November 2026, which tell its name only.
pub const NAMED_ONLY: u8 = 1;

impl Worker {
    /// Of a number; [`Worker::Unknown`] of those that are none.
    #[inline(always)]
    pub const fn numbered(number: u8) -> Self {
        match number {
            3 => Self::Journal,
            4 => Self::LoopDevice,
            5 => Self::Throttle,
            6 => Self::Writeback,
            7 => Self::Napi,
            8 => Self::IoUringPoll,
            _ => Self::Unknown,
        }
    }
}

/// Functions of the kernel (6.1 to 6.18) and its modules whose end, or whose progress, ends waits for one certain thing.
pub const FUNCTIONS: &[(&str, Worker)] = &[
    ("kjournald2", Worker::Journal),
    ("xfsaild", Worker::Journal),
    ("xlog_cil_push_work", Worker::Journal),
    ("xlog_ioend_work", Worker::Journal),
    ("xfs_log_worker", Worker::Journal),
    ("loop_workfn", Worker::LoopDevice),
    ("loop_rootcg_workfn", Worker::LoopDevice),
    ("blk_throtl_dispatch_work_fn", Worker::Throttle),
    ("wb_workfn", Worker::Writeback),
    // Direct I/O whose end takes a thread: of a write that changes the file's metadata, or is synchronous.
    ("iomap_dio_complete_work", Worker::Writeback),
    ("dio_aio_complete_work", Worker::Writeback),
    ("backing_aio_complete_work", Worker::Writeback),
    ("aio_fsync_work", Worker::Writeback),
    ("bio_dirty_fn", Worker::Writeback),
    ("blk_mq_run_work_fn", Worker::Writeback),
    ("blk_mq_requeue_work", Worker::Writeback),
    ("blk_mq_timeout_work", Worker::Writeback),
    ("ext4_end_io_rsv_work", Worker::Writeback),
    ("xfs_end_io", Worker::Writeback),
    ("xfs_buf_ioend_work", Worker::Writeback),
    ("xfs_inodegc_worker", Worker::Writeback),
    ("xfs_btree_split_worker", Worker::Writeback),
    ("btrfs_work_helper", Worker::Writeback),
    // Up to 6.18, and since.
    ("btrfs_end_bio_work", Worker::Writeback),
    ("simple_end_io_work", Worker::Writeback),
    ("transaction_kthread", Worker::Writeback),
    ("issue_flush_thread", Worker::Writeback),
    // fscrypt, fsverity: what was read is not there before.
    ("decrypt_work", Worker::Writeback),
    ("verity_work", Worker::Writeback),
    ("md_thread", Worker::Writeback),
    ("raid5_do_work", Worker::Writeback),
    ("md_submit_flush_data", Worker::Writeback),
    ("dm_wq_work", Worker::Writeback),
    ("flush_expired_bios", Worker::Writeback),
    ("kcryptd_crypt", Worker::Writeback),
    ("kcryptd_io_read_work", Worker::Writeback),
    ("dmcrypt_write", Worker::Writeback),
    ("recv_work", Worker::Writeback),
    ("nvme_tcp_io_work", Worker::Writeback),
    ("napi_threaded_poll", Worker::Napi),
];

/// Whether a call of x86-64 may sleep for the file behind its first argument.
#[inline(always)]
pub const fn is_of_file(syscall: i32) -> bool {
    matches!(
        syscall,
        0 | 1 // read, write
        | 17..=20 // pread64, pwrite64, readv, writev
        | 74 | 75 | 77 // fsync, fdatasync, ftruncate
        | 217 // getdents64
        | 277 | 285 // sync_file_range, fallocate
        | 295 | 296 // preadv, pwritev
        | 306 // syncfs
        | 326..=328 // copy_file_range, preadv2, pwritev2
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_has_its_number() {
        for (function, worker) in FUNCTIONS {
            assert_eq!(Worker::numbered(*worker as u8), *worker, "{function}");
        }
        assert_eq!(Worker::numbered(NAMED_ONLY), Worker::Unknown);
        assert_eq!(Worker::numbered(Worker::IoUringPoll as u8), Worker::IoUringPoll);
    }
}
