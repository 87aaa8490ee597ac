//! Processes whose first thread has ended while others live: `/proc/PID` shows them as ended, and no descriptors,
//! namespaces or memory of theirs.

use std::{
    ffi::CString,
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::{fd::AsRawFd as _, unix::net::UnixStream},
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use capture::cross_check::Moment;
use profiler::collect::{cross_check, targets::in_proc};

use crate::{
    groups::{Made, Version},
    recorded::record_others,
};

const BYTES: usize = 765_432;

#[test]
fn they_are_followed_however_they_are_chosen() {
    let group = Made::new(Version::One, "first-thread");
    let name = format!("first{}", std::process::id());
    for way in ["pid", "comm", "cgroup"] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let mut process = Headless::new(&name, move |_| {
            let mut received = Vec::new();
            TcpStream::connect(address).unwrap().read_to_end(&mut received).unwrap();
            assert_eq!(received.len(), BYTES);
        });
        let pid = process.pid;
        // How the service finds them.
        assert_eq!(in_proc::executable(pid), Some(std::env::current_exe().unwrap()));
        group.take(pid);
        let recorded = record_others(|recording| {
            let found = match way {
                "pid" => recording.register(pid).map(|_| 1),
                "comm" => recording.register_command(&name),
                _ => recording.register_group(&group.as_group()),
            };
            assert_eq!(found.unwrap(), 1, "by {way}");
            process.go();
            listener.accept().unwrap().0.write_all(&[7; BYTES]).unwrap();
            process.wait();
        });
        let totals = recorded.with_pid(pid).totals.as_ref().unwrap();
        assert_eq!(totals.tcp_rx_bytes, BYTES as u64, "by {way}");
        assert_eq!(totals.comm, name, "by {way}");
        assert!(totals.exited_ns.is_some(), "by {way}: its end");
        process.end();
    }
}

#[test]
fn their_interfaces_and_open_connections_are_found() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let mut process = Headless::new("first-open", move |line| {
        let connection = TcpStream::connect(address).unwrap();
        splice(&connection, BYTES);
        line.write_all(&[0]).unwrap();
        // Until the recording is over.
        line.read_exact(&mut [0]).unwrap();
    });
    let pid = process.pid;
    let mut connection = None;
    let recorded = record_others(|recording| {
        recording.register(pid).unwrap();
        assert!(!cross_check::interfaces(pid, Moment::BeforeStart).is_empty());
        process.go();
        let near = &mut connection.insert(listener.accept().unwrap()).0;
        near.write_all(&[7; BYTES]).unwrap();
        process.line.read_exact(&mut [0]).unwrap();
    });
    process.go();
    process.wait();
    process.end();
    let bypassed: Vec<u64> = recorded.with_pid(pid).bypassed.values().copied().collect();
    assert_eq!(bypassed, [BYTES as u64]);
}

/// Takes so many bytes from a connection past the calls that are counted.
fn splice(connection: &TcpStream, bytes: usize) {
    let (mut from, into) = std::io::pipe().unwrap();
    let mut left = bytes;
    while left > 0 {
        let (socket, pipe) = (connection.as_raw_fd(), into.as_raw_fd());
        let null = std::ptr::null_mut();
        // SAFETY: live descriptors, no offsets.
        let moved = unsafe { libc::splice(socket, null, pipe, null, left.min(1 << 14), 0) };
        assert!(moved > 0, "{}", std::io::Error::last_os_error());
        from.read_exact(&mut vec![0; moved as usize]).unwrap();
        left -= moved as usize;
    }
}

/// A process of one thread, which is not the first.
struct Headless {
    pid: u32,
    line: UnixStream,
}

impl Headless {
    /// Forks a process of that name; its second thread works when it is told to.
    fn new(name: &str, work: impl FnOnce(&mut UnixStream) + Send + 'static) -> Self {
        let (near, mut far) = UnixStream::pair().unwrap();
        let name = CString::new(name).unwrap();
        // SAFETY: as for `Actor`.
        let pid = match unsafe { libc::fork() } {
            -1 => panic!("fork: {}", std::io::Error::last_os_error()),
            0 => {
                drop(near);
                // SAFETY: a live string.
                unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
                thread::spawn(move || {
                    let done = far.read_exact(&mut [0]).is_ok()
                        && catch_unwind(AssertUnwindSafe(|| work(&mut far))).is_ok();
                    let _ = far.write_all(&[u8::from(done)]);
                    // SAFETY: no arguments that could be wrong.
                    unsafe { libc::_exit(0) }
                });
                // SAFETY: ends this thread alone; nothing on its stack is borrowed.
                unsafe { libc::syscall(libc::SYS_exit, 0) };
                unreachable!("this thread has ended")
            }
            pid => pid as u32,
        };
        let process = Self { pid, line: near };
        for _ in 0..1000 {
            if fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") Z ") {
                return process;
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("the first thread of {pid} has not ended");
    }

    fn go(&mut self) {
        self.line.write_all(&[1]).unwrap();
    }

    /// Until it has done its work, and ended.
    fn wait(&mut self) {
        let mut done = [0];
        self.line.read_exact(&mut done).unwrap();
        assert_eq!(done, [1], "it did its work");
        // SAFETY: any bytes are a siginfo, which the call writes to.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: the siginfo lives through the call, which leaves the process to be waited for.
        let ended =
            unsafe { libc::waitid(libc::P_PID, self.pid, &raw mut info, libc::WEXITED | libc::WNOWAIT) };
        assert_eq!(ended, 0);
    }

    /// Waits for a process that has ended.
    fn end(self) {
        let pid = self.pid as i32;
        // SAFETY: a child that nobody else waits for.
        assert_eq!(unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) }, pid);
    }
}
