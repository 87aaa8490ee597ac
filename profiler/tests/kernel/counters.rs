//! Recordings of counters alone: as exact as others, and without time.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use analysis::report::{self, Verdict};
use capture::{
    Protocol,
    families::{CONTEXTS, SCHEDULING},
};
use profiler::collect::probes::{Settings, families::ProbeSet};

use crate::{
    actor::Actor,
    bytes::{connect, find},
    recorded::{record_others_with, record_with},
};

const PAYLOAD_BYTES: u64 = 12_345_678;
const FILE_BYTES: usize = 50_000_000;

fn counters() -> Settings {
    Settings { probes: ProbeSet::Counters, ..Settings::default() }
}

#[test]
fn counters_are_exact_without_the_other_probes() {
    let mut ports = [0; 3];
    let recorded = record_with(&counters(), |_| {
        let (mut near, mut far) = connect((Ipv4Addr::LOCALHOST, 0).into());
        ports[0] = near.local_addr().unwrap().port();
        ports[1] = far.local_addr().unwrap().port();
        let writer = thread::spawn(move || near.write_all(&vec![7; PAYLOAD_BYTES as usize]).unwrap());
        assert_eq!(far.read_to_end(&mut Vec::new()).unwrap() as u64, PAYLOAD_BYTES);
        writer.join().unwrap();
        let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        ports[2] = datagrams.local_addr().unwrap().port();
        for _ in 0..100 {
            datagrams.send_to(&[7; 1201], datagrams.local_addr().unwrap()).unwrap();
            assert_eq!(datagrams.recv(&mut [0; 2000]).unwrap(), 1201);
        }
        let ended =
            thread::spawn(|| tempfile::tempfile_in("/var/tmp").unwrap().write_all(&[7; FILE_BYTES]).unwrap());
        ended.join().unwrap();
    });
    let expected = [(0, PAYLOAD_BYTES), (PAYLOAD_BYTES, 0), (120_100, 120_100)];
    for ((port, protocol), expected) in
        ports.into_iter().zip([Protocol::Tcp, Protocol::Tcp, Protocol::Udp]).zip(expected)
    {
        let socket = find(&recorded, protocol, port);
        assert_eq!((socket.rx_bytes, socket.tx_bytes), expected, "{socket:?}");
    }
    let timeline = &recorded.timeline;
    assert!(
        timeline.processes.values().any(|process| !process.progress.is_empty()),
        "milestones come from progress"
    );
    assert!(
        timeline.events.spans.is_empty() && timeline.events.payloads.is_empty(),
        "nothing else is recorded"
    );
    let report = report::build(timeline);
    let [own] = &report.processes[..] else { panic!("one process: {:#?}", report.processes) };
    // A thread's accounting ends with it.
    assert!(own.disk.file_written_bytes >= FILE_BYTES as u64, "{:?}", own.disk);
    assert!(own.time.is_none() && own.threads.is_empty(), "nothing is known of time");
    let trust = report.trust;
    // What this kernel lacks is a reason each; what was left out is none.
    assert_eq!(trust.reasons.len(), trust.probes_missing.len(), "{:#?}", trust.reasons);
    assert_eq!(trust.verdict == Verdict::Complete, trust.reasons.is_empty());
    for family in [SCHEDULING, CONTEXTS] {
        assert!(trust.probes_left_out.iter().any(|name| name == family), "{:?}", trust.probes_left_out);
    }
}

/// What a target sends over loopback is received in its own context: there the other end's connection ends, too.
#[test]
fn a_strangers_connection_that_ends_where_a_target_runs_is_not_the_targets() {
    for settings in [counters(), Settings::default()] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let target = Actor::new(|| {
            let mut stream = TcpStream::connect(address).unwrap();
            assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 5000);
        });
        let pid = target.pid;
        let recorded = record_others_with(&settings, |recording| {
            recording.register(pid).unwrap();
            let server = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(&[7; 5000]).unwrap();
            });
            target.act();
            server.join().unwrap();
            thread::sleep(Duration::from_millis(200));
        });
        let sockets = &recorded.with_pid(pid).sockets;
        let peers = sockets.values().map(|socket| socket.ends.as_ref().map(|ends| ends.peer));
        assert_eq!(peers.collect::<Vec<_>>(), [Some(address)], "{:?}: {sockets:#?}", settings.probes);
    }
}
