//! A process of its own that does one thing when it is told to.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    panic::{AssertUnwindSafe, catch_unwind},
};

pub struct Actor {
    pub pid: u32,
    line: UnixStream,
}

impl Actor {
    /// Forks; the child waits.
    pub fn new(work: impl FnOnce()) -> Self {
        let (near, mut far) = UnixStream::pair().unwrap();
        // SAFETY: the child uses no lock of the threads that it does not have: it makes system calls, and allocates,
        // which the C library allows after a fork.
        match unsafe { libc::fork() } {
            -1 => panic!("fork: {}", std::io::Error::last_os_error()),
            0 => {
                drop(near);
                let done = far.read_exact(&mut [0]).is_ok() && catch_unwind(AssertUnwindSafe(work)).is_ok();
                let _ = far.write_all(&[u8::from(done)]);
                // SAFETY: no arguments that could be wrong.
                unsafe { libc::_exit(0) }
            }
            pid => Self { pid: pid as u32, line: near },
        }
    }

    /// Lets it end without its work, and waits until it has.
    pub fn dismiss(self) {
        let pid = self.pid as i32;
        drop(self);
        // SAFETY: a child that nobody else waits for.
        assert_eq!(unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) }, pid, "the actor has ended");
    }

    /// Lets it work, and waits until it has ended.
    pub fn act(mut self) {
        self.line.write_all(&[1]).unwrap();
        let mut done = [0];
        self.line.read_exact(&mut done).unwrap();
        // SAFETY: a child that nobody else waits for.
        let ended = unsafe { libc::waitpid(self.pid as i32, std::ptr::null_mut(), 0) };
        assert_eq!(ended, self.pid as i32, "the actor has ended");
        assert_eq!(done, [1], "the actor did its work");
    }
}
