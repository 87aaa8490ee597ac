//! Tries what must not be possible any more. What is possible all the same is undone at once.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::fd::{FromRawFd as _, OwnedFd},
    process::Command,
};

use crate::daemon::status::Attempt;

type Attempting = fn() -> io::Result<()>;

/// What none of the threads may do.
const FORBIDDEN: [(&str, Attempting); 7] = [
    ("make a map", make_a_map),
    ("load a program", load_a_program),
    ("open a perf event", open_a_perf_event),
    ("trace the parent", trace_the_parent),
    ("write outside of the state folder", write_outside),
    ("make a socket of IPv4", make_a_socket),
    ("execute a program", execute),
];

/// Tries all in the calling thread, of this name.
pub fn by(thread: &str) -> Vec<Attempt> {
    let attempts = FORBIDDEN.into_iter().map(|(what, attempt)| Attempt {
        thread: thread.to_owned(),
        what: what.to_owned(),
        refused: attempt().err().map(|error| error.to_string()),
    });
    attempts.collect()
}

/// The same, and what only those at the door may not.
pub fn at_the_door() -> Vec<Attempt> {
    let reading = Attempt {
        thread: "door".to_owned(),
        what: "read a file outside of the state folder".to_owned(),
        refused: File::open("/proc/self/status").err().map(|error| error.to_string()),
    };
    let mut attempts = by("door");
    attempts.push(reading);
    attempts
}

/// `bpf(BPF_MAP_CREATE)`
fn make_a_map() -> io::Result<()> {
    const MAP_CREATE: libc::c_long = 0;
    /// `BPF_MAP_TYPE_ARRAY`, key and value of 4 bytes, one element, no flags.
    const ATTRIBUTES: [u32; 18] = [2, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: attributes and their size belong together.
    opened(unsafe { libc::syscall(libc::SYS_bpf, MAP_CREATE, ATTRIBUTES.as_ptr(), size_of_val(&ATTRIBUTES)) })
}

/// `bpf(BPF_PROG_LOAD)` of a socket filter that lets nothing pass.
fn load_a_program() -> io::Result<()> {
    #[repr(C)]
    struct Attributes {
        program_type: u32,
        instruction_count: u32,
        instructions: *const u64,
        license: *const libc::c_char,
        rest: [u64; 6],
    }
    const PROGRAM_LOAD: libc::c_long = 5;
    const SOCKET_FILTER: u32 = 1;
    /// `r0 = 0; exit`
    const INSTRUCTIONS: [u64; 2] = [0xb7, 0x95];
    let attributes = Attributes {
        program_type: SOCKET_FILTER,
        instruction_count: INSTRUCTIONS.len() as u32,
        instructions: INSTRUCTIONS.as_ptr(),
        license: c"GPL".as_ptr(),
        rest: [0; 6],
    };
    // SAFETY: attributes and their size belong together; what they point to lives on.
    opened(unsafe {
        libc::syscall(libc::SYS_bpf, PROGRAM_LOAD, &raw const attributes, size_of::<Attributes>())
    })
}

/// Of this thread: the least that there is.
fn open_a_perf_event() -> io::Result<()> {
    /// `PERF_TYPE_SOFTWARE`, the size of version 0, `PERF_COUNT_SW_CPU_CLOCK`; disabled.
    const ATTRIBUTES: [u64; 8] = [1 | 64 << 32, 0, 0, 0, 0, 1, 0, 0];
    // SAFETY: as many bytes as the size says.
    opened(unsafe { libc::syscall(libc::SYS_perf_event_open, ATTRIBUTES.as_ptr(), 0, -1, -1, 0) })
}

fn trace_the_parent() -> io::Result<()> {
    // SAFETY: no arguments.
    let parent = unsafe { libc::getppid() };
    // SAFETY: addresses are not used.
    if unsafe { libc::ptrace(libc::PTRACE_SEIZE, parent, 0, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as above.
    unsafe { libc::ptrace(libc::PTRACE_DETACH, parent, 0, 0) };
    Ok(())
}

fn write_outside() -> io::Result<()> {
    let path = format!("/var/tmp/profiler-attempt-{}", std::process::id());
    OpenOptions::new().write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)
}

fn make_a_socket() -> io::Result<()> {
    // SAFETY: no memory is passed.
    opened(unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) }.into())
}

fn execute() -> io::Result<()> {
    Command::new("/bin/true").status().map(drop)
}

/// Closes what was opened.
fn opened(result: libc::c_long) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given it to us, and nobody else has it.
    drop(unsafe { OwnedFd::from_raw_fd(result as libc::c_int) });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without that the attempts would prove nothing: each must be one that the kernel allows to whoever may.
    #[test]
    fn what_is_tried_is_possible_for_who_is_not_confined() {
        let done = |what: &str| FORBIDDEN.iter().find(|(name, _)| *name == what).unwrap().1();
        for what in [
            "open a perf event",
            "write outside of the state folder",
            "make a socket of IPv4",
            "execute a program",
        ] {
            match done(what) {
                // `kernel.perf_event_paranoid` of 3 refuses whoever lacks CAP_PERFMON.
                Err(error) if what == "open a perf event" && error.raw_os_error() == Some(libc::EACCES) => {}
                other => other.unwrap_or_else(|error| panic!("{what}: {error}")),
            }
        }
        // SAFETY: no arguments, cannot fail.
        if unsafe { libc::geteuid() } == 0 {
            for what in ["make a map", "load a program"] {
                done(what).unwrap_or_else(|error| panic!("{what}: {error}"));
            }
        }
    }
}
