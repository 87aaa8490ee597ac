//! What a wait was for, from the context of the wake-up that ends it.
//!
//! The innermost context decides; a timer counts as the disk's where the sleeper waited for I/O, as in
//! `balance_dirty_pages`. In task context it is the waker: a kernel thread that acts for a device stands for the
//! device, any other task for itself.

use aya_ebpf::helpers::{
    bpf_get_current_comm,
    generated::{bpf_get_current_task_btf, bpf_task_pt_regs},
};
use profiler_ebpf::abi::{
    context::{
        DISK, HRTIMER, SOFTIRQ_BLOCK, SOFTIRQ_HRTIMER, SOFTIRQ_NET_RX, SOFTIRQ_NET_TX, SOFTIRQ_TIMER, TASK,
        Wait,
    },
    fields::Field,
};

use crate::{kernel::load, probes::context};

/// Where `task_struct.in_iowait` is: a bit field, so the bit's number inside the structure. Set by the daemon.
#[unsafe(no_mangle)]
static IN_IOWAIT_BIT: u32 = 0;

/// `PF_KTHREAD` of `task_struct.flags`
const PF_KTHREAD: u32 = 0x0020_0000;

/// `io_uring_enter` on x86-64: it sets `in_iowait` for sockets too (6.1.39).
const IO_URING_ENTER: u64 = 426;

/// To be called in `sched_waking`, for the task that is woken.
#[inline(always)]
pub unsafe fn of(sleeper: *const u8) -> Wait {
    match context::innermost() {
        SOFTIRQ_NET_RX | SOFTIRQ_NET_TX => Wait::Network,
        SOFTIRQ_BLOCK | DISK => Wait::Disk,
        // SAFETY: the caller's sleeper is a task_struct.
        HRTIMER | SOFTIRQ_TIMER | SOFTIRQ_HRTIMER => match unsafe { waits_for_io(sleeper) } {
            true => Wait::Disk,
            false => Wait::Timer,
        },
        TASK => by_task(),
        _ => Wait::Other,
    }
}

#[inline(always)]
unsafe fn waits_for_io(sleeper: *const u8) -> bool {
    // SAFETY: the caller's sleeper is a task_struct; the daemon found the bit in BTF.
    unsafe {
        let bit = (&raw const IN_IOWAIT_BIT).read_volatile();
        if sleeper.add(bit as usize / 8).read_volatile() >> (bit % 8) & 1 == 0 {
            return false;
        }
        let registers = bpf_task_pt_regs(sleeper.cast_mut().cast());
        registers == 0 || load::<u64>(registers as *const u8, Field::RegsSyscall) != IO_URING_ENTER
    }
}

/// The current task is the waker.
#[inline(always)]
fn by_task() -> Wait {
    // SAFETY: the current task always exists.
    let flags: u32 = unsafe { load(bpf_get_current_task_btf().cast_const().cast(), Field::TaskFlags) };
    if flags & PF_KTHREAD == 0 {
        return Wait::Thread;
    }
    let Ok(name) = bpf_get_current_comm() else { return Wait::Other };
    by_kernel_thread(&name)
}

/// Kernel threads by name. An unbound kworker is writeback's or a file system's nearly always, where a target
/// sleeps on it; `kworker/0:1H` is kblockd's.
#[inline(always)]
fn by_kernel_thread(name: &[u8; 16]) -> Wait {
    match name {
        [b'j', b'b', b'd', b'2', b'/', ..]
        | [b'x', b'f', b's', b'a', b'i', b'l', b'd', ..]
        | [b'b', b't', b'r', b'f', b's', b'-', ..]
        | [b'k', b't', b'h', b'r', b'o', b't', b'l', b'd', ..]
        | [b'l', b'o', b'o', b'p', b'0'..=b'9', ..]
        | [b'k', b'w', b'o', b'r', b'k', b'e', b'r', b'/', b'u', ..]
        | [b'k', b'w', b'o', b'r', b'k', b'e', b'r', b'/', _, b':', _, b'H', ..]
        | [b'k', b'w', b'o', b'r', b'k', b'e', b'r', b'/', _, _, b':', _, b'H', ..] => Wait::Disk,
        [b'n', b'a', b'p', b'i', b'/', ..] => Wait::Network,
        _ => Wait::Other,
    }
}
