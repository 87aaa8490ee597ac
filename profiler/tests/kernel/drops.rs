//! What the kernel threw away, beside its own counts.

use std::{
    fs,
    net::{TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd as _,
    process::Command,
    thread,
    time::Duration,
};

use analysis::report::{DropReport, ProcessReport, Report};
use capture::{DropReason, families::DROPS};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::recorded::record;

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
    // Which `SO_RXQ_OVFL` tells too.
    assert_eq!(u64::from(kernels_own(&receiver)), lost, "the socket's own count");
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

/// On a thread with a network of its own, whose counts are of nobody else.
fn alone_in_a_network(work: impl FnOnce() + Send + 'static) {
    let alone = move || {
        // SAFETY: the thread shares no file descriptors in a way that matters: a network is no file.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.expect("make a network, which needs root");
        tool("ip", "link set lo up");
        work();
    };
    if let Err(panic) = thread::spawn(alone).join() {
        std::panic::resume_unwind(panic);
    }
}

/// What a program says, in this thread's network.
fn tool(program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `RcvbufErrors` of UDP.
fn receive_buffer_errors() -> u64 {
    let snmp = fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let place = names.split(' ').position(|name| name == "RcvbufErrors").unwrap();
    values.split(' ').nth(place).unwrap().parse().unwrap()
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
