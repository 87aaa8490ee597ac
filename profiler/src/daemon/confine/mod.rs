//! Gives up what is not needed any more, for good, once everything is loaded. Two kinds of threads are left, and neither has
//! what the other has:
//!
//! - the *collecting* one reads the probes' maps and `/proc`, with the capabilities to read other users' processes. It opens
//!   nothing for writing, makes no map, loads no program, and has no network;
//! - those at the *door* read what others wrote, without a capability. They see no file but those in the state folder.
//!
//! Landlock is the door's alone: it refuses all that `ptrace` is asked for, `/proc/PID/io` and `/proc/PID/exe` among it, of every
//! process that is not confined likewise, whatever capabilities there are (`hook_ptrace_access_check`, 5.13 to 6.18).

pub mod attempts;
mod calls;
mod capabilities;
mod files;

use std::path::Path;

use anyhow::{Context as _, Result};

use super::status::Confinement;

/// Confines the calling thread, and those that it starts. `landlock` is how far the door is confined by it.
///
/// # Errors
/// What could not be given up: nothing may be collected then.
pub fn collector(landlock: String) -> Result<Confinement> {
    let capabilities = capabilities::keep_reading()?;
    no_new_privileges()?;
    calls::of_the_collector()?;
    Ok(Confinement { capabilities, seccomp: true, landlock })
}

/// Confines the calling thread, and those that it starts; gives how far Landlock can (`fully`, `partly`, `not`).
///
/// # Errors
/// What could not be given up: nobody may be answered then.
pub fn door(state: &Path) -> Result<String> {
    capabilities::drop_all()?;
    no_new_privileges()?;
    let landlock = files::only(state)?;
    calls::of_the_door()?;
    Ok(landlock)
}

/// Confines the calling thread, and those that it starts, to what a gateway does: it reads what `/proc` says of itself, and
/// writes no file. Its sockets are there by then.
///
/// # Errors
/// What could not be given up: nobody may be served then.
pub fn gateway() -> Result<String> {
    capabilities::drop_all()?;
    no_new_privileges()?;
    files::only_read(Path::new("/proc/self"))
}

fn no_new_privileges() -> Result<()> {
    rustix::thread::set_no_new_privs(true).context("give up getting new privileges by executing programs")
}
