//! A packet capture on the loopback interface, taken beside a recording, says what the recording says.

use std::{
    fs::File,
    io::{self, BufWriter, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use profiler::verify::{self, Comparison, compare::Verdict};

use crate::{bytes::connect, recorded::record_to};

/// No power of two and no multiple of a segment.
const PAYLOAD_BYTES: usize = 12_345_678;

/// Headers only.
const SNAP_BYTES: usize = 128;

#[test]
fn packets_of_a_tcp_transfer_agree_to_the_byte() {
    for address in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        let mut ports = (0, 0);
        let comparison = compared(|| ports = transfer((address, 0).into()));
        assert!(comparison.agrees, "{}", verify::text::render(&comparison));
        check(&comparison, ports.0, (0, PAYLOAD_BYTES as u64));
        check(&comparison, ports.1, (PAYLOAD_BYTES as u64, 0));
    }
}

#[test]
fn packets_of_unconnected_datagram_sockets_agree_to_the_byte() {
    let mut ports = (0, 0);
    let comparison = compared(|| {
        let near = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        ports = (near.local_addr().unwrap().port(), far.local_addr().unwrap().port());
        for size in [1, 1201, 60_000] {
            near.send_to(&vec![7; size], far.local_addr().unwrap()).unwrap();
            assert_eq!(far.recv(&mut vec![0; size]).unwrap(), size);
        }
    });
    assert!(comparison.agrees, "{}", verify::text::render(&comparison));
    check(&comparison, ports.0, (0, 61_202));
    check(&comparison, ports.1, (61_202, 0));
}

#[track_caller]
fn check(comparison: &Comparison, port: u16, rx_tx_bytes: (u64, u64)) {
    let ends_there = |local: &String| local.ends_with(&format!(":{port}"));
    let row = comparison.rows.iter().find(|row| row.local.as_ref().is_some_and(ends_there));
    let row = row.expect("the socket is in the comparison");
    assert_eq!(row.verdict, Verdict::Equal, "{row:?}");
    assert_eq!((row.received.kernel_bytes, row.sent.kernel_bytes), rx_tx_bytes, "{row:?}");
    assert_eq!((row.received.packet_bytes, row.sent.packet_bytes), rx_tx_bytes, "{row:?}");
}

fn transfer(address: SocketAddr) -> (u16, u16) {
    let (mut near, mut far) = connect(address);
    let ports = (near.local_addr().unwrap().port(), far.local_addr().unwrap().port());
    let reader = thread::spawn(move || io::copy(&mut far, &mut io::sink()).unwrap());
    near.write_all(&vec![7; PAYLOAD_BYTES]).unwrap();
    drop(near);
    assert_eq!(reader.join().unwrap(), PAYLOAD_BYTES as u64);
    // The last acknowledgements of the connection.
    thread::sleep(Duration::from_millis(200));
    ports
}

/// Records `work` and its packets, and compares the two.
fn compared(work: impl FnOnce()) -> Comparison {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let (capture, pcap) = (folder.path().join("run.capture"), folder.path().join("run.pcap"));
    record_to(&capture, || {
        let watch = Watch::start(&pcap);
        work();
        watch.stop();
    });
    verify::run(&capture, &[pcap], 0).expect("both files can be read")
}

/// Writes what arrives on the loopback interface; what leaves there is the same once more.
struct Watch {
    stop: Arc<AtomicBool>,
    writer: thread::JoinHandle<()>,
}

impl Watch {
    fn start(path: &Path) -> Self {
        let (mut socket, mut into) = (open_socket(), BufWriter::new(File::create(path).unwrap()));
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        // Magic, version 2.4, zone and accuracy, snap length, Ethernet.
        for word in [0xa1b2_c3d4, 2 | 4 << 16, 0, 0, SNAP_BYTES as u32, 1_u32] {
            into.write_all(&word.to_le_bytes()).unwrap();
        }
        let writer = thread::spawn(move || {
            loop {
                match next_packet(&mut socket) {
                    Some((packet, wire_bytes)) => write_packet(&mut into, &packet, wire_bytes),
                    None if asked.load(Ordering::Acquire) => break,
                    None => {}
                }
            }
            into.flush().unwrap();
        });
        Self { stop, writer }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Release);
        self.writer.join().unwrap();
    }
}

fn open_socket() -> File {
    const ALL: u16 = libc::ETH_P_ALL as u16;
    // SAFETY: no pointers.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW, i32::from(ALL.to_be())) };
    assert!(socket >= 0, "{}", io::Error::last_os_error());
    // SAFETY: the descriptor was just made, and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: a string with its end.
    let index = unsafe { libc::if_nametoindex(c"lo".as_ptr()) };
    // SAFETY: plain integers, for which 0 is valid.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = ALL.to_be();
    address.sll_ifindex = index as i32;
    // SAFETY: the address and its length belong together.
    let bound =
        unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size_of_val(&address) as u32) };
    assert_eq!(bound, 0, "{}", io::Error::last_os_error());
    set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &(64_i32 << 20));
    set(&socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1_i32);
    set(&socket, libc::SOL_SOCKET, libc::SO_RCVTIMEO, &libc::timeval { tv_sec: 0, tv_usec: 50_000 });
    File::from(socket)
}

fn set<T>(socket: &OwnedFd, level: i32, name: i32, value: &T) {
    // SAFETY: the value and its length belong together.
    let done = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const *value).cast(), size_of::<T>() as u32)
    };
    assert_eq!(done, 0, "option {name}: {}", io::Error::last_os_error());
}

/// The packet, and its length; `None` after a time without one.
fn next_packet(socket: &mut File) -> Option<(Vec<u8>, usize)> {
    let mut packet = vec![0; 1 << 18];
    match socket.read(&mut packet) {
        Ok(wire_bytes) => {
            packet.truncate(wire_bytes.min(SNAP_BYTES));
            Some((packet, wire_bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    }
}

fn write_packet(into: &mut impl io::Write, packet: &[u8], wire_bytes: usize) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    for word in [now.as_secs() as u32, now.subsec_micros(), packet.len() as u32, wire_bytes as u32] {
        into.write_all(&word.to_le_bytes()).unwrap();
    }
    into.write_all(packet).unwrap();
}
