//! A folder for what the tools write, gone when this program is, even if it is killed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
};

use anyhow::{Context as _, Result};

use super::child;
use crate::command::{ask, run};

/// On a disk, where /tmp is often in memory: what is written there would count as the machine's memory, and cost a tool
/// that writes a lot too little. The transfers of `profiler bench` are there as well.
const FOLDER: &str = "/var/tmp";
/// Where the tracepoints' formats are.
const TRACEFS: &str = "/sys/kernel/tracing";

/// Dropping it, or the end of this process, removes the folder, and unmounts what was mounted for it.
pub struct Scratch {
    pub path: PathBuf,
    janitor: Child,
}

impl Scratch {
    /// Makes the folder, and mounts tracefs if nobody has.
    pub fn make() -> Result<Self> {
        let path = Path::new(FOLDER).join(format!("xtask-overhead-{}", process::id()));
        fs::create_dir(&path).with_context(|| format!("make the folder {}", path.display()))?;
        let mounts = !Path::new(TRACEFS).join("events").exists();
        // It waits for the end of its input, which this process holds: it is closed however this process ends.
        let unmount = if mounts { format!("; umount {TRACEFS}") } else { String::new() };
        let mut janitor = Command::new("sh");
        janitor
            .args(["-c", &format!("cat >/dev/null; sleep 0.2; rm -rf -- \"$1\"{unmount}"), "sh"])
            .arg(&path);
        std::os::unix::process::CommandExt::process_group(&mut janitor, 0);
        let janitor = janitor.stdin(Stdio::piped()).spawn().context("start `sh`")?;
        let scratch = Self { path, janitor };
        if mounts {
            run(Command::new("mount").args(["-t", "tracefs", "tracefs", TRACEFS]))?;
        }
        Ok(scratch)
    }

    /// The kind of file system that the folder is on, if it can be told.
    pub fn filesystem(&self) -> Option<String> {
        filesystem(&self.path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.janitor.stdin.take());
        let _ = child::wait(&self.janitor, std::time::Duration::from_secs(10), "removing the scratch folder");
    }
}

fn filesystem(path: &Path) -> Option<String> {
    let kinds = ask(Command::new("findmnt").args(["-no", "FSTYPE", "-T"]).arg(path))?;
    // Of those that are mounted over each other, the last one is seen.
    Some(kinds.lines().last()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_folder_is_on() {
        assert_eq!(filesystem(Path::new("/proc/self")).as_deref(), Some("proc"));
        assert_eq!(filesystem(Path::new("/no/such/folder")), None);
    }
}
