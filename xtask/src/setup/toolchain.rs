//! The choice of a compiler, as `profiler/build.rs` reads it.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use super::{compiler::Compiler, tell::Tell};

/// The toolchain's name in the first line; the compiler's version in the second, so that an update changes the file.
const FILE: &str = "bpf-toolchain";

/// Writes the choice where it has changed, which makes cargo compile the probes again.
pub fn choose(tools: &Path, compiler: &Compiler, tell: Tell) -> Result<()> {
    let file = tools.join(FILE);
    let choice = format!("{}\n{}\n", compiler.name, compiler.title);
    if fs::read_to_string(&file).is_ok_and(|old| old == choice) {
        return Ok(());
    }
    fs::write(&file, choice).with_context(|| format!("write {}", file.display()))?;
    tell.installed("choice", format_args!("{} compiles the probes", compiler.name));
    Ok(())
}
