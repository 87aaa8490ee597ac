//! What calls past the tasks' own accounting moved of files: io_uring, libaio and splice. Sockets that they read and write
//! count too, as they do in the accounting; pipes between splices do not.

use abi::{
    disk::{READ, WRITE},
    fields::Field,
    file_ways::{FileWay, WayBytes, WayKey},
    loss::Loss,
    target::Process,
};
use aya_ebpf::{
    helpers::generated::{bpf_get_current_task_btf, bpf_task_pt_regs},
    macros::{btf_tracepoint, fentry, fexit},
    programs::{BtfTracePointContext, FEntryContext, FExitContext},
};

use crate::{
    atomic,
    emit::lose,
    kernel::{load, read},
    maps::{AIO_CONTEXTS, DIRECT_CALLS, NO_EXIST, WAY_BYTES},
    target,
};

/// Bits of `kiocb.ki_flags` (6.1 to 6.18; the second since 6.9, and in stable kernels before).
const IOCB_WRITE: i32 = 1 << 18;
const IOCB_AIO_RW: i32 = 1 << 23;

/// Calls of x86-64.
const IO_SUBMIT: u64 = 209;
const SPLICE: u64 = 275;

/// `io_uring_complete(struct io_ring_ctx *ctx, void *req, …)`: in a thread of the process, whose worker or poller it may be. A
/// request that asked for no completion when it succeeds does not pass here.
#[btf_tracepoint(function = "io_uring_complete")]
pub fn ring_complete(ctx: BtfTracePointContext) -> i32 {
    let Some(process) = target::current() else { return 0 };
    let request: *const u8 = ctx.arg(1);
    // SAFETY: a live slot; argument 1 is a struct io_kiocb or NULL, and the helper checks the address.
    unsafe {
        if let Some(opcode) = read::<u8>(request, Field::RingOpcode)
            && let Some(operation) = operation_of(opcode)
            && let Some(result) = read::<i32>(request, Field::RingResult)
        {
            moved((*process).serial, FileWay::IoUring, operation, result.into());
        }
    }
    0
}

/// `int io_submit_one(struct kioctx *ctx, struct iocb *user_iocb, bool compat)`: in the process whose context it is.
#[fentry(function = "io_submit_one")]
pub fn aio_submit(ctx: FEntryContext) -> i32 {
    let context: u64 = ctx.arg(0);
    match target::current() {
        // SAFETY: a live slot.
        Some(process) => _ = AIO_CONTEXTS.insert(context, unsafe { (*process).serial }, 0),
        // The address may have been a target's.
        None => _ = AIO_CONTEXTS.remove(context),
    }
    0
}

/// `void aio_complete_rw(struct kiocb *kiocb, long res)`: of libaio's reads and writes, at once or from an interrupt.
#[fentry(function = "aio_complete_rw")]
pub fn aio_done(ctx: FEntryContext) -> i32 {
    let call: *const u8 = ctx.arg(0);
    // SAFETY: argument 0 is a kiocb, with which its aio_kiocb begins; the helper checks the address; the value is copied.
    unsafe {
        if let Some(context) = read::<u64>(call, Field::AioContext)
            && let Some(process) = AIO_CONTEXTS.get(context).copied()
        {
            moved(process, FileWay::Libaio, direction(load(call, Field::CallFlags)), ctx.arg(1));
        }
    }
    0
}

/// `iomap_dio_complete(struct kiocb *iocb, int error, ssize_t ret)`: libaio's direct I/O on file systems that use iomap, where
/// functions cannot be watched. Whose call it is was noted as it began; see `direct.rs`.
#[btf_tracepoint(function = "iomap_dio_complete")]
pub fn aio_direct(ctx: BtfTracePointContext) -> i32 {
    let call: *const u8 = ctx.arg(0);
    // SAFETY: argument 0 is a kiocb; the value is copied.
    unsafe {
        let flags: i32 = load(call, Field::CallFlags);
        if flags & IOCB_AIO_RW != 0
            && let Some(process) = DIRECT_CALLS.get(ctx.arg::<u64>(0)).copied()
        {
            moved(process, FileWay::Libaio, direction(flags), ctx.arg(2));
        }
    }
    0
}

/// `ssize_t do_splice(struct file *in, loff_t *off_in, struct file *out, loff_t *off_out, size_t len, unsigned int flags)`:
/// of the call and of io_uring, one of both ends at least a pipe.
#[fexit(function = "do_splice")]
pub fn splice_done(ctx: FExitContext) -> i32 {
    let Some(process) = target::current() else { return 0 };
    let result: i64 = ctx.arg(6);
    // SAFETY: a live slot; arguments 0 and 2 are files.
    unsafe {
        for (file, operation) in [(ctx.arg::<*const u8>(0), READ), (ctx.arg::<*const u8>(2), WRITE)] {
            if !is_pipe(file) {
                moved((*process).serial, FileWay::Splice, operation, result);
            }
        }
    }
    0
}

/// Notes that a target's thread is in a call that kernels without the probes above do not count.
#[inline(always)]
pub unsafe fn note_call(process: *mut Process) {
    // SAFETY: the current task always exists, and the helper gives its registers; the caller's slot is live.
    unsafe {
        let task: *const u8 = bpf_get_current_task_btf().cast_const().cast();
        let registers = bpf_task_pt_regs(task.cast_mut().cast()) as *const u8;
        if registers.is_null() {
            return;
        }
        match load::<u64>(registers, Field::RegsSyscall) {
            IO_SUBMIT => note((*process).serial, FileWay::Libaio),
            SPLICE => note((*process).serial, FileWay::Splice),
            _ => {}
        }
    }
}

#[inline(always)]
fn note(process: u64, way: FileWay) {
    _ = bytes_of(WayKey { process, way: way as u32, operation: READ });
}

/// Adds what a call returned, unless it failed.
#[inline(always)]
unsafe fn moved(process: u64, way: FileWay, operation: u32, result: i64) {
    if result <= 0 {
        return;
    }
    if let Some(bytes) = bytes_of(WayKey { process, way: way as u32, operation }) {
        // SAFETY: a live map value.
        unsafe {
            atomic::add(&raw mut (*bytes).bytes, result as u64);
            atomic::add(&raw mut (*bytes).calls, 1);
        }
    }
}

#[inline(always)]
fn bytes_of(key: WayKey) -> Option<*mut WayBytes> {
    let found = WAY_BYTES.get_ptr_mut(key);
    if found.is_some() {
        return found;
    }
    let _ = WAY_BYTES.insert(key, WayBytes::default(), NO_EXIST);
    let made = WAY_BYTES.get_ptr_mut(key);
    if made.is_none() {
        lose(Loss::WayTableFull);
    }
    made
}

/// Of `io_uring_sqe.opcode`: plain, vectored, into registered buffers, and both.
#[inline(always)]
fn operation_of(opcode: u8) -> Option<u32> {
    /// `IORING_OP_…`
    const READV: u8 = 1;
    const WRITEV: u8 = 2;
    const READ_FIXED: u8 = 4;
    const WRITE_FIXED: u8 = 5;
    const READ_PLAIN: u8 = 22;
    const WRITE_PLAIN: u8 = 23;
    const READV_FIXED: u8 = 60;
    const WRITEV_FIXED: u8 = 61;
    match opcode {
        READV | READ_FIXED | READ_PLAIN | READV_FIXED => Some(READ),
        WRITEV | WRITE_FIXED | WRITE_PLAIN | WRITEV_FIXED => Some(WRITE),
        _ => None,
    }
}

#[inline(always)]
fn direction(call_flags: i32) -> u32 {
    if call_flags & IOCB_WRITE != 0 { WRITE } else { READ }
}

#[inline(always)]
unsafe fn is_pipe(file: *const u8) -> bool {
    const S_IFMT: u16 = 0o170_000;
    const S_IFIFO: u16 = 0o010_000;
    // SAFETY: the caller's file is one, and its inode is loaded from it.
    unsafe {
        let inode: *const u8 = load(file, Field::FileInode);
        load::<u16>(inode, Field::InodeMode) & S_IFMT == S_IFIFO
    }
}
