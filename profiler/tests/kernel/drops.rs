//! What the kernel threw away, beside its own counts.

use std::{
    fs,
    net::{TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd as _,
    process::Command,
    time::Duration,
};

use analysis::report::{DropReport, ProcessReport, Report};
use capture::{DropReason, families::DROPS};

use crate::{
    network::{alone_in_a_network, tool},
    recorded::record,
};

const DATAGRAM_BYTES: usize = 1000;

#[test]
fn datagrams_that_found_the_receive_buffer_full_are_counted_with_its_size() {
    alone_in_a_network(full_receive_buffer);
}

fn full_receive_buffer() {
    let (receiver, sender) =
        (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    receiver.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut received = 0;
    const SENT: u64 = 5000;
    let errors = receive_buffer_errors();
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
    ask_for_drops(&receiver);
    sender.send(&[7; DATAGRAM_BYTES]).unwrap();
    assert_eq!(u64::from(dropped_before(&receiver)), lost, "what comes with the next datagram");
    assert_eq!(receive_buffer_errors() - errors, lost, "the network's count");
    let sources: Vec<_> =
        recorded.timeline.drops.between(0, u64::MAX).filter_map(|dropped| dropped.of.source).collect();
    assert_eq!(sources, [sender.local_addr().unwrap()]);
}

#[test]
fn what_a_full_accept_queue_did_not_take_is_counted() {
    let mut kept = Vec::new();
    let mut drops = 0;
    // Open at the end.
    let listener = std::cell::OnceCell::new();
    let recorded = record(|| {
        let listener = listener.get_or_init(|| TcpListener::bind("127.0.0.1:0").unwrap());
        // SAFETY: a socket that listens may be given another length of its queue.
        assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 1) }, 0);
        let address = listener.local_addr().unwrap();
        for _ in 0..6 {
            kept.extend(TcpStream::connect_timeout(&address, Duration::from_millis(100)));
        }
        drops = kernels_own(listener);
    });
    let until_now = kernels_own(listener.get().unwrap());
    assert!(drops >= 4, "{drops} first segments were dropped, {} connections made", kept.len());
    let report = analysis::report::build(&recorded.timeline);
    let dropped = only(&report);
    assert_eq!((dropped.reason, dropped.accept_queue), (DropReason::AcceptQueue, Some(1)), "{dropped:?}");
    // A connection may try again before the recording ends, and after.
    let by_the_kernel = u64::from(drops)..=u64::from(until_now);
    assert!(by_the_kernel.contains(&dropped.packets), "{by_the_kernel:?}, {dropped:?}");
}

#[test]
fn what_a_full_token_bucket_threw_away_is_its_senders() {
    alone_in_a_network(full_token_bucket);
}

#[test]
fn what_a_filter_threw_away_on_its_way_out_is_its_senders() {
    alone_in_a_network(|| {
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let rules = [
            "add table ip drops",
            "add chain ip drops out { type filter hook output priority 0; }",
            "add rule ip drops out udp dport 9 drop",
        ];
        let output = Command::new("nft").arg(rules.join("\n")).output().unwrap();
        assert!(output.status.success(), "nft: {}", String::from_utf8_lossy(&output.stderr));
        let recorded = record(|| {
            // A socket is known from its first send on.
            sender.send_to(&[1], "127.0.0.1:10").unwrap();
            for _ in 0..100 {
                let error = sender.send_to(&[7; DATAGRAM_BYTES], "127.0.0.1:9").unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::EPERM));
            }
        });
        let report = analysis::report::build(&recorded.timeline);
        let dropped = only(&report);
        assert_eq!((dropped.reason, dropped.packets), (DropReason::Filter, 100), "{dropped:?}");
    });
}

fn full_token_bucket() {
    tool("tc", "qdisc add dev lo root tbf rate 8mbit burst 4kb limit 20kb");
    let (receiver, sender) =
        (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    let recorded = record(|| {
        for _ in 0..1000 {
            sender.send(&[7; DATAGRAM_BYTES]).unwrap();
        }
    });
    let told: serde_json::Value = serde_json::from_str(&tool("tc", "-s -j qdisc show dev lo")).unwrap();
    let drops = told[0]["drops"].as_u64().unwrap();
    assert!(drops > 500, "{told}");
    let report = analysis::report::build(&recorded.timeline);
    let dropped = only(&report);
    assert_eq!((dropped.reason, dropped.packets), (DropReason::Qdisc, drops), "{dropped:?}");
    assert_eq!(dropped.local.as_deref(), Some(sender.local_addr().unwrap().to_string().as_str()));
}

/// `RcvbufErrors` of UDP.
fn receive_buffer_errors() -> u64 {
    let snmp = fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let place = names.split(' ').position(|name| name == "RcvbufErrors").unwrap();
    values.split(' ').nth(place).unwrap().parse().unwrap()
}

/// `SO_RXQ_OVFL`
fn ask_for_drops(receiver: &UdpSocket) {
    let on: libc::c_int = 1;
    let (fd, len) = (receiver.as_raw_fd(), size_of_val(&on) as u32);
    // SAFETY: the value and its length belong together.
    let done =
        unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, (&raw const on).cast(), len) };
    assert_eq!(done, 0, "SO_RXQ_OVFL");
}

/// What came beside a datagram that was queued since it was asked for.
fn dropped_before(receiver: &UdpSocket) -> u32 {
    let mut datagram = [0_u8; DATAGRAM_BYTES];
    let mut part = libc::iovec { iov_base: datagram.as_mut_ptr().cast(), iov_len: datagram.len() };
    let mut control = [0_u64; 8];
    // SAFETY: all that the message points to lives as long; the control buffer is aligned for its header.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
        (message.msg_control, message.msg_controllen) = (control.as_mut_ptr().cast(), size_of_val(&control));
        assert!(libc::recvmsg(receiver.as_raw_fd(), &raw mut message, 0) > 0);
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        assert!(!header.is_null() && (*header).cmsg_type == libc::SO_RXQ_OVFL, "no SO_RXQ_OVFL");
        libc::CMSG_DATA(header).cast::<u32>().read_unaligned()
    }
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
