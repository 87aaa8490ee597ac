//! Whose direct I/O a bio is that a kernel thread submits, because it was throttled.

use abi::fields::Field;
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

use crate::{
    kernel::{has, load, read},
    maps::DIRECT_CALLS,
    target,
};

/// `iomap_dio_rw_begin(struct kiocb *iocb, …)`: in the caller's context, before it makes a bio (6.6).
#[btf_tracepoint(function = "iomap_dio_rw_begin")]
pub fn direct_begin(ctx: BtfTracePointContext) -> i32 {
    let call: u64 = ctx.arg(0);
    match target::current() {
        // SAFETY: a live slot.
        Some(process) => _ = DIRECT_CALLS.insert(call, unsafe { (*process).serial }, 0),
        // The address may have been a target's: it is on the stack of a thread, or in a request.
        None => _ = DIRECT_CALLS.remove(call),
    }
    0
}

/// The process whose call a bio is part of. ext4 and XFS make direct I/O with iomap, which hangs its `iomap_dio` on
/// the bio (6.18); what others hang there leads to no call that is known.
#[inline(always)]
pub unsafe fn caller(bio: *const u8) -> Option<u64> {
    if !has(Field::IomapDioIocb) || !target::is_kernel_thread() {
        return None;
    }
    // SAFETY: the caller's bio is a struct bio; the helper checks the address behind it; the value is copied.
    unsafe {
        let call = read::<u64>(load::<*const u8>(bio, Field::BioPrivate), Field::IomapDioIocb)?;
        DIRECT_CALLS.get(call).copied()
    }
}
