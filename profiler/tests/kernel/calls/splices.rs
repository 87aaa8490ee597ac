//! What is received past `sock_recv_length`: TCP's splice and zero-copy receive. It is in no count, and said.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Ipv6Addr},
    os::fd::{AsRawFd as _, OwnedFd},
    ptr, thread,
    time::Duration,
};

use analysis::report;

use super::{
    Side, counted,
    pair::{self, Pair, STREAM_BYTES, cookie, file, moved},
};
use crate::recorded::{Recorded, record};

/// What a row leaves behind of its connection.
type Row = (&'static str, fn(&OwnedFd) -> u64, u64);

/// The calls, what they give in all of their results, and how much of that is counted.
const ROWS: &[Row] = &[
    ("splice alone", |far| splice_out(far, usize::MAX), 0),
    ("a receive, then splice", |far| read_exactly(far, 1000) + splice_out(far, usize::MAX), 1000),
    ("splice, then a receive", |far| splice_out(far, STREAM_BYTES - 1000) + pair::read_all(far), 1000),
    ("splice, and a rest that nobody reads", |far| splice_out(far, 5000), 0),
    ("a receive, and a rest that nobody reads", |far| read_exactly(far, 1000), 1000),
    (
        "zero-copy receive, then a receive",
        |far| zero_copy(far) + pair::read_all(far),
        STREAM_BYTES as u64 - 5000,
    ),
];

#[test]
fn what_tcp_hands_over_past_the_counted_calls_is_said_to_the_byte() {
    let mut ran = Vec::new();
    let recorded = record(|| {
        for address in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
            for (name, receive, seen) in ROWS {
                let pair = Pair::tcp(address);
                let cookies = (cookie(&pair.near), cookie(&pair.far));
                let (sent, received) = pair.run(Side::Receives(*receive));
                ran.push((format!("{name}, {address}"), cookies, sent, received, *seen));
            }
        }
        // Until the kernel has released the sockets.
        thread::sleep(Duration::from_millis(200));
    });
    let failed: Vec<String> = ran
        .into_iter()
        .filter_map(|(name, (near, far), sent, received, seen)| {
            let found = (counted(&recorded, near), counted(&recorded, far), past(&recorded, far));
            let expected = (Some((0, sent)), Some((seen, 0)), received - seen);
            // Where receives are counted at the end of inet_recvmsg, what zero-copy receive copies is one (6.1).
            let copies_count =
                name.starts_with("zero-copy") && found == (Some((0, sent)), Some((received, 0)), 0);
            (found != expected && !copies_count).then(|| format!("{name}: {found:?}, not {expected:?}"))
        })
        .collect();
    assert!(failed.is_empty(), "{} rows differ:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn a_connection_that_is_still_open_at_the_end_has_its_spliced_bytes_too() {
    let open = Pair::tcp(Ipv4Addr::LOCALHOST.into());
    let mut inside = None;
    let recorded = record(|| {
        let pair = Pair::tcp(Ipv6Addr::LOCALHOST.into());
        for (pair, seen) in [(&open, 1000), (&pair, 0)] {
            file(&pair.near).write_all(&[7; 6000]).unwrap();
            assert_eq!(read_exactly(&pair.far, seen), seen as u64);
            assert_eq!(splice_out(&pair.far, 5000), 5000);
        }
        inside = Some(pair);
    });
    let inside = inside.expect("a pair");
    assert_eq!(counted(&recorded, cookie(&inside.far)), Some((0, 0)), "nothing was counted");
    for pair in [&open, &inside] {
        assert_eq!(past(&recorded, cookie(&pair.far)), 5000);
        assert_eq!(past(&recorded, cookie(&pair.near)), 0);
    }
    let reasons = report::build(&recorded.timeline).trust.reasons;
    let port =
        |socket: &OwnedFd| std::net::TcpStream::from(socket.try_clone().unwrap()).local_addr().unwrap();
    let named = format!("{} to {}", port(&inside.far), port(&inside.near));
    let named = reasons.iter().any(|reason| reason.contains(&named) && reason.contains("5000 bytes"));
    assert!(named, "{reasons:#?}");
}

/// Bytes that the connection received past the counted calls.
fn past(recorded: &Recorded, cookie: u64) -> u64 {
    recorded.own().bypassed.get(&cookie).copied().unwrap_or(0)
}

/// Moves up to so many bytes into a pipe, and out of it.
pub fn splice_out(socket: &OwnedFd, bytes: usize) -> u64 {
    let (mut from, into) = pair::pipe();
    let mut received = 0;
    while received < bytes {
        match splice_once(socket, &into, (bytes - received).min(30_000)) {
            0 => break,
            got => {
                from.read_exact(&mut vec![0; got]).unwrap();
                received += got;
            }
        }
    }
    received as u64
}

fn splice_once(socket: &OwnedFd, into: &File, bytes: usize) -> usize {
    let none = ptr::null_mut();
    // SAFETY: open files without offsets.
    moved(unsafe { libc::splice(socket.as_raw_fd(), none, into.as_raw_fd(), none, bytes, 0) }) as usize
}

fn read_exactly(socket: &OwnedFd, bytes: usize) -> u64 {
    file(socket).read_exact(&mut vec![0; bytes]).unwrap();
    bytes as u64
}

/// 5,000 bytes by `TCP_ZEROCOPY_RECEIVE`, which copies what it cannot map.
fn zero_copy(socket: &OwnedFd) -> u64 {
    /// `struct tcp_zerocopy_receive` (5.11) up to what is used.
    #[repr(C)]
    #[derive(Default)]
    struct Receive {
        address: u64,
        length: u32,
        recv_skip_hint: u32,
        inq: u32,
        err: i32,
        copybuf_address: u64,
        copybuf_len: i32,
        flags: u32,
    }
    const TCP_ZEROCOPY_RECEIVE: i32 = 35;
    let mut memory = [0_u8; 5000];
    let mut received = 0;
    // SAFETY: a mapping of a socket, of whole pages.
    let map = unsafe {
        libc::mmap(ptr::null_mut(), 8192, libc::PROT_READ, libc::MAP_SHARED, socket.as_raw_fd(), 0)
    };
    assert_ne!(map, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
    while received < memory.len() {
        let mut call = Receive {
            address: map as u64,
            // Less than a page is copied.
            length: (memory.len() - received).min(4000) as u32,
            copybuf_address: memory[received..].as_mut_ptr() as u64,
            copybuf_len: (memory.len() - received).min(4000) as i32,
            ..Receive::default()
        };
        let mut len = size_of::<Receive>() as u32;
        // SAFETY: a structure of that length, and memory of the lengths in it.
        let done = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::IPPROTO_TCP,
                TCP_ZEROCOPY_RECEIVE,
                (&raw mut call).cast(),
                &raw mut len,
            )
        };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
        received += call.length as usize + call.copybuf_len.max(0) as usize;
    }
    // SAFETY: the mapping from above.
    unsafe { libc::munmap(map, 8192) };
    received as u64
}
