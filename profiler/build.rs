//! Compiles the probes for BPF with the toolchain that `cargo xtask setup` found, and puts the object into
//! `OUT_DIR`.

use std::{env, fs, path::Path};

use anyhow::{Context as _, Result};
use aya_build::{Package, Toolchain, build_ebpf};

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace has a root")?;
    let tools = root.join(".tools");
    let choice = tools.join("bpf-toolchain");
    println!("cargo::rerun-if-changed={}", choice.display());
    let toolchain = fs::read_to_string(&choice)
        .with_context(|| format!("{} is missing: run `cargo xtask setup` once", choice.display()))?;

    let mut path = vec![tools.join("bin")];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    // SAFETY: a build script's main has no other thread yet.
    unsafe { env::set_var("PATH", env::join_paths(path)?) };

    let probes = root.join("profiler-ebpf");
    let package = Package {
        name: "profiler-ebpf",
        root_dir: probes.to_str().context("the workspace's path is not UTF-8")?,
        ..Package::default()
    };
    build_ebpf([package], Toolchain::Custom(toolchain.trim()))
        .context("compile the probes; `cargo xtask setup` checks the toolchain")
}
