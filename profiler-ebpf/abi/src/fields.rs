//! Kernel structure fields that the probes read. Rust eBPF has no CO-RE: the daemon looks each field up in
//! the running kernel's BTF and puts its byte offset into `OFFSETS` before the object is loaded.

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident = $structure:literal, $path:literal, $size:literal;)*) => {
        /// A field; its number is the index into `OFFSETS`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Field { $($(#[$doc])* $variant,)* }

        impl Field {
            pub const ALL: &[Field] = &[$(Field::$variant,)*];

            /// The structure, and the path of members inside it, separated by dots. Where kernels name the field
            /// differently, paths are separated by bars, the newest name first.
            pub const fn path(self) -> (&'static str, &'static str) {
                match self { $(Field::$variant => ($structure, $path),)* }
            }

            /// Bytes that the probes load; a kernel where the field has another size is refused.
            pub const fn size_bytes(self) -> u64 {
                match self { $(Field::$variant => $size,)* }
            }
        }
    };
}

fields! {
    TaskPid = "task_struct", "pid", 4;
    TaskTgid = "task_struct", "tgid", 4;
    TaskStartTime = "task_struct", "start_time", 8;
    TaskSumExec = "task_struct", "se.sum_exec_runtime", 8;
    /// The same as it was picked to run.
    TaskPickedExec = "task_struct", "se.prev_sum_exec_runtime", 8;
    TaskOnCpu = "task_struct", "on_cpu", 4;
    TaskFlags = "task_struct", "flags", 4;
    TaskComm = "task_struct", "comm", 16;
    TaskStack = "task_struct", "stack", 8;
    TaskSignal = "task_struct", "signal", 8;
    TaskRchar = "task_struct", "ioac.rchar", 8;
    TaskWchar = "task_struct", "ioac.wchar", 8;
    TaskReadBytes = "task_struct", "ioac.read_bytes", 8;
    TaskWriteBytes = "task_struct", "ioac.write_bytes", 8;
    /// Since 6.18; before, [`Field::QueueThrottled`]. Without both, off-CPU time because of a quota is run queue time.
    TaskThrottled = "task_struct", "throttled", 1;
    TaskGroupLeader = "task_struct", "group_leader", 8;
    /// Of a kernel thread its `struct kthread` (5.17).
    TaskWorkerPrivate = "task_struct", "worker_private", 8;
    TaskFiles = "task_struct", "files", 8;
    KthreadFunction = "kthread", "threadfn", 8;
    KthreadData = "kthread", "data", 8;
    WorkerFunction = "worker", "current_func", 8;
    FilesTable = "files_struct", "fdt", 8;
    TableSize = "fdtable", "max_fds", 4;
    TableFiles = "fdtable", "fd", 8;
    FileInode = "file", "f_inode", 8;
    TaskCgroups = "task_struct", "cgroups", 8;
    /// The version 2 group.
    CssSetDefault = "css_set", "dfl_cgrp", 8;
    CgroupParent = "cgroup", "self.parent", 8;
    CgroupRoot = "cgroup", "root", 8;
    CgroupRootHierarchy = "cgroup_root", "hierarchy_id", 4;
    CgroupNode = "cgroup", "kn", 8;
    NodeId = "kernfs_node", "id", 8;
    RegsSyscall = "pt_regs", "orig_ax", 8;
    RegsFirst = "pt_regs", "di", 8;
    RegsSecond = "pt_regs", "si", 8;
    RegsThird = "pt_regs", "dx", 8;
    RegsFifth = "pt_regs", "r8", 8;
    TaskQueue = "task_struct", "se.cfs_rq", 8;
    QueueThrottled = "cfs_rq", "throttle_count", 4;
    SignalLive = "signal_struct", "live.counter", 4;
    SocketSk = "socket", "sk", 8;
    MessageIterType = "msghdr", "msg_iter.iter_type", 1;
    /// 0 until somebody asked for it.
    SockCookie = "sock", "__sk_common.skc_cookie.counter", 8;
    SockFamily = "sock", "__sk_common.skc_family", 2;
    SockProtocol = "sock", "sk_protocol", 2;
    SockState = "sock", "__sk_common.skc_state", 1;
    SockLocalPort = "sock", "__sk_common.skc_num", 2;
    SockPeerPort = "sock", "__sk_common.skc_dport", 2;
    SockLocalV4 = "sock", "__sk_common.skc_rcv_saddr", 4;
    SockPeerV4 = "sock", "__sk_common.skc_daddr", 4;
    SockLocalV6 = "sock", "__sk_common.skc_v6_rcv_saddr", 16;
    SockPeerV6 = "sock", "__sk_common.skc_v6_daddr", 16;
    SockNet = "sock", "__sk_common.skc_net.net", 8;
    SockFlags = "sock", "__sk_common.skc_flags", 8;
    /// Whether a task holds the socket's lock. What arrives meanwhile waits for the task.
    SockOwned = "sock", "sk_lock.owned", 4;
    /// How many sends wait for room.
    SockWritePending = "sock", "sk_write_pending", 4;
    SockRcvbuf = "sock", "sk_rcvbuf", 4;
    SockSndbuf = "sock", "sk_sndbuf", 4;
    SockMaxAckBacklog = "sock", "sk_max_ack_backlog", 4;
    SkbSk = "sk_buff", "sk", 8;
    SkbCb = "sk_buff", "cb", 48;
    SkbLen = "sk_buff", "len", 4;
    SkbHead = "sk_buff", "head", 8;
    SkbNetworkHeader = "sk_buff", "network_header", 2;
    SkbTransportHeader = "sk_buff", "transport_header", 2;
    SockPacingStatus = "sock", "sk_pacing_status", 4;
    NetInum = "net", "ns.inum", 4;
    TcpBytesReceived = "tcp_sock", "bytes_received", 8;
    TcpBytesSent = "tcp_sock", "bytes_sent", 8;
    TcpBytesAcked = "tcp_sock", "bytes_acked", 8;
    TcpBytesRetransmitted = "tcp_sock", "bytes_retrans", 8;
    TcpCopiedSeq = "tcp_sock", "copied_seq", 4;
    TcpRcvNxt = "tcp_sock", "rcv_nxt", 4;
    TcpWriteSeq = "tcp_sock", "write_seq", 4;
    TcpSndNxt = "tcp_sock", "snd_nxt", 4;
    TcpSndUna = "tcp_sock", "snd_una", 4;
    TcpSndSml = "tcp_sock", "snd_sml", 4;
    TcpSndWnd = "tcp_sock", "snd_wnd", 4;
    TcpMssCache = "tcp_sock", "mss_cache", 4;
    /// 8 times the smoothed round trip time.
    TcpSrttUs = "tcp_sock", "srtt_us", 4;
    TcpSndCwnd = "tcp_sock", "snd_cwnd", 4;
    TcpPacketsOut = "tcp_sock", "packets_out", 4;
    TcpSackedOut = "tcp_sock", "sacked_out", 4;
    TcpLostOut = "tcp_sock", "lost_out", 4;
    TcpRetransOut = "tcp_sock", "retrans_out", 4;
    TcpClockCache = "tcp_sock", "tcp_clock_cache", 8;
    TcpWstampNs = "tcp_sock", "tcp_wstamp_ns", 8;
    BioOpf = "bio", "bi_opf", 4;
    BioFlags = "bio", "bi_flags", 2;
    BioBdev = "bio", "bi_bdev", 8;
    BioSize = "bio", "bi_iter.bi_size", 4;
    BioIndex = "bio", "bi_iter.bi_idx", 4;
    BioVec = "bio", "bi_io_vec", 8;
    BioPrivate = "bio", "bi_private", 8;
    BioVecPage = "bio_vec", "bv_page", 8;
    PageCompoundHead = "page", "compound_head", 8;
    PageMapping = "page", "mapping", 8;
    CallFlags = "kiocb", "ki_flags", 4;
    /// An `aio_kiocb` begins with its `kiocb`.
    AioContext = "aio_kiocb", "ki_ctx", 8;
    RingOpcode = "io_kiocb", "opcode", 1;
    RingResult = "io_kiocb", "cqe.res", 4;
    IomapDioIocb = "iomap_dio", "iocb", 8;
    FolioFlags = "folio", "flags", 8;
    FolioMapping = "folio", "mapping", 8;
    FolioPages = "folio", "_nr_pages|_folio_nr_pages", 4;
    MappingHost = "address_space", "host", 8;
    InodeMode = "inode", "i_mode", 2;
    InodeNumber = "inode", "i_ino", 8;
    InodeGeneration = "inode", "i_generation", 4;
    InodeSuperblock = "inode", "i_sb", 8;
    SuperblockDevice = "super_block", "s_dev", 4;
    SuperblockBdev = "super_block", "s_bdev", 8;
    BlockDeviceDisk = "block_device", "bd_disk", 8;
    BlockDeviceNumber = "block_device", "bd_dev", 4;
    DiskMajor = "gendisk", "major", 4;
    DiskFirstMinor = "gendisk", "first_minor", 4;
    DiskQueue = "gendisk", "queue", 8;
    RequestQueue = "request", "q", 8;
    RequestOpf = "request", "cmd_flags", 4;
    RequestFlags = "request", "rq_flags", 4;
    RequestBio = "request", "bio", 8;
    RequestBytes = "request", "__data_len", 4;
    RequestStartTime = "request", "start_time_ns", 8;
    QueueDisk = "request_queue", "disk", 8;
    /// 0 of a device without requests.
    QueueMqOps = "request_queue", "mq_ops", 8;
    TimerExpires = "hrtimer", "_softexpires", 8;
    TimerState = "hrtimer", "state", 1;
    TimerBase = "hrtimer", "base", 8;
    ClockOffset = "hrtimer_clock_base", "offset", 8;
    ClockRunning = "hrtimer_clock_base", "running", 8;
    /// Since 6.13: a program of tracing has a stack of its own, of which each function may use 512 bytes.
    ProgPrivateStack = "bpf_prog_aux", "priv_stack_ptr", 8;
}

/// How many offsets the object holds.
pub const FIELDS: usize = Field::ALL.len();

/// The offset of a field that this kernel does not have. Programs that need it are not loaded.
pub const MISSING: u32 = u32::MAX;
