//! bpf-linker, built in the clone against the LLVM of the compiler.

use std::{fs, ops::RangeInclusive, os::unix::fs::symlink, path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::{forget::forget, llvm::Llvm, tell::Tell};
use crate::command;

pub const VERSION: &str = "0.13.0";
/// The versions of LLVM that it can be built for: its features `llvm-21` to `llvm-23`.
pub const LLVMS: RangeInclusive<u32> = 21..=23;
const NAME: &str = "bpf-linker";
/// Says what the linker was built from, once it is built.
const STAMP: &str = "bpf-linker.stamp";

/// Builds the linker, unless the one that is there was built from the same and runs.
pub fn install(tools: &Path, llvm: &Llvm, tell: Tell) -> Result<()> {
    let wanted = stamp(llvm);
    if fs::read_to_string(tools.join(STAMP)).is_ok_and(|stamp| stamp == wanted) && runs(tools) {
        tell.found(NAME, wanted.trim_end());
        return Ok(());
    }
    tell.installing(NAME, format_args!("{VERSION} for {}, under a minute on two cores", llvm.soname));
    // The stamp goes first and comes last: what was interrupted is done again.
    forget(&tools.join(STAMP))?;
    link_llvm(&tools.join("llvm/lib"), llvm)?;
    command::run(&mut build(tools, llvm))?;
    let stamp = tools.join(STAMP);
    fs::write(&stamp, &wanted).with_context(|| format!("write {}", stamp.display()))?;
    tell.installed(NAME, wanted.trim_end());
    Ok(())
}

fn stamp(llvm: &Llvm) -> String {
    format!("{VERSION} with {}\n", llvm.library.display())
}

/// It does not where its LLVM is gone: the compiler was updated, or the clone moved.
fn runs(tools: &Path) -> bool {
    let about = command::ask(Command::new(tools.join("bin").join(NAME)).arg("--version"));
    about.is_some_and(|about| about.trim_end() == format!("{NAME} {VERSION}"))
}

/// Lays out `folder` as the `lib` of an LLVM installation: a name for the linking of bpf-linker, one for its start.
fn link_llvm(folder: &Path, llvm: &Llvm) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    for name in ["libLLVM.so", &llvm.soname] {
        let link = folder.join(name);
        forget(&link)?;
        symlink(&llvm.library, &link)
            .with_context(|| format!("link {} to {}", link.display(), llvm.library.display()))?;
    }
    Ok(())
}

fn build(tools: &Path, llvm: &Llvm) -> Command {
    let mut cargo = command::cargo();
    cargo
        .args(["install", NAME, "--version", VERSION, "--locked", "--force", "--quiet"])
        .args(["--no-default-features", "--features", &format!("llvm-{}", llvm.major)])
        .arg("--root")
        .arg(tools)
        .env("LLVM_PREFIX", tools.join("llvm"))
        // LLVM does the work, and bpf-linker itself is compiled in 40 s instead of 108 s.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false");
    cargo
}

#[cfg(test)]
mod tests {
    use std::{env, path::PathBuf, process};

    use super::*;

    fn llvm() -> Llvm {
        Llvm { soname: "libLLVM.so.22.1".into(), library: PathBuf::from("/lib/libLLVM.so.22.1"), major: 22 }
    }

    #[test]
    fn the_linker_is_built_for_the_compilers_llvm() {
        let line = command::line(&build(Path::new("/clone/.tools"), &llvm()));
        assert!(line.contains("--features llvm-22"), "{line}");
        assert!(line.contains("LLVM_PREFIX=/clone/.tools/llvm"), "{line}");
    }

    #[test]
    fn links_to_an_older_llvm_are_replaced() {
        let folder = env::temp_dir().join(format!("xtask-llvm-{}", process::id()));
        let mut older = llvm();
        older.library = PathBuf::from("/gone");
        for llvm in [older, llvm()] {
            link_llvm(&folder, &llvm).expect("links");
        }
        for name in ["libLLVM.so", "libLLVM.so.22.1"] {
            let target = fs::read_link(folder.join(name)).expect("a link");
            assert_eq!(target, Path::new("/lib/libLLVM.so.22.1"), "{name}");
        }
        fs::remove_dir_all(&folder).expect("remove the folder");
    }
}
