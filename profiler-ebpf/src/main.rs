//! The eBPF object. On the host this is a stub, so that `cargo clippy --workspace` reads the probes too.
#![cfg_attr(target_arch = "bpf", no_std, no_main, feature(asm_experimental_arch))]
#![cfg_attr(not(target_arch = "bpf"), allow(dead_code, reason = "the host build only checks the probes"))]

mod atomic;
mod counters;
mod emit;
mod ids;
mod kernel;
mod maps;
mod places;
mod probes;
mod target;
mod zero;

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    loop {}
}

// Several helpers (`bpf_skc_to_tcp_sock` among them) are for GPL-compatible programs only.
#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(not(target_arch = "bpf"))]
fn main() {}
