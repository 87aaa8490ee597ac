//! Which of two ways the machine offers to a compiler for BPF.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{
    compiler::{CORE_AS_SOURCE, CORE_FOR_BPF, Compiler},
    need::Need,
};
use crate::command;

/// Debian's compiler, from its packages `rustc-web` and others.
const DEBIAN_PREFIX: &str = "/usr";
const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "cargo-web", "libstd-rust-web-dev-bpf"];
/// What rustup calls it once it is linked.
const DEBIAN_TOOLCHAIN: &str = "profiler-bpf";

#[derive(Debug)]
pub enum Direction {
    /// rustup's nightly compiles `core` for BPF from its component `rust-src`.
    Nightly(Box<Compiler>),
    /// Debian's compiler has a `core` for BPF in a package. `passed_over` says why a nightly is not used.
    Debian { passed_over: Option<String> },
}

impl Direction {
    pub fn of_this_machine() -> Self {
        choose(nightly())
    }

    /// The packages that this way still needs.
    pub fn need(&self) -> Option<Need> {
        match self {
            Self::Nightly(_) => None,
            Self::Debian { .. } if debian().is_some_and(|compiler| compiler.objection().is_none()) => None,
            Self::Debian { .. } => Some(Need {
                what: "compiler for BPF",
                found: None,
                packages: DEBIAN_PACKAGES,
                by_hand: "rustup toolchain install nightly --profile minimal --component rust-src",
            }),
        }
    }

    /// The compiler, once its packages are there.
    pub fn compiler(self) -> Result<Compiler> {
        match self {
            Self::Nightly(compiler) => Ok(*compiler),
            Self::Debian { .. } => {
                let compiler = debian().with_context(|| format!("{DEBIAN_PREFIX}/bin/rustc does not run"))?;
                if let Some(objection) = compiler.objection() {
                    bail!(
                        "{objection}: see with `apt-cache policy rustc-web` whether a newer one is on offer \
                         (Debian 12 has it in bookworm-security), or give rustup a nightly with rust-src"
                    );
                }
                link_toolchain(&compiler)?;
                Ok(compiler)
            }
        }
    }
}

/// A sound nightly needs nothing from the distribution, so it goes first.
fn choose(nightly: Option<Compiler>) -> Direction {
    match nightly {
        None => Direction::Debian { passed_over: None },
        Some(compiler) => match compiler.objection() {
            None => Direction::Nightly(Box::new(compiler)),
            objection => Direction::Debian { passed_over: objection },
        },
    }
}

fn nightly() -> Option<Compiler> {
    Compiler::at(&prefix_of("nightly")?, "nightly", CORE_AS_SOURCE)
}

fn debian() -> Option<Compiler> {
    // Without rustup, aya-build calls the `cargo` that it finds on the PATH; build.rs puts the prefix there.
    let name = if command::find("rustup").is_some() { DEBIAN_TOOLCHAIN } else { DEBIAN_PREFIX };
    Compiler::at(Path::new(DEBIAN_PREFIX), name, CORE_FOR_BPF)
}

/// Where rustup has `toolchain`.
fn prefix_of(toolchain: &str) -> Option<PathBuf> {
    let mut which = Command::new("rustup");
    // Asking for a toolchain must not download it.
    which.args(["which", "--toolchain", toolchain, "rustc"]).env("RUSTUP_AUTO_INSTALL", "0");
    let rustc = PathBuf::from(command::ask(&mut which)?.trim());
    Some(rustc.parent()?.parent()?.to_path_buf())
}

/// Makes Debian's compiler a toolchain of rustup, as aya-build wants it.
fn link_toolchain(compiler: &Compiler) -> Result<()> {
    let linked = || prefix_of(DEBIAN_TOOLCHAIN)?.canonicalize().ok();
    if compiler.name != DEBIAN_TOOLCHAIN || linked().as_deref() == Some(Path::new(DEBIAN_PREFIX)) {
        return Ok(());
    }
    command::run(Command::new("rustup").args(["toolchain", "link", DEBIAN_TOOLCHAIN, DEBIAN_PREFIX]))
}

#[cfg(test)]
mod tests {
    use super::{super::compiler::tests::sound, *};

    fn check(nightly: Option<Compiler>, expected: &str) {
        let chosen = match choose(nightly) {
            Direction::Nightly(compiler) => compiler.name,
            Direction::Debian { passed_over } => format!("debian, {passed_over:?}"),
        };
        assert_eq!(chosen, expected);
    }

    #[test]
    fn a_sound_nightly_goes_first() {
        check(Some(sound()), "nightly");
        check(None, "debian, None");
    }

    #[test]
    fn a_nightly_that_is_passed_over_is_explained() {
        let mut without_source = sound();
        without_source.has_core = false;
        check(Some(without_source), r#"debian, Some("rustc 1.97.0-nightly has no `core` for BPF")"#);
    }
}
