//! Reads of kernel structures at offsets that the daemon found in BTF.

use abi::{
    fields::{FIELDS, Field, MISSING},
    sockets::without_turn,
};
#[cfg(target_arch = "bpf")]
use aya_ebpf::helpers::generated::bpf_get_current_task;
use aya_ebpf::helpers::{bpf_probe_read_kernel, bpf_probe_read_kernel_buf, generated::bpf_get_socket_cookie};

/// Byte offsets, in the order of [`Field::ALL`]; written by the daemon before load, read-only after.
#[unsafe(no_mangle)]
static OFFSETS: [u32; FIELDS] = [MISSING; FIELDS];

#[inline(always)]
pub fn offset(field: Field) -> usize {
    // SAFETY: in bounds; volatile because the daemon replaces the value that the compiler sees.
    unsafe { (&raw const OFFSETS).cast::<u32>().add(field as usize).read_volatile() as usize }
}

/// Whether the kernel has a field. Only programs that ask first may read one that it lacks; the kernel's verifier knows the
/// answer, and leaves out what does not apply.
#[inline(always)]
pub fn has(field: Field) -> bool {
    offset(field) != MISSING as usize
}

/// Loads a field through a pointer whose type the verifier knows: a tracepoint's argument, or a pointer that
/// was loaded from one. The load faults safely, and gives 0, where the pointer is stale.
#[inline(always)]
pub unsafe fn load<T: Copy>(base: *const u8, field: Field) -> T {
    // SAFETY: the verifier refuses any pointer or offset that is not that of a kernel structure's field.
    unsafe { base.add(offset(field)).cast::<T>().read_volatile() }
}

/// Reads a field through the helper: four times the cost of [`load`], for what the verifier cannot type.
#[inline(always)]
pub unsafe fn read<T: Copy>(base: *const u8, field: Field) -> Option<T> {
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_kernel(base.add(offset(field)).cast::<T>()).ok() }
}

/// Copies a field's bytes; `into` stays as it was where the address cannot be read.
#[inline(always)]
pub unsafe fn read_bytes(base: *const u8, field: Field, into: &mut [u8; 16]) {
    // SAFETY: the helper checks the address.
    let _ = unsafe { bpf_probe_read_kernel_buf(base.add(offset(field)), into) };
}

/// A pointer as a number. The verifier lets no program compute with a pointer, but with the difference of two, here to the
/// current task.
#[inline(always)]
pub unsafe fn address(pointer: *const u8, current_task: *const u8) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let mut difference = pointer as u64;
        // SAFETY: changes a register; written out, so that the compiler cannot rearrange the sum. The helper takes nothing.
        unsafe {
            core::arch::asm!(
                "{difference} -= {task}",
                difference = inout(reg) difference, task = in(reg) current_task, options(nomem, nostack)
            );
            bpf_get_current_task().wrapping_add(difference)
        }
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        let _ = (pointer, current_task);
        unreachable!("probes run in the kernel")
    }
}

/// What a socket is known by: the used bits of its cookie, which it is given when somebody asks for the first time.
#[inline(always)]
pub unsafe fn cookie(sk: *const u8) -> u64 {
    // SAFETY: the caller's sk is a struct sock.
    unsafe {
        match given_cookie(sk) {
            0 => without_turn(bpf_get_socket_cookie(sk.cast_mut().cast())),
            cookie => cookie,
        }
    }
}

/// The same, 0 where nobody has asked yet.
#[inline(always)]
pub unsafe fn given_cookie(sk: *const u8) -> u64 {
    // SAFETY: the caller's sk is a struct sock.
    without_turn(unsafe { load(sk, Field::SockCookie) })
}
