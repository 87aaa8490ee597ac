//! What the kernel threw away, beside its own counts.

use std::{
    net::{TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd as _,
    time::Duration,
};

use analysis::report::{DropReport, ProcessReport, Report};
use capture::{DropReason, families::DROPS};

use crate::recorded::record;

const DATAGRAM_BYTES: usize = 1000;

#[test]
fn datagrams_that_found_the_receive_buffer_full_are_counted_with_its_size() {
    let (receiver, sender) =
        (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    receiver.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut received = 0;
    const SENT: u64 = 5000;
    let recorded = record(|| {
        let mut buffer = [0; DATAGRAM_BYTES];
        // A socket is known from its first receive on.
        sender.send(&[1; DATAGRAM_BYTES]).unwrap();
        receiver.recv(&mut buffer).unwrap();
        for _ in 0..SENT {
            sender.send(&[7; DATAGRAM_BYTES]).unwrap();
        }
        while receiver.recv(&mut buffer).is_ok() {
            received += 1;
        }
    });
    let report = analysis::report::build(&recorded.timeline);
    let family = &recorded.timeline.families[DROPS];
    assert!(family.is_whole(), "{family:?}");
    let dropped = only(&report);
    let lost = SENT - received;
    assert!(lost > 1000, "{lost} of {SENT} were lost");
    let buffer_bytes = rustix::net::sockopt::socket_recv_buffer_size(&receiver).unwrap() as u32;
    let expected = (DropReason::ReceiveBuffer, lost, lost * DATAGRAM_BYTES as u64, Some(buffer_bytes));
    assert_eq!((dropped.reason, dropped.packets, dropped.bytes, dropped.buffer_bytes), expected);
    assert_eq!(dropped.local.as_deref(), Some(receiver.local_addr().unwrap().to_string().as_str()));
    assert_eq!(u64::from(kernels_own(&receiver)), lost, "the socket's own count");
    let sources: Vec<_> =
        recorded.timeline.drops.between(0, u64::MAX).filter_map(|dropped| dropped.of.source).collect();
    assert_eq!(sources, [sender.local_addr().unwrap()]);
}

#[test]
fn what_a_full_accept_queue_did_not_take_is_counted() {
    let mut kept = Vec::new();
    let mut drops = 0;
    let recorded = record(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // SAFETY: a socket that listens may be given another length of its queue.
        assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 1) }, 0);
        let address = listener.local_addr().unwrap();
        for _ in 0..6 {
            kept.extend(TcpStream::connect_timeout(&address, Duration::from_millis(100)));
        }
        drops = kernels_own(&listener);
        // Open at the end.
        std::mem::forget(listener);
    });
    assert!(drops >= 4, "{drops} first segments were dropped, {} connections made", kept.len());
    let report = analysis::report::build(&recorded.timeline);
    let dropped = only(&report);
    assert_eq!((dropped.reason, dropped.accept_queue), (DropReason::AcceptQueue, Some(1)), "{dropped:?}");
    // A connection tries again after it was counted here.
    assert!((u64::from(drops)..=u64::from(drops) + 6).contains(&dropped.packets), "{drops}, {dropped:?}");
}

/// `SK_MEMINFO_DROPS`
fn kernels_own(socket: &impl std::os::fd::AsRawFd) -> u32 {
    let mut numbers = [0_u32; 9];
    let mut len = size_of_val(&numbers) as u32;
    let (fd, option) = (socket.as_raw_fd(), libc::SO_MEMINFO);
    // SAFETY: the numbers and their length belong together.
    let done =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, option, numbers.as_mut_ptr().cast(), &raw mut len) };
    assert_eq!(done, 0, "SO_MEMINFO");
    numbers[8]
}

#[track_caller]
fn only(report: &Report) -> &DropReport {
    let own = |process: &&ProcessReport| process.pid == std::process::id();
    let process = report.processes.iter().find(own).expect("this process");
    match &process.dropped[..] {
        [dropped] => dropped,
        other => panic!("{other:?}"),
    }
}
