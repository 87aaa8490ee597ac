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

/// Lowers a word that several CPUs lower at a time, unless it is as low already.
#[inline(always)]
pub unsafe fn lower(word: *mut u64, value: u64) {
    // SAFETY: as the caller says.
    unsafe { replace_while(word, value, |there| there > value) }
}

/// Raises a word that several CPUs raise at a time, unless it is as high already.
#[inline(always)]
pub unsafe fn raise(word: *mut u64, value: u64) {
    // SAFETY: as the caller says.
    unsafe { replace_while(word, value, |there| there < value) }
}

/// The verifier wants a bound. Each try that fails is another CPU's that has moved the word the same way meanwhile: what
/// is given up at last is the time between calls that return together.
const TRIES: u32 = 4;

#[inline(always)]
unsafe fn replace_while(word: *mut u64, value: u64, is_due: impl Fn(u64) -> bool) {
    // SAFETY: the caller's pointer is a live map value, aligned to 8 bytes.
    unsafe {
        let mut there = word.read_volatile();
        for _ in 0..TRIES {
            if !is_due(there) {
                return;
            }
            let before = compare_exchange(word, there, value);
            if before == there {
                return;
            }
            there = before;
        }
    }
}

/// Stores if the word is as expected; gives what it was.
#[inline(always)]
pub unsafe fn compare_exchange(word: *mut u64, expected: u64, value: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let before;
        // SAFETY: the caller's pointer is a live map value, aligned to 8 bytes. The instruction compares with R0.
        unsafe {
            core::arch::asm!(
                "r0 = cmpxchg_64({word} + 0, r0, {value})",
                word = in(reg) word, value = in(reg) value, inout("r0") expected => before, options(nostack)
            );
        }
        before
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        let _ = (word, expected, value);
        unreachable!("probes run in the kernel")
    }
}
