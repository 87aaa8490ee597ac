//! `cargo xtask test --kernel VERSION`: the kernel tests under the distribution's other kernels, each in a virtual
//! machine of its own.
//!
//! The machines are emulated in software, so that they need no `/dev/kvm`, and run at the same time, each on one core. A
//! machine has the test, the profiler and a few programs of this host in its initial file system, and an empty disk.

mod archive;
mod build;
mod image;
mod kernel;
mod machine;
mod selection;

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use crate::{
    command,
    setup::{self, Qemu, Tell},
    workspace,
};

/// Kernels that the probes are tested on beside the running one.
pub const VERSIONS: [&str; 2] = ["6.1", "6.12"];

/// Runs the kernel tests on each of `versions`.
pub fn test(versions: &[&str]) -> Result<()> {
    let qemu = setup::virtual_machines(Tell::Changes)?;
    let kernels = versions.iter().map(|version| kernel_of(version)).collect::<Result<Vec<_>>>()?;
    let folder = folder()?;
    let initramfs = folder.join("initramfs.cpio");
    let modules: Vec<_> =
        versions.iter().zip(&kernels).map(|(version, image)| (*version, kernel::modules(image))).collect();
    image::write(&initramfs, &build::test("kernel")?, &selection::arguments(), &modules)?;

    for (name, reason) in selection::left_out() {
        eprintln!("left out under these kernels: {name}: {reason}");
    }
    let machines = versions.iter().zip(&kernels);
    let failed: Vec<anyhow::Error> = thread::scope(|scope| {
        let running: Vec<_> = machines
            .map(|(version, kernel)| scope.spawn(|| test_one(&qemu, version, kernel, &initramfs, &folder)))
            .collect();
        running.into_iter().filter_map(|one| one.join().expect("no panic").err()).collect()
    });
    for error in &failed {
        eprintln!("error: {error:#}");
    }
    match failed.len() {
        0 => Ok(()),
        count => bail!("the kernel tests failed on {count} of {} virtual kernels", versions.len()),
    }
}

/// Where the pairs' captures and logs are in a machine.
pub const KEPT: &str = "/var/tmp/pairs";

/// Runs the target `setups` with some arguments, and brings what it left in [`KEPT`].
pub fn record_pairs(version: &str, arguments: &[String], to: &Path) -> Result<()> {
    let qemu = setup::virtual_machines(Tell::Changes)?;
    let kernel = kernel_of(version)?;
    let folder = folder()?;
    let initramfs = folder.join("pairs.cpio");
    image::write(&initramfs, &build::test("setups")?, arguments, &[])?;
    fs::create_dir_all(to).with_context(|| format!("make {}", to.display()))?;
    let debugfs = command::find_for_root("debugfs").context("find debugfs, of e2fsprogs")?;
    // The disk is mounted on the folder's parent there.
    let kept = Path::new(KEPT).file_name().and_then(OsStr::to_str).context("a folder")?;
    let bring = |disk: &Path| {
        let request = format!("rdump /{kept} {}", to.display());
        command::run(Command::new(debugfs).args(["-R", &request]).arg(disk))
    };
    // What was brought before would stay as it is.
    let brought = to.join(kept);
    if brought.exists() {
        fs::remove_dir_all(&brought).with_context(|| format!("remove {}", brought.display()))?;
    }
    let log = machine::run(&qemu, version, &kernel, &initramfs, &folder, bring)?;
    let is_whole = log.contains("the tests ended with status 0");
    // debugfs says what it could not bring, but does not fail.
    ensure!(is_whole && brought.is_dir(), "Linux {version} did not record all pairs: see its console above");
    Ok(())
}

fn kernel_of(version: &str) -> Result<PathBuf> {
    kernel::image(&workspace::tools().join("kernels"), version)
}

fn folder() -> Result<PathBuf> {
    let folder = workspace::target_dir(&workspace::metadata()?)?.join("virtual");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(folder)
}

fn test_one(qemu: &Qemu, version: &str, kernel: &Path, initramfs: &Path, folder: &Path) -> Result<()> {
    let log = machine::run(qemu, version, kernel, initramfs, folder, |_| Ok(()))?;
    selection::judge(&log)
        .map_err(|problem| anyhow!("Linux {version}: {problem}; its last lines:\n{}", tail(&log)))
}

/// The end of a log: enough for a failed test's message, or a kernel's last words.
fn tail(log: &str) -> String {
    const LINES: usize = 60;
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
