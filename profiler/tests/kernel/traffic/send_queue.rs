//! What TCP held back, and by what: each case has one reason, which is there nearly all the time.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    os::fd::AsRawFd as _,
    thread,
    time::Duration,
};

use analysis::report::Spread;
use capture::traffic::{Direction, HeldBy};
use profiler::clock::now_ns;

use super::Socket;
use crate::{bytes::connect, recorded::record};

/// Of the time in which nothing could be sent.
const NEARLY_ALL: f64 = 0.8;

#[test]
fn traffic_of_small_writes_is_held_by_nagle() {
    const ROUNDS: usize = 5;
    let mut ports = (0, 0);
    let mut sent_ns = Vec::new();
    let recorded = record(|| {
        let (mut near, mut far) = connect((Ipv4Addr::LOCALHOST, 0).into());
        ports = (near.local_addr().unwrap().port(), far.local_addr().unwrap().port());
        // Acknowledgements are delayed: TCP_QUICKACK is on while a connection is young.
        set(&far, libc::IPPROTO_TCP, libc::TCP_QUICKACK, 0_i32);
        for _ in 0..ROUNDS {
            // One after the other: a record of the second must not be too soon after that of the first.
            near.write_all(&[1; 100]).unwrap();
            near.write_all(&[2; 100]).unwrap();
            sent_ns.push(now_ns());
            far.read_exact(&mut [0; 100]).unwrap();
            far.read_exact(&mut [0; 100]).unwrap();
            set(&far, libc::IPPROTO_TCP, libc::TCP_QUICKACK, 0_i32);
        }
    });
    let near = Socket::tcp(&recorded, ports.0);
    let received = Socket::tcp(&recorded, ports.1).payloads(Direction::Received);
    let mut delayed = 0;
    for (round, &from_ns) in sent_ns.iter().enumerate() {
        let byte = received[0].first_byte().unwrap().wrapping_add(round as u32 * 200 + 100);
        let receive =
            received.iter().find(|receive| receive.first_byte() == Some(byte)).expect("its receive");
        if receive.at_ns.saturating_sub(from_ns) > 20_000_000 {
            delayed += 1;
            check_held(&near, (from_ns, receive.at_ns), HeldBy::Nagle);
        }
    }
    assert!(delayed > 0, "an acknowledgement is delayed by 40 ms");
}

#[test]
fn traffic_to_a_reader_that_does_not_read_is_held_by_its_window() {
    let mut port = 0;
    let mut full = (0, 0);
    let recorded = record(|| {
        let (mut near, mut far) = connect((Ipv4Addr::LOCALHOST, 0).into());
        port = near.local_addr().unwrap().port();
        near.set_nonblocking(true).unwrap();
        let mut written = fill(&mut near);
        thread::sleep(Duration::from_millis(20));
        written += fill(&mut near);
        full.0 = now_ns();
        thread::sleep(Duration::from_millis(100));
        full.1 = now_ns();
        far.read_exact(&mut vec![0; written]).unwrap();
    });
    check_held(&Socket::tcp(&recorded, port), full, HeldBy::PeerWindow);
}

#[test]
fn traffic_that_is_sent_at_a_rate_is_held_by_pacing() {
    const BYTES: usize = 1 << 20;
    let mut port = 0;
    let mut paced = (0, 0);
    let recorded = record(|| {
        let (mut near, mut far) = connect((Ipv4Addr::LOCALHOST, 0).into());
        port = near.local_addr().unwrap().port();
        near.write_all(&[0]).unwrap();
        far.read_exact(&mut [0]).unwrap();
        // 2 MiB a second, whatever the congestion control.
        set(&near, libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE, 2_u32 << 20);
        paced.0 = now_ns();
        let writer = thread::spawn(move || {
            near.write_all(&vec![7; BYTES]).unwrap();
            near
        });
        far.read_exact(&mut vec![0; BYTES]).unwrap();
        paced.1 = now_ns();
        drop(writer.join().unwrap());
    });
    check_held(&Socket::tcp(&recorded, port), paced, HeldBy::Pacing);
}

#[test]
fn traffic_that_nothing_holds_back_says_so_once() {
    let mut port = 0;
    let recorded = record(|| {
        let (mut near, mut far) = connect((Ipv4Addr::LOCALHOST, 0).into());
        port = near.local_addr().unwrap().port();
        near.set_nodelay(true).unwrap();
        for _ in 0..100 {
            near.write_all(&[7; 100]).unwrap();
            far.read_exact(&mut [0; 100]).unwrap();
        }
    });
    let send_queues = Socket::tcp(&recorded, port).send_queues();
    assert!(!send_queues.is_empty() && send_queues.len() < 20, "{send_queues:?}");
    let last = send_queues.last().unwrap();
    assert_eq!((last.unsent_bytes, last.held_by), (0, None), "{last:?}");
}

/// By what the socket itself says meanwhile.
#[test]
fn traffic_has_its_round_trip_time_and_windows_in_the_report() {
    let mut port = 0;
    let mut seen: Vec<Info> = Vec::new();
    let recorded = record(|| {
        let (mut near, mut far) = connect((Ipv4Addr::LOCALHOST, 0).into());
        port = near.local_addr().unwrap().port();
        set(&near, libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE, 20_u32 << 20);
        let reader = thread::spawn(move || far.read_to_end(&mut Vec::new()).unwrap());
        for _ in 0..100 {
            near.write_all(&[7; 64 << 10]).unwrap();
            seen.push(info(&near));
        }
        drop(near);
        assert_eq!(reader.join().unwrap(), 100 * (64 << 10));
    });
    let report = analysis::report::build(&recorded.timeline);
    let own = report.processes.iter().find(|process| process.pid == std::process::id()).unwrap();
    let local = format!("127.0.0.1:{port}");
    let connection = own.connections.iter().find(|connection| connection.local == local).expect("it sent");
    let rtt_s = connection.smoothed_rtt_s.expect("it was measured");
    // The median is within 1.6 %, and both are looked at at other times.
    let check = |what: &str, found: (f64, f64), of: &dyn Fn(&Info) -> u32| {
        let told = || seen.iter().skip(seen.len() / 4).map(|info| f64::from(of(info)));
        let (least, most) = (told().fold(f64::MAX, f64::min), told().fold(0.0, f64::max));
        let (median, max) = found;
        assert!(median > 0.8 * least && median < 1.2 * most, "{what}: {found:?}, not {least} to {most}");
        assert!(max >= median && max > 0.8 * most, "{what}: {found:?}, not {least} to {most}");
    };
    check("round trip", (1e6 * rtt_s.median, 1e6 * rtt_s.max), &|info| info.rtt_us);
    let bytes = |spread: Spread<u64>| (spread.median as f64, spread.max as f64);
    check("congestion window", bytes(connection.congestion_window_bytes), &|info| info.cwnd * info.mss);
    check("peer's window", bytes(connection.peer_window_bytes), &|info| info.snd_wnd);
    assert!(connection.in_flight_bytes.max > 0, "{connection:?}");
    assert_eq!(connection.tx_bytes, 100 * (64 << 10));
}

/// Of `struct tcp_info`.
struct Info {
    rtt_us: u32,
    cwnd: u32,
    mss: u32,
    snd_wnd: u32,
}

fn info(stream: &TcpStream) -> Info {
    let mut words = [0_u32; 60];
    let mut len = size_of_val(&words) as u32;
    let (fd, option) = (stream.as_raw_fd(), libc::TCP_INFO);
    // SAFETY: the words and their length belong together.
    let done =
        unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, option, words.as_mut_ptr().cast(), &raw mut len) };
    assert_eq!(done, 0, "TCP_INFO");
    // Offsets of the kernel's interface, which only grows: `tcpi_snd_wnd` is there since 5.4.
    Info { mss: words[4], rtt_us: words[17], cwnd: words[20], snd_wnd: words[57] }
}

/// That most of an interval was held by this, as attribution reads it: each record until the next.
#[track_caller]
fn check_held(socket: &Socket, (from_ns, to_ns): (u64, u64), by: HeldBy) {
    let send_queues = socket.send_queues();
    let ends = send_queues[1..].iter().map(|next| next.at_ns).chain([u64::MAX]);
    let held_ns: u64 = send_queues
        .iter()
        .zip(ends)
        .filter(|(send_queue, _)| send_queue.held_by == Some(by))
        .map(|(send_queue, end_ns)| end_ns.min(to_ns).saturating_sub(send_queue.at_ns.max(from_ns)))
        .sum();
    let share = held_ns as f64 / (to_ns - from_ns) as f64;
    let last = &send_queues[send_queues.len().saturating_sub(5)..];
    assert!(share > NEARLY_ALL, "{by:?} for {share:.3} of {} ns; the last: {last:#?}", to_ns - from_ns);
}

/// Writes until there is no room; gives how much.
fn fill(stream: &mut TcpStream) -> usize {
    let mut written = 0;
    loop {
        match stream.write(&[7; 10_000]) {
            Ok(bytes) => written += bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return written,
            Err(error) => panic!("{error}"),
        }
    }
}

#[track_caller]
fn set<T>(stream: &TcpStream, level: i32, option: i32, value: T) {
    // SAFETY: the value is of the size that is given.
    let result = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}
