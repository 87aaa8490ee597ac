//! A link that delays and loses, beside what the programs on it say. Under the virtual kernels only: they have netem, see
//! `xtask/src/guest/`.

use std::{
    fs,
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpStream},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use analysis::report::{ConnectionReport, ProcessPath, ProcessReport, Report};
use profiler::clock::now_ns;
use rustix::{
    event::{PollFd, PollFlags, poll},
    net::sockopt::set_socket_send_buffer_size,
};

use crate::{
    actor::Actor,
    bytes::connect,
    modules,
    network::{alone_in_a_network, tool},
    recorded::record_others,
};

const DELAY_MS: u64 = 20;
const SEGMENT_BYTES: usize = 1448;
const WINDOW_SEGMENTS: usize = 10;
/// The kernel counts segments with their management: some 4 windows.
const SEND_BUFFER_BYTES: usize = 64 << 10;

#[test]
#[ignore = "needs netem: runs under the virtual kernels"]
fn a_delay_is_the_links_and_the_congestion_windows_if_the_sender_blocks() {
    alone_with_netem(|| delayed(true));
}

#[test]
#[ignore = "needs netem: runs under the virtual kernels"]
fn a_delay_is_the_links_and_the_congestion_windows_if_the_sender_is_an_event_loop() {
    alone_with_netem(|| delayed(false));
}

fn delayed(blocks: bool) {
    const WINDOWS: usize = 20;
    let ends = connect_with_a_small_window();
    netem(&format!("delay {DELAY_MS}ms"));
    let told = Told::of_stream(ends, WINDOWS * WINDOW_SEGMENTS * SEGMENT_BYTES, blocks);
    // The sender waits for room, and each byte for its turn in the send buffer, and then for the link.
    let (sender, receiver) = (&told.sender.budget, &told.receiver.budget);
    assert!(sender.network_detail.cwnd > 0.8 * sender.shares.network, "{told:#?}");
    let detail = receiver.network_detail;
    // What the sender computes is the rest, on a busy host most of it: half of the windows' round trips at least, in seconds.
    let least_s = 0.001 * (WINDOWS as u64 * DELAY_MS) as f64;
    assert!(detail.cwnd > detail.link && detail.cwnd * told.receiver.wall_s > least_s, "{told:#?}");
    for detail in [sender.network_detail, receiver.network_detail] {
        let nothing_else =
            detail.retransmit + detail.loss + detail.pacing + detail.peer_window + detail.nagle;
        assert!(nothing_else < 0.1, "{told:#?}");
    }
    let rtt_s = told.connection.smoothed_rtt_s.expect("it was measured").median;
    let by_log_s = told.receiver.wall_s / WINDOWS as f64;
    assert!(rtt_s > 0.0019 * DELAY_MS as f64 && rtt_s < 1.2 * by_log_s, "{by_log_s} s a window: {told:#?}");
}

#[test]
#[ignore = "needs netem: runs under the virtual kernels"]
fn what_was_lost_takes_as_long_as_the_programs_say() {
    alone_with_netem(lossy);
}

/// Two processes that answer each other, until enough of their messages were late.
fn lossy() {
    const LATE: usize = 6;
    /// TCP waits for longer before it sends again (`TCP_RTO_MIN`), and the delay comes to that.
    const LATE_NS: u64 = 200_000_000;
    let (asks, answers) = connect((Ipv4Addr::LOCALHOST, 0).into());
    for end in [&asks, &answers] {
        end.set_nodelay(true).unwrap();
    }
    netem(&format!("delay {DELAY_MS}ms loss 15%"));
    let folder = tempfile::tempdir().unwrap();
    let logs = ["asks", "answers"].map(|name| folder.path().join(name));
    let asker = Actor::new(|| {
        let (mut log, mut late) = (Vec::new(), 0);
        while late < LATE {
            log.push(now_ns());
            (&asks).write_all(&[7; 100]).unwrap();
            (&asks).read_exact(&mut [0; 100]).unwrap();
            log.push(now_ns());
            late += usize::from(log[log.len() - 1] - log[log.len() - 2] > LATE_NS);
        }
        write(&logs[0], &log);
        asks.shutdown(Shutdown::Write).unwrap();
    });
    let answerer = Actor::new(|| {
        let mut log = Vec::new();
        while (&answers).read_exact(&mut [0; 100]).is_ok() {
            log.push(now_ns());
            (&answers).write_all(&[7; 100]).unwrap();
        }
        write(&logs[1], &log);
    });
    let told = Told::of(asker, answerer);
    let [asked, answered] = logs.map(|log| read(&log));
    let ways = asked
        .chunks(2)
        .zip(&answered)
        .flat_map(|(asked, answered)| [answered - asked[0], asked[1] - answered]);
    let late_ns: u64 = ways.filter(|way| *way > LATE_NS).sum();
    let by_log = late_ns as f64 / 1e9 / told.sender.wall_s;
    assert!(by_log > 0.1, "{by_log} by the log: {told:#?}");
    told.near("retransmit", told.sender.budget.network_detail.retransmit, by_log, 0.05);
}

/// What two processes did over loopback, by the report.
#[derive(Debug)]
struct Told {
    sender: ProcessPath,
    receiver: ProcessPath,
    /// The sender's.
    connection: ConnectionReport,
}

impl Told {
    /// The first one sends, until it ends; both were made for this.
    fn of(sender: Actor, receiver: Actor) -> Self {
        let pids = [sender.pid, receiver.pid];
        let recorded = record_others(|recording| {
            for pid in pids {
                recording.register(pid).unwrap();
            }
            thread::scope(|scope| {
                scope.spawn(|| receiver.act());
                sender.act();
            });
        });
        assert_eq!(recorded.timeline.dispatch, None, "what loopback delays is no measure of a probe");
        let report = analysis::report::build(&recorded.timeline);
        let [sent, received] = pids.map(|pid| process(&report, pid));
        let path = |process: &ProcessReport| process.path.clone().expect("a path");
        let connection = sent.connections.first().expect("it sent").clone();
        Self { sender: path(sent), receiver: path(received), connection }
    }

    fn of_stream((near, far): (TcpStream, TcpStream), bytes: usize, blocks: bool) -> Self {
        // Of some windows: the sender waits for room.
        set_socket_send_buffer_size(&near, SEND_BUFFER_BYTES).unwrap();
        let sender = Actor::new(|| {
            near.set_nonblocking(!blocks).unwrap();
            let payload = vec![7; bytes];
            let mut left = &payload[..];
            // A socket is known from its first call on.
            (&near).write_all(&left[..1]).unwrap();
            left = &left[1..];
            while !left.is_empty() {
                match (&near).write(left) {
                    Ok(sent) => left = &left[sent..],
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        poll(&mut [PollFd::new(&near, PollFlags::OUT)], None).unwrap();
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            near.shutdown(Shutdown::Write).unwrap();
        });
        let receiver = Actor::new(|| {
            let mut got = 0;
            while got < bytes {
                let took = (&far).read(&mut [0; 16 << 10]).unwrap();
                assert!(took > 0, "{got} of {bytes} bytes arrived");
                got += took;
            }
        });
        Self::of(sender, receiver)
    }

    #[track_caller]
    fn near(&self, what: &str, told: f64, expected: f64, tolerance: f64) {
        assert!((told - expected).abs() < tolerance, "{what}: {told}, not {expected}: {self:#?}");
    }
}

/// A connection takes its route's window if the kernel has kept something of one before it (`tcp_init_metrics`, 6.12).
fn connect_with_a_small_window() -> (TcpStream, TcpStream) {
    let window = format!("cwnd lock {WINDOW_SEGMENTS}");
    tool("ip", &format!("route replace local 127.0.0.1 dev lo table local src 127.0.0.1 {window}"));
    let address = (Ipv4Addr::LOCALHOST, 0).into();
    let (mut near, mut far) = connect(address);
    near.write_all(&[7]).unwrap();
    far.read_exact(&mut [0]).unwrap();
    drop(near);
    assert_eq!(far.read(&mut [0]).unwrap(), 0);
    drop(far);
    let until = Instant::now() + Duration::from_secs(5);
    while tool("ip", "tcp_metrics show 127.0.0.1").is_empty() {
        assert!(Instant::now() < until, "nothing was kept");
    }
    connect(address)
}

#[track_caller]
fn process(report: &Report, pid: u32) -> &ProcessReport {
    report.processes.iter().find(|process| process.pid == pid).expect("the process is in the report")
}

/// Loopback with packets of one segment.
fn alone_with_netem(work: impl FnOnce() + Send + 'static) {
    if rustix::system::uname().release().to_bytes().starts_with(b"6.1.") {
        eprintln!("left out: before 6.3 bytes are not seen to arrive");
        return;
    }
    modules::load(&["sch_netem"]);
    alone_in_a_network(|| {
        tool("ip", "link set lo mtu 1500 gso_max_segs 1");
        work();
    });
}

fn netem(how: &str) {
    tool("tc", &format!("qdisc add dev lo root netem {how}"));
}

fn write(log: &Path, times_ns: &[u64]) {
    let lines: Vec<String> = times_ns.iter().map(u64::to_string).collect();
    fs::write(log, lines.join("\n")).unwrap();
}

fn read(log: &Path) -> Vec<u64> {
    fs::read_to_string(log).unwrap().lines().map(|line| line.parse().unwrap()).collect()
}
