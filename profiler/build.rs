//! Compiles the probes for BPF with the toolchain that `cargo xtask setup` found, and puts the object into
//! `OUT_DIR`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use aya_build::{Package, Toolchain, build_ebpf};

const PROBES: &str = "profiler-ebpf";

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace has a root")?;
    let tools = root.join(".tools");
    println!("cargo::rerun-if-changed={}", tools.join("bin/bpf-linker").display());
    let toolchain = toolchain(&tools.join("bpf-toolchain"))?;

    let mut path = vec![tools.join("bin")];
    if toolchain.starts_with('/') {
        // A prefix instead of a name of rustup's: aya-build then calls the first `cargo` on the PATH.
        path.push(Path::new(&toolchain).join("bin"));
    }
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));

    tell_commit(root);

    // aya-build compiles below OUT_DIR, and clippy, test and release builds have one each. In a folder that they
    // share, the probes are compiled once for all of them.
    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let shared = out.ancestors().nth(4).context("OUT_DIR lies in the target directory")?.join("probes");

    // SAFETY: a build script's main has no other thread yet.
    unsafe {
        env::set_var("PATH", env::join_paths(path)?);
        env::set_var("OUT_DIR", &shared);
        // aya-build makes every line of this cargo a warning, which the outer one repeats in each build.
        env::set_var("CARGO_TERM_QUIET", "true");
    }

    let package = Package {
        name: PROBES,
        root_dir: &root.join(PROBES).into_os_string().into_string().ok().context("the path is not UTF-8")?,
        ..Package::default()
    };
    build_ebpf([package], Toolchain::Custom(&toolchain))
        .context("compile the probes; `cargo xtask setup` checks the toolchain")?;
    // The probes, and the contract that is compiled into them.
    println!("cargo::rerun-if-changed={}", root.join(PROBES).display());
    let object = shared.join(PROBES);
    fs::copy(&object, out.join(PROBES)).with_context(|| format!("copy {}", object.display()))?;
    Ok(())
}

/// Which commit the sources are of, if they are a clone, and whether they were changed since. Read again at each
/// commit, checkout and change.
fn tell_commit(root: &Path) {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(root).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    if let (Some(commit), Some(log)) =
        (git(&["rev-parse", "HEAD"]), git(&["rev-parse", "--git-path", "logs/HEAD"]))
    {
        let sources =
            ["Cargo.lock", "profiler/src", "profiler/analysis/src", "profiler/capture/src", "profiler-ebpf"];
        let changes = git(&[&["status", "--porcelain", "--"], &sources[..]].concat());
        let suffix = if changes.is_some_and(|changes| changes.is_empty()) { "" } else { " with changes" };
        println!("cargo::rustc-env=PROFILER_GIT_COMMIT={commit}{suffix}");
        let watched = sources.map(|source| root.join(source)).into_iter().chain([root.join(log)]);
        watched.for_each(|path| println!("cargo::rerun-if-changed={}", path.display()));
    }
}

/// The first line of setup's choice; the others only make cargo see when it changes.
fn toolchain(choice: &Path) -> Result<String> {
    println!("cargo::rerun-if-changed={}", choice.display());
    let text = fs::read_to_string(choice)
        .with_context(|| format!("{} is missing: run `cargo xtask setup` once", choice.display()))?;
    let name = text.lines().next().with_context(|| format!("{} is empty", choice.display()))?;
    Ok(name.to_owned())
}
