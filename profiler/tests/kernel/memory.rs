//! Want of memory, beside the kernel's own count of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crate::{actor::Actor, recorded::record_others};

/// Above this its tasks are made to sleep.
const HIGH_BYTES: usize = 8 << 20;

#[test]
fn a_process_above_memory_high_waits_for_memory() {
    let Some(group) = Group::new() else {
        eprintln!(
            "left out: this kernel has no memory controller of version 2 that is free, or no pressure information"
        );
        return;
    };
    let actor = Actor::new(|| {
        let mut memory = memmap2::MmapMut::map_anon(8 * HIGH_BYTES).unwrap();
        let began = Instant::now();
        for page in memory.chunks_mut(4096) {
            page[0] = 7;
            if began.elapsed() > Duration::from_millis(1500) {
                break;
            }
        }
    });
    let pid = actor.pid;
    group.set("memory.high", &HIGH_BYTES.to_string());
    group.set("cgroup.procs", &pid.to_string());
    let recorded = record_others(|recording| {
        recording.register(pid).unwrap();
        actor.act();
    });
    let report = analysis::report::build(&recorded.timeline);
    let process = report.processes.iter().find(|process| process.pid == pid).expect("the actor");
    let path = process.path.as_ref().expect("a path");
    let stalled = group.stalled_s() / path.wall_s;
    assert!(stalled > 0.5, "the group makes it sleep: {stalled} of {} s", path.wall_s);
    let off = (path.budget.shares.memory - stalled).abs();
    assert!(off < 0.05, "{stalled} of the time by the kernel, {:?}", path.budget.shares);
}

/// A control group of version 2, and the mount that was made for it.
struct Group {
    root: PathBuf,
    path: PathBuf,
    mounted: bool,
    delegated: bool,
}

impl Group {
    fn new() -> Option<Self> {
        let system = Path::new("/sys/fs/cgroup");
        let mounted = !system.join("cgroup.controllers").exists();
        let root = if mounted { mount()? } else { system.to_owned() };
        let mut group = Self {
            path: root.join(format!("memory-{}", std::process::id())),
            root,
            mounted,
            delegated: false,
        };
        let has_memory = |file: &str| {
            let listed = fs::read_to_string(group.root.join(file)).unwrap_or_default();
            listed.split_whitespace().any(|controller| controller == "memory")
        };
        if !has_memory("cgroup.controllers") {
            return None;
        }
        if !has_memory("cgroup.subtree_control") {
            fs::write(group.root.join("cgroup.subtree_control"), "+memory").unwrap();
            group.delegated = true;
        }
        fs::create_dir(&group.path).unwrap();
        // EOPNOTSUPP where the kernel was not told to keep it.
        fs::read_to_string(group.path.join("memory.pressure")).is_ok().then_some(group)
    }

    #[track_caller]
    fn set(&self, file: &str, value: &str) {
        fs::write(self.path.join(file), value).unwrap_or_else(|error| panic!("{file}: {error}"));
    }

    /// How long one of its tasks and more were stalled.
    fn stalled_s(&self) -> f64 {
        let pressure = fs::read_to_string(self.path.join("memory.pressure")).unwrap();
        let some = pressure.lines().find(|line| line.starts_with("some ")).unwrap();
        let us = some.rsplit_once("total=").unwrap().1;
        us.trim().parse::<f64>().unwrap() / 1e6
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
        if self.delegated {
            let _ = fs::write(self.root.join("cgroup.subtree_control"), "-memory");
        }
        if self.mounted {
            let _ = Command::new("umount").arg(&self.root).status();
            let _ = fs::remove_dir(&self.root);
        }
    }
}

fn mount() -> Option<PathBuf> {
    let root = tempfile::tempdir().unwrap().keep();
    let mounted = Command::new("mount").args(["-t", "cgroup2", "none"]).arg(&root).status();
    if mounted.is_ok_and(|status| status.success()) {
        return Some(root);
    }
    let _ = fs::remove_dir(&root);
    None
}
