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

use std::{fs, path::Path, thread};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::{
    setup::{self, Qemu, Tell},
    workspace,
};

/// Kernels that the probes are tested on beside the running one.
pub const VERSIONS: [&str; 2] = ["6.1", "6.12"];

/// Runs the kernel tests on each of `versions`.
pub fn test(versions: &[&str]) -> Result<()> {
    let qemu = setup::virtual_machines(Tell::Changes)?;
    let kernels = versions
        .iter()
        .map(|version| kernel::image(&workspace::tools().join("kernels"), version))
        .collect::<Result<Vec<_>>>()?;
    let folder = workspace::target_dir(&workspace::metadata()?)?.join("virtual");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let initramfs = folder.join("initramfs.cpio");
    image::write(&initramfs, &build::kernel_tests()?)?;

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

fn test_one(qemu: &Qemu, version: &str, kernel: &Path, initramfs: &Path, folder: &Path) -> Result<()> {
    let log = machine::run(qemu, version, kernel, initramfs, folder)?;
    selection::judge(&log)
        .map_err(|problem| anyhow!("Linux {version}: {problem}; its last lines:\n{}", tail(&log)))
}

/// The end of a log: enough for a failed test's message, or a kernel's last words.
fn tail(log: &str) -> String {
    const LINES: usize = 60;
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
