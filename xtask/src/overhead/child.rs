//! Programs that run beside this one, and never longer than it.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Has the kernel send `signal` to the program when the thread that starts it ends, in whatever way. The terminal's
/// Ctrl-C does not reach the program itself, only through the end of this one.
pub fn ends_with_parent(command: &mut Command, signal: i32) {
    let parent = std::process::id();
    command.process_group(0);
    // SAFETY: the closure only makes system calls.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, signal);
            // The parent may have ended before the line above.
            if libc::getppid() as u32 == parent { Ok(()) } else { Err(io::ErrorKind::Interrupted.into()) }
        });
    }
}

pub fn signal(child: &Child, signal: i32) {
    // SAFETY: the process has not been waited for, so that the id is still its own.
    unsafe { libc::kill(child.id() as i32, signal) };
}

/// How a program ended.
pub struct Ended {
    pub status: ExitStatus,
    /// CPU time of the program and of those of its children that it waited for.
    pub cpu_s: f64,
    /// It had not ended within the limit.
    pub was_killed: bool,
}

/// Waits until the program has ended, and kills it if that takes longer than `limit`.
pub fn wait(child: &Child, limit: Duration, what: &str) -> Result<Ended> {
    use std::os::unix::process::ExitStatusExt as _;
    let deadline = Instant::now() + limit;
    let mut was_killed = false;
    loop {
        let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
        // SAFETY: both point to places of their type, and all zeros is a valid `rusage`.
        let (found, usage) = unsafe {
            let found = libc::wait4(child.id() as i32, &raw mut status, libc::WNOHANG, usage.as_mut_ptr());
            (found, usage.assume_init())
        };
        match found {
            0 => {
                if Instant::now() > deadline && !was_killed {
                    signal(child, libc::SIGKILL);
                    was_killed = true;
                }
                thread::sleep(LOOK_INTERVAL);
            }
            -1 => return Err(io::Error::last_os_error()).with_context(|| format!("wait for {what}")),
            _ => {
                let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
                let cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
                return Ok(Ended { status: ExitStatus::from_raw(status), cpu_s, was_killed });
            }
        }
    }
}
