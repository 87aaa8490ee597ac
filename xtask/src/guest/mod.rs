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

use self::machine::Clock;
use crate::{
    again, command,
    setup::{self, Qemu, Tell},
    workspace,
};

/// Kernels that the probes are tested on beside the running one.
pub const VERSIONS: [&str; 2] = ["6.1", "6.12"];

/// What the machines of one run have in common.
struct Ready {
    qemu: Qemu,
    programs: build::Programs,
    /// By the version of their kernel.
    modules: Vec<(&'static str, Vec<PathBuf>)>,
    folder: PathBuf,
}

/// Runs the kernel tests on each of `versions`.
pub fn test(versions: &[&'static str]) -> Result<()> {
    let qemu = setup::virtual_machines(Tell::Changes)?;
    let kernels = versions.iter().map(|version| kernel_of(version)).collect::<Result<Vec<_>>>()?;
    let modules = versions.iter().copied().zip(kernels.iter().map(|image| kernel::modules(image))).collect();
    let ready = Ready { qemu, programs: build::test("kernel")?, modules, folder: folder()? };
    let initramfs = ready.folder.join("initramfs.cpio");
    image::write(&initramfs, &ready.programs, &selection::arguments(), &ready.modules)?;

    for (name, reason) in selection::left_out() {
        eprintln!("left out under these kernels: {name}: {reason}");
    }
    let machines = versions.iter().zip(&kernels);
    let failed: Vec<anyhow::Error> = thread::scope(|scope| {
        let running: Vec<_> = machines
            .map(|(version, kernel)| scope.spawn(|| test_one(&ready, version, kernel, &initramfs)))
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

fn test_one(ready: &Ready, version: &str, kernel: &Path, initramfs: &Path) -> Result<()> {
    let run = |initramfs: &Path| {
        machine::run(&ready.qemu, Clock::Host, version, kernel, initramfs, &ready.folder, |_| Ok(()))
    };
    let log = run(initramfs)?;
    let Err(first) = judged(version, &log, selection::judge) else { return Ok(()) };
    let passed = again::again(again::failed(&log), first, |names| {
        let initramfs = ready.folder.join(format!("{version}.again.cpio"));
        image::write(&initramfs, &ready.programs, &selection::arguments_of(names), &ready.modules)?;
        judged(version, &run(&initramfs)?, selection::passed)
    })?;
    again::noted("guests", &format!("Linux {version}"), &passed)
}

fn judged(version: &str, log: &str, judge: fn(&str) -> Result<(), String>) -> Result<()> {
    judge(log).map_err(|problem| anyhow!("Linux {version}: {problem}; its last lines:\n{}", tail(log)))
}

/// Where the pairs' captures and logs are in a machine.
pub const KEPT: &str = "/var/tmp/pairs";

/// Runs the target `setups` with some arguments, and brings what it left in [`KEPT`].
pub fn record_pairs(version: &str, arguments: &[String], to: &Path) -> Result<()> {
    let qemu = setup::virtual_machines(Tell::Changes)?;
    let kernel = kernel_of(version)?;
    let folder = folder()?;
    let initramfs = folder.join("pairs.cpio");
    let modules = (version, kernel::modules(&kernel));
    image::write(&initramfs, &build::test("setups")?, arguments, &[modules])?;
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
    let log = machine::run(&qemu, Clock::Instructions, version, &kernel, &initramfs, &folder, bring)?;
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

/// The end of a log: enough for a failed test's message, or a kernel's last words.
fn tail(log: &str) -> String {
    const LINES: usize = 60;
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
