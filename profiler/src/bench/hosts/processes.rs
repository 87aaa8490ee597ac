//! Finds and ends processes by the network namespace they are in: also those that a killed run left behind,
//! and those of someone who looks around with `ip netns exec`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::bench::hosts::namespace;

const LIMIT: Duration = Duration::from_secs(5);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// A namespace as `stat` shows it: device and inode.
type Identity = (u64, u64);

/// Kills every process in the named namespaces, and returns when they are gone, with how many there were.
pub fn kill_inside(namespaces: &[String]) -> Result<usize> {
    let identities: Vec<_> = namespaces.iter().filter_map(|name| identity(&namespace::path(name))).collect();
    let started = Instant::now();
    let mut killed = Vec::new();
    loop {
        let found = inside(&identities)?;
        if found.is_empty() {
            return Ok(killed.len());
        }
        if started.elapsed() > LIMIT {
            bail!(
                "processes {found:?} do not end: they hold the network namespaces {}",
                namespaces.join(", ")
            );
        }
        for pid in found {
            kill(pid, &identities);
            if !killed.contains(&pid) {
                killed.push(pid);
            }
        }
        thread::sleep(BETWEEN_LOOKS);
    }
}

/// The processes in any of the namespaces. Zombies are in none.
fn inside(identities: &[Identity]) -> Result<Vec<u32>> {
    if identities.is_empty() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir("/proc").context("list /proc")?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(pids.filter(|&pid| pid != process::id() && is_inside(pid, identities)).collect())
}

fn is_inside(pid: u32, identities: &[Identity]) -> bool {
    let namespace = format!("/proc/{pid}/ns/net");
    identity(Path::new(&namespace)).is_some_and(|identity| identities.contains(&identity))
}

fn identity(path: &Path) -> Option<Identity> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn kill(pid: u32, identities: &[Identity]) {
    let pid_of_process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let Some(handle) = pid_of_process.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
        return;
    };
    // The handle pins the process: if it is inside now, the number was not reused for another.
    if is_inside(pid, identities) {
        // It may have ended by itself; the caller looks again.
        let _ = pidfd_send_signal(&handle, Signal::KILL);
    }
}
