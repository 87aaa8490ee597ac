//! System calls of x86-64 that matter to what a wait was for.

const WRITE: i32 = 1;
const POLL: i32 = 7;
const WRITEV: i32 = 20;
const SELECT: i32 = 23;
const NANOSLEEP: i32 = 35;
const SENDFILE: i32 = 40;
const SENDTO: i32 = 44;
const SENDMSG: i32 = 46;
const CLOCK_NANOSLEEP: i32 = 230;
const EPOLL_WAIT: i32 = 232;
const PSELECT6: i32 = 270;
const PPOLL: i32 = 271;
const SPLICE: i32 = 275;
const EPOLL_PWAIT: i32 = 281;
const SENDMMSG: i32 = 307;
const IO_URING_ENTER: i32 = abi::context::IO_URING_ENTER as i32;
const EPOLL_PWAIT2: i32 = 441;

/// A call that waits for many things at once: which one it was, only the run after it tells.
/// `io_getevents` is none: its requests are a disk's.
pub fn is_multiplexer(syscall: Option<i32>) -> bool {
    matches!(
        syscall,
        Some(POLL | SELECT | EPOLL_WAIT | PSELECT6 | PPOLL | EPOLL_PWAIT | IO_URING_ENTER | EPOLL_PWAIT2)
    )
}

/// A call that waits for its own time-out and nothing else.
pub fn is_sleep(syscall: Option<i32>) -> bool {
    matches!(syscall, Some(NANOSLEEP | CLOCK_NANOSLEEP))
}

/// A call that sends: where the network ends its wait, it waited for room.
pub fn is_send(syscall: Option<i32>) -> bool {
    matches!(syscall, Some(WRITE | WRITEV | SENDFILE | SENDTO | SENDMSG | SPLICE | SENDMMSG))
}

pub fn is_io_uring(syscall: Option<i32>) -> bool {
    syscall == Some(IO_URING_ENTER)
}
