//! A program that does nothing: what the kernel's statistics take of their own in each run that they count.

use aya_ebpf::{macros::socket_filter, programs::SkBuffContext};

/// Never attached: the daemon has the kernel run it while the statistics are on.
#[socket_filter]
pub fn empty(_ctx: SkBuffContext) -> i64 {
    0
}
