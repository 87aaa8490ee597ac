//! Named network namespaces, kept the way `ip netns` keeps them, so that `ip netns exec NAME …` works on
//! them.
//!
//! A namespace lives until its name is removed, its last process has ended and its last `Namespace` is
//! dropped.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::{panic, thread};

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::mount::{
    MountPropagationFlags, UnmountFlags, mount_bind, mount_bind_recursive, mount_change, unmount,
};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

/// Where `ip netns` looks for names.
const NAMES: &str = "/run/netns";

/// A network namespace of this run.
pub struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// Makes a namespace in which no interface is up yet. The name must be free.
    pub fn create(name: &str) -> Result<Self> {
        prepare_names().with_context(|| format!("prepare {NAMES}"))?;
        let path = path(name);
        File::create_new(&path).with_context(|| format!("create {}", path.display()))?;
        in_new_thread(|| {
            // SAFETY: only the network namespace is left. Files, memory and credentials stay shared with the
            // other threads, and this thread ends right after.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.context("make a network namespace")?;
            mount_bind("/proc/thread-self/ns/net", &path)
                .with_context(|| format!("keep the network namespace as {}", path.display()))
        })?;
        let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
        Ok(Self { name: name.to_owned(), file })
    }

    /// Moves the calling thread into the namespace, for good.
    pub fn enter(&self) -> Result<()> {
        move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))
            .with_context(|| format!("enter the network namespace {}", self.name))
    }

    /// Runs `work` on a thread of its own inside the namespace, and waits for it.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        in_new_thread(|| {
            self.enter()?;
            work()
        })
    }

    /// A second handle on the same namespace, for another thread.
    pub fn try_clone(&self) -> Result<Self> {
        let file = self.file.try_clone().context("duplicate a file descriptor")?;
        Ok(Self { name: self.name.clone(), file })
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The names that begin with `prefix`.
pub fn names_with(prefix: &str) -> Result<Vec<String>> {
    let entries = match fs::read_dir(NAMES) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("list {NAMES}"))?,
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|name| name.starts_with(prefix)).collect())
}

/// The file that keeps a named namespace alive.
pub fn path(name: &str) -> PathBuf {
    Path::new(NAMES).join(name)
}

/// Removes a name. It may be half made (a file without a mount), or be gone already.
pub fn remove(name: &str) -> Result<()> {
    let path = path(name);
    match unmount(&path, UnmountFlags::DETACH) {
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => (),
        Err(error) => return Err(error).with_context(|| format!("unmount {}", path.display())),
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Makes the directory a shared mount, as `ip netns add` does. Were it not, the first `ip netns add` of
/// someone else would cover our mounts with copies, and removing the copies would not free the namespaces.
fn prepare_names() -> Result<()> {
    let shared = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
    fs::create_dir_all(NAMES)?;
    if mount_change(NAMES, shared).is_err() {
        mount_bind_recursive(NAMES, NAMES)?;
        mount_change(NAMES, shared)?;
    }
    Ok(())
}

fn in_new_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panicked| panic::resume_unwind(panicked))
}
