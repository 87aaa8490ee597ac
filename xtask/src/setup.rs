//! `cargo xtask setup`: finds or installs what the build and the benchmark need.
//!
//! Every run checks everything, so that a set-up that was interrupted, or overtaken by an update, is repaired. It
//! changes two places: the system's packages, and `.tools/` in the clone:
//!
//! - `bin/bpf-linker`, and `bpf-linker.stamp`, which says what it was built from
//! - `llvm/lib/`: links to the LLVM of the compiler, for the linker
//! - `bpf-toolchain`: the compiler for the probes, read by `profiler/build.rs`
//! - `qemu/`: Debian's qemu for the virtual machines, unless one is on the PATH
//!
//! It does not install rustup or a compiler for the host: without one it would not run.

mod compiler;
mod distribution;
mod forget;
mod linker;
mod llvm;
mod need;
pub mod packages;
mod qemu;
mod services;
mod tell;
mod toolchain;
mod version;
mod way;

use anyhow::Result;
pub use qemu::Qemu;
pub use tell::Tell;

use self::way::Direction;
use crate::workspace;

pub fn setup(tell: Tell) -> Result<()> {
    let way = Direction::of_this_machine();
    if let Direction::Debian { passed_over: Some(reason) } = &way {
        tell.found("nightly", format_args!("not used: {reason}"));
    }

    let mut needs = need::programs();
    needs.extend(way.need());
    packages::install(&needs, tell)?;

    let compiler = way.compiler()?;
    tell.found("compiler for BPF", &compiler);
    linker::install(&workspace::tools(), compiler.llvm()?, tell)?;
    toolchain::choose(&workspace::tools(), &compiler, tell)
}

/// The tools that `bench-overhead` compares the profiler with. Where a package cannot be had, the tool is left out there.
pub fn watchers(tell: Tell) {
    for need in need::watchers() {
        if let Err(error) = packages::install(&[need], tell) {
            eprintln!("warning: {error:#}");
        }
    }
}

/// What only the tests of pages need.
pub fn browser(tell: Tell) -> Result<()> {
    packages::install(&[need::browser()], tell)
}

/// What only the tests under other kernels need.
pub fn virtual_machines(tell: Tell) -> Result<Qemu> {
    packages::install(&need::virtual_machines(), tell)?;
    qemu::find(&workspace::tools(), tell)
}
