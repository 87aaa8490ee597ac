//! The LLVM that a compiler has loaded, found among its shared libraries.
//!
//! bpf-linker reads the bitcode that the compiler wrote, so its LLVM must not be older. It is linked against this very
//! library: that is as new as needed by construction, and spares the 400 MB of Debian's `llvm-22-dev`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::command;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Llvm {
    /// Under which the dynamic linker looks for it: `libLLVM.so.22.1`.
    pub soname: String,
    pub library: PathBuf,
    /// Names the feature of bpf-linker: `llvm-22`.
    pub major: u32,
}

/// The LLVM of the compiler `rustc`; nothing if LLVM is linked into the compiler itself.
pub fn of(rustc: &Path, major: u32) -> Option<Llvm> {
    let libraries = command::ask(Command::new("ldd").arg(rustc))?;
    let (soname, library) = library(&libraries)?;
    Some(Llvm { soname, library: library.canonicalize().ok()?, major })
}

/// Picks `libLLVM` from the lines of `ldd`: `NAME => PATH (ADDRESS)`.
fn library(ldd: &str) -> Option<(String, PathBuf)> {
    let line = ldd.lines().map(str::trim).find(|line| line.starts_with("libLLVM"))?;
    let (soname, rest) = line.split_once(" => ")?;
    let path = rest.rsplit_once(" (")?.0;
    Some((soname.into(), PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUSTUP: &str = "
	linux-vdso.so.1 (0x00007f1fd5ebe000)
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f1fcda1e000)
	libLLVM.so.22.1-rust-1.97.0-nightly => /opt/a b/lib/libLLVM.so.22.1-rust-1.97.0-nightly (0x00007f1fc3200000)
	/lib64/ld-linux-x86-64.so.2 (0x00007f1fd5ec0000)";
    const NOT_THERE: &str = "	libLLVM.so.22.1 => not found";
    const STATIC: &str = "	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f1fcda1e000)";

    #[test]
    fn the_llvm_is_found_among_the_libraries() {
        let (soname, path) = library(RUSTUP).expect("an LLVM");
        assert_eq!(soname, "libLLVM.so.22.1-rust-1.97.0-nightly");
        assert_eq!(path, Path::new("/opt/a b/lib/libLLVM.so.22.1-rust-1.97.0-nightly"));
    }

    #[test]
    fn a_compiler_without_a_shared_llvm_has_none() {
        assert_eq!(library(NOT_THERE), None);
        assert_eq!(library(STATIC), None);
    }
}
