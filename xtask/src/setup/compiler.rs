//! The compilers that could compile the probes, and what speaks against each.

use std::{fmt, path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::{
    linker,
    llvm::{self, Llvm},
    version::Version,
};
use crate::command;

/// The oldest Rust that the workspace compiles with.
const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");
/// `core` in the sources, which `-Z build-std` compiles.
pub const CORE_AS_SOURCE: &str = "lib/rustlib/src/rust/library/core";
/// `core` compiled for BPF.
pub const CORE_FOR_BPF: &str = "lib/rustlib/bpfel-unknown-none/lib";

/// A compiler on this machine.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// As `.tools/bpf-toolchain` calls it: a toolchain of rustup, or a prefix such as `/usr` where there is no rustup.
    pub name: String,
    /// The first line of `rustc -vV`.
    pub title: String,
    release: Version,
    llvm_version: Version,
    /// `None` if LLVM is no shared library.
    llvm: Option<Llvm>,
    pub has_core: bool,
}

impl Compiler {
    /// The compiler under `prefix` that would get its `core` from `core`; nothing if there is none.
    pub fn at(prefix: &Path, name: &str, core: &str) -> Option<Self> {
        let rustc = prefix.join("bin/rustc");
        let about = command::ask(Command::new(&rustc).arg("-vV"))?;
        let llvm_version = field(&about, "LLVM version: ")?.parse::<Version>().ok()?;
        Some(Self {
            name: name.into(),
            title: about.lines().next()?.into(),
            release: field(&about, "release: ")?.parse().ok()?,
            llvm_version,
            llvm: llvm::of(&rustc, llvm_version.major),
            has_core: prefix.join(core).is_dir(),
        })
    }

    /// Why it cannot compile the probes.
    pub fn objection(&self) -> Option<String> {
        let title = &self.title;
        let oldest = OLDEST.parse().expect("Cargo.toml holds a version");
        if !self.has_core {
            return Some(format!("{title} has no `core` for BPF"));
        }
        if self.release < oldest {
            return Some(format!("{title} is older than {OLDEST}"));
        }
        if !linker::LLVMS.contains(&self.llvm_version.major) {
            let (first, last) = (linker::LLVMS.start(), linker::LLVMS.end());
            return Some(format!(
                "{title} has LLVM {}, and bpf-linker {} can be built for {first} to {last}",
                self.llvm_version,
                linker::VERSION
            ));
        }
        if self.llvm.is_none() {
            return Some(format!("the LLVM of {title} is no shared library, which bpf-linker could use"));
        }
        None
    }

    pub fn llvm(&self) -> Result<&Llvm> {
        self.llvm.as_ref().with_context(|| format!("the LLVM of {} is no shared library", self.title))
    }
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (toolchain {}, LLVM {})", self.title, self.name, self.llvm_version)
    }
}

/// The rest of the line that starts with `name`.
fn field<'a>(about: &'a str, name: &str) -> Option<&'a str> {
    about.lines().find_map(|line| line.strip_prefix(name))
}

#[cfg(test)]
pub mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A nightly with all that is needed.
    pub fn sound() -> Compiler {
        Compiler {
            name: "nightly".into(),
            title: "rustc 1.97.0-nightly".into(),
            release: "1.97.0-nightly".parse().expect("a version"),
            llvm_version: "22.1.4".parse().expect("a version"),
            llvm: Some(Llvm {
                soname: "libLLVM.so".into(),
                library: PathBuf::from("/lib/libLLVM.so"),
                major: 22,
            }),
            has_core: true,
        }
    }

    fn check(change: impl FnOnce(&mut Compiler), expected: Option<&str>) {
        let mut compiler = sound();
        change(&mut compiler);
        assert_eq!(compiler.objection().as_deref(), expected);
    }

    #[test]
    fn each_lack_is_named() {
        check(|_| (), None);
        check(|it| it.has_core = false, Some("rustc 1.97.0-nightly has no `core` for BPF"));
        check(
            |it| it.release = "1.85.0".parse().expect("a version"),
            Some("rustc 1.97.0-nightly is older than 1.95"),
        );
        check(
            |it| it.llvm_version = "24.0.0".parse().expect("a version"),
            Some("rustc 1.97.0-nightly has LLVM 24.0.0, and bpf-linker 0.13.0 can be built for 21 to 23"),
        );
        check(
            |it| it.llvm = None,
            Some("the LLVM of rustc 1.97.0-nightly is no shared library, which bpf-linker could use"),
        );
    }

    #[test]
    fn fields_of_the_compilers_answer() {
        let about = "rustc 1.96.0 (ac68faa20 2026-05-25)\nrelease: 1.96.0\nLLVM version: 22.1.8\n";
        assert_eq!(field(about, "release: "), Some("1.96.0"));
        assert_eq!(field(about, "LLVM version: "), Some("22.1.8"));
        assert_eq!(field(about, "host: "), None);
    }
}
