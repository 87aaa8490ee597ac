//! Atomic operations on map values. `core`'s atomics have no `fetch_*` on the BPF target; the instructions
//! (since 5.12) do exist.

/// Adds, and gives the value before.
#[inline(always)]
pub unsafe fn fetch_add(counter: *mut u64, value: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let mut value = value;
        // SAFETY: the caller's pointer is a live map value, aligned to 8 bytes.
        unsafe {
            core::arch::asm!(
                "{value} = atomic_fetch_add((u64 *)({counter} + 0), {value})",
                value = inout(reg) value, counter = in(reg) counter, options(nostack)
            );
        }
        value
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        let _ = (counter, value);
        unreachable!("probes run in the kernel")
    }
}

/// Adds; cheaper than [`fetch_add`] where the old value is not needed.
#[inline(always)]
pub unsafe fn add(counter: *mut u64, value: u64) {
    #[cfg(target_arch = "bpf")]
    // SAFETY: the caller's pointer is a live map value, aligned to 8 bytes.
    unsafe {
        core::arch::asm!(
            "lock *(u64 *)({counter} + 0) += {value}",
            value = in(reg) value, counter = in(reg) counter, options(nostack)
        );
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        let _ = (counter, value);
        unreachable!("probes run in the kernel")
    }
}

/// Adds to a counter that nobody else changes meanwhile, after whatever was stored before. Cheaper than [`add`]: no locked
/// instruction.
#[inline(always)]
pub unsafe fn add_alone(counter: *mut u64, value: u64) {
    #[cfg(target_arch = "bpf")]
    // SAFETY: the caller's pointer is a live map value, aligned to 8 bytes. That the instruction may change any memory keeps
    // the compiler from moving other stores behind it; x86 keeps their order by itself.
    unsafe {
        let sum = counter.read_volatile().wrapping_add(value);
        core::arch::asm!(
            "*(u64 *)({counter} + 0) = {sum}",
            sum = in(reg) sum, counter = in(reg) counter, options(nostack)
        );
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        let _ = (counter, value);
        unreachable!("probes run in the kernel")
    }
}

/// Stores, and gives the value before.
#[inline(always)]
pub unsafe fn exchange(word: *mut u64, value: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let mut value = value;
        // SAFETY: the caller's pointer is a live map value, aligned to 8 bytes.
        unsafe {
            core::arch::asm!(
                "{value} = xchg_64({word} + 0, {value})",
                value = inout(reg) value, word = in(reg) word, options(nostack)
            );
        }
        value
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        let _ = (word, value);
        unreachable!("probes run in the kernel")
    }
}
