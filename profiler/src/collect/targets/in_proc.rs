//! What `/proc` says of a process, whatever it calls itself, and also where its first thread has ended before others.
//! It shows each thread under the thread's own id too.

use std::{fs, io::Cursor, os::unix::fs::MetadataExt as _, path::PathBuf};

use procfs::{
    FromBufRead as _,
    process::{Process, Stat, Status},
};

/// The command name of a thread, or of the first one of a process, byte for byte. Not that of `stat` and `status`: the
/// kernel escapes backslashes and line feeds in one of them, readers trim both, and a name that was cut inside a character
/// is no text. Nothing of what is gone.
pub fn comm(tid: u32) -> Option<[u8; 16]> {
    let name = fs::read(format!("/proc/{tid}/comm")).ok()?;
    Some(comm_bytes(name.strip_suffix(b"\n")?))
}

/// A command name as the kernel keeps it: 15 bytes and a zero.
pub fn comm_bytes(name: &[u8]) -> [u8; 16] {
    let mut comm = [0; 16];
    let kept = name.len().min(15);
    comm[..kept].copy_from_slice(&name[..kept]);
    comm
}

/// The process of a thread.
pub fn tgid(tid: u32) -> Option<u32> {
    let status = fs::read(format!("/proc/{tid}/status")).ok()?;
    let status = Status::from_buf_read(Cursor::new(String::from_utf8_lossy(&status).as_bytes())).ok()?;
    Some(status.tgid as u32)
}

/// A thread of the process that has not begun to exit: the first one, as long as that lives. What threads share
/// (descriptors, namespaces), `/proc` does not show of one that has ended.
pub fn living_thread(pid: u32) -> Option<u32> {
    let tasks = Process::new(pid as i32).and_then(|process| process.tasks());
    // The kernel lists the first one first.
    let mut tasks = tasks.into_iter().flatten().flatten();
    tasks.find(|task| task.stat().is_ok_and(|stat| lives(&stat))).map(|task| task.tid as u32)
}

/// The file that a process runs, by the name that it has or had: an upgrade removes it below running processes. Nothing of a
/// thread of the kernel, and of what is gone.
pub fn executable(pid: u32) -> Option<PathBuf> {
    let link = |tid| fs::read_link(format!("/proc/{tid}/exe")).ok();
    let of_another = || has_others(pid).then(|| living_thread(pid)).flatten().and_then(link);
    let path = link(pid).or_else(of_another)?;
    let kept = path.to_str().and_then(|text| text.strip_suffix(" (deleted)")).map(PathBuf::from);
    Some(kept.unwrap_or(path))
}

/// Whether it has more than one thread. Threads of the kernel are asked this, too, which run no file: it is cheap.
fn has_others(pid: u32) -> bool {
    /// Of a folder, and of one thread.
    const LINKS: u64 = 3;
    fs::metadata(format!("/proc/{pid}/task")).is_ok_and(|folder| folder.nlink() > LINKS)
}

fn lives(stat: &Stat) -> bool {
    /// Of `task_struct.flags`: set before `sched_process_exit`.
    const PF_EXITING: u32 = 0x4;
    stat.flags & PF_EXITING == 0 && !matches!(stat.state, 'Z' | 'X')
}

/// Whether it is a thread of the kernel, and no process.
pub fn is_kernel_thread(stat: &Stat) -> bool {
    /// Of `task_struct.flags`.
    const PF_KTHREAD: u32 = 0x0020_0000;
    stat.flags & PF_KTHREAD != 0
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::{ffi::OsStrExt as _, fs::symlink},
        process::Command,
        time::Duration,
    };

    use super::*;

    /// What a program of this name is called.
    #[track_caller]
    fn check(name: &[u8], expected: &[u8]) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join(std::ffi::OsStr::from_bytes(name));
        symlink("/bin/sleep", &program).unwrap();
        let mut child = Command::new(&program).arg("10").spawn().unwrap();
        let pid = child.id();
        // `spawn` may return a moment before the name is there.
        let soon = |is_so: &dyn Fn() -> bool| {
            (0..1000).any(|_| is_so() || (std::thread::sleep(Duration::from_millis(1)), false).1)
        };
        soon(&|| comm(pid) == Some(comm_bytes(expected)));
        let found = (comm(pid), tgid(pid), living_thread(pid));
        child.kill().unwrap();
        let ended = soon(&|| living_thread(pid).is_none());
        child.wait().unwrap();
        assert_eq!(found, (Some(comm_bytes(expected)), Some(pid), Some(pid)));
        assert!(ended, "one that was not waited for lives on");
        assert_eq!((comm(pid), tgid(pid)), (None, None), "it is gone");
    }

    #[test]
    fn a_name_is_any_bytes() {
        check(b"node", b"node");
        check("ααααααααα".as_bytes(), &"αααααααα".as_bytes()[..15]);
        check(b"\xff\xfe", b"\xff\xfe");
        check(b" a\\b\nc: ", b" a\\b\nc: ");
    }

    #[test]
    fn a_thread_is_shown_under_its_own_id() {
        let thread = std::thread::Builder::new().name("of-in-proc".to_owned());
        let seen = thread.spawn(|| {
            let tid = rustix::thread::gettid().as_raw_nonzero().get() as u32;
            (comm(tid), tgid(tid))
        });
        let seen = seen.unwrap().join().unwrap();
        assert_eq!(seen, (Some(comm_bytes(b"of-in-proc")), Some(std::process::id())));
    }
}
