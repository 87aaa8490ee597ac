//! System calls of the calling thread, by seccomp: those that are named, and `EPERM` for all others.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use crate::collect::probes::events;

/// Commands of `bpf()` that make nothing (`enum bpf_cmd`): elements of maps are read, written and removed, alone and many
/// together, maps and programs are asked about, and programs of recordings are attached.
const BPF_COMMANDS: [u64; 9] = [
    1,  // BPF_MAP_LOOKUP_ELEM
    2,  // BPF_MAP_UPDATE_ELEM
    3,  // BPF_MAP_DELETE_ELEM
    4,  // BPF_MAP_GET_NEXT_KEY
    15, // BPF_OBJ_GET_INFO_BY_FD
    17, // BPF_RAW_TRACEPOINT_OPEN, which attaches a program that is loaded, to what it was loaded for
    21, // BPF_MAP_LOOKUP_AND_DELETE_ELEM
    24, // BPF_MAP_LOOKUP_BATCH
    25, // BPF_MAP_LOOKUP_AND_DELETE_BATCH
];

/// Memory, time, threads, and descriptors that are open.
const COMMON: [libc::c_long; 45] = [
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_getdents64,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_newfstatat,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sendto,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_stat,
    libc::SYS_statx,
    libc::SYS_tgkill,
    libc::SYS_write,
    libc::SYS_writev,
];

/// `/proc`, control groups, and systemd's socket. Files are opened by [`of_the_collector`]'s rule.
const COLLECTING: [libc::c_long; 9] = [
    libc::SYS_access,
    libc::SYS_connect,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getsockopt,
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    libc::SYS_sysinfo,
    libc::SYS_uname,
];

/// Connections, and the state folder.
const DOOR: [libc::c_long; 13] = [
    libc::SYS_accept4,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getsockopt,
    libc::SYS_linkat,
    libc::SYS_openat,
    libc::SYS_recvfrom,
    libc::SYS_rename,
    libc::SYS_renameat2,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
];

/// For the thread that reads maps and `/proc`.
pub fn of_the_collector() -> Result<()> {
    const WRITING: u64 =
        (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_TMPFILE & !libc::O_DIRECTORY) as u64;
    let bpf = BPF_COMMANDS.map(|command| rule(0, SeccompCmpOp::Eq, command));
    let mut rules = allowed(COMMON.into_iter().chain(COLLECTING));
    rules.insert(libc::SYS_bpf, bpf.into_iter().collect::<Result<_>>()?);
    // Of samples, which are open since the start.
    let on_and_off = [events::ENABLE, events::DISABLE];
    let on_and_off = on_and_off.map(|request| rule(1, SeccompCmpOp::Eq, request));
    rules.insert(libc::SYS_ioctl, on_and_off.into_iter().collect::<Result<_>>()?);
    rules.insert(libc::SYS_openat, vec![rule(2, SeccompCmpOp::MaskedEq(WRITING), 0)?]);
    rules.insert(libc::SYS_socket, vec![rule(0, SeccompCmpOp::Eq, libc::AF_UNIX as u64)?]);
    rules.insert(libc::SYS_prctl, vec![rule(0, SeccompCmpOp::Eq, libc::PR_SET_NAME as u64)?]);
    apply(rules)
}

/// For threads that read what others wrote.
pub fn of_the_door() -> Result<()> {
    let mut rules = allowed(COMMON.into_iter().chain(DOOR));
    rules.insert(libc::SYS_prctl, vec![rule(0, SeccompCmpOp::Eq, libc::PR_SET_NAME as u64)?]);
    apply(rules)
}

fn allowed(calls: impl Iterator<Item = libc::c_long>) -> BTreeMap<i64, Vec<SeccompRule>> {
    calls.map(|call| (call, Vec::new())).collect()
}

/// That the low 32 bits of an argument are so.
fn rule(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

fn apply(rules: BTreeMap<i64, Vec<SeccompRule>>) -> Result<()> {
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let filter =
        SeccompFilter::new(rules, refused, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?;
    let program = BpfProgram::try_from(filter).context("compile the filter of system calls")?;
    seccompiler::apply_filter(&program).context("filter system calls")
}
