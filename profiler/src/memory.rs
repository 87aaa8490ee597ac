//! Keeps the allocator from keeping what the daemon has freed.
//!
//! glibc gives each new thread a heap of its own, up to eight for each CPU, and takes back the free end of none but the
//! first. A matrix has new threads in each run: whichever heap a run's recording comes by keeps the most that it ever
//! held, stacks' symbols above all. And what was freed in large pieces once makes glibc keep larger ones afterwards.

/// To be called once, before there is a second thread.
pub fn keep_small() {
    #[cfg(target_env = "gnu")]
    {
        /// Larger pieces are mappings of their own, which go as they are freed; what is set here does not grow.
        const MAPPED_BYTES: i32 = 1 << 20;
        /// What the heap may keep free at its end.
        const KEPT_BYTES: i32 = 1 << 20;
        // SAFETY: sets numbers of the allocator, and there is no other thread yet.
        unsafe {
            // The threads of a recording hardly ever allocate at the same time.
            libc::mallopt(libc::M_ARENA_MAX, 1);
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
        }
    }
}

/// Hands free memory back to the kernel: also pieces in the middle of the heap.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes the allocator's own locks; a padding of 0 is valid.
    unsafe {
        libc::malloc_trim(0);
    }
}
