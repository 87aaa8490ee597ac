//! A limit of cost, kept by detaching probes.

use std::{
    fs,
    net::{Ipv4Addr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use analysis::report;
use capture::{Protocol, families::SCHEDULING};
use profiler::{
    clock::now_ns,
    collect::{limit, probes::Settings},
};

use crate::{
    bytes::find,
    recorded::{named, record_with},
};

const DATAGRAM: [u8; 1400] = [7; 1400];
const MILD: Duration = Duration::from_millis(600);
/// At most; it ends some time after switches are not watched any more.
const STORM: Duration = Duration::from_millis(1800);
const BLIND: Duration = Duration::from_millis(150);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// The daemon of the tests is not optimized: beside the mild half it takes 1 to 3 % of a CPU, and in the storm more than this.
const LIMIT: &str = "6%cpu";

#[test]
fn a_storm_of_datagrams_that_exceeds_the_limit_is_counted_to_the_byte_and_not_watched_further() {
    let settings = Settings { max_overhead: limit::parse(LIMIT).ok(), ..Settings::default() };
    let mut trips = 0;
    let mut ports = [0; 2];
    let mut storm_ns = 0;
    let recorded = record_with(&settings, |_| {
        let [near, far] = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        near.connect(far.local_addr().unwrap()).unwrap();
        far.connect(near.local_addr().unwrap()).unwrap();
        ports = [near.local_addr().unwrap().port(), far.local_addr().unwrap().port()];
        let echo = named("echo", move || {
            let mut buffer = DATAGRAM;
            while far.recv(&mut buffer).unwrap() == DATAGRAM.len() {
                far.send(&buffer).unwrap();
            }
        });
        let mut trip = || {
            near.send(&DATAGRAM).unwrap();
            assert_eq!(near.recv(&mut [0; 2000]).unwrap(), DATAGRAM.len());
            trips += 1;
        };
        let began = Instant::now();
        while began.elapsed() < MILD {
            trip();
            thread::sleep(Duration::from_millis(20));
        }
        storm_ns = now_ns();
        let mut ends = began.elapsed() + STORM;
        let mut look = began.elapsed();
        let mut is_watched = true;
        // Each wakes a thread.
        while began.elapsed() < ends {
            trip();
            if is_watched && began.elapsed() > look {
                look = began.elapsed() + LOOK_INTERVAL;
                is_watched = are_switches_watched();
                if !is_watched {
                    ends = began.elapsed() + BLIND;
                }
            }
        }
        near.send(&[7]).unwrap();
        echo.join().unwrap();
    });
    let moved = trips * DATAGRAM.len() as u64;
    let bytes = |port| {
        let socket = find(&recorded, Protocol::Udp, port);
        (socket.rx_bytes, socket.tx_bytes)
    };
    assert_eq!((bytes(ports[0]), bytes(ports[1])), ((moved, moved + 1), (moved + 1, moved)));

    let timeline = &recorded.timeline;
    let detached = timeline.detached.iter().find(|one| one.family == SCHEDULING);
    let detached = detached.expect("scheduling is too much for the limit");
    let after_ns = detached.from_ns.checked_sub(storm_ns).expect("the mild half is watched as ever");
    assert!(after_ns < 1_500_000_000, "{after_ns} ns after the storm began");
    let spans = || timeline.events.spans.iter();
    assert!(spans().any(|span| span.off_ns < storm_ns), "the naps before are there");
    let blind = detached.from_ns + 10_000_000..detached.to_ns.saturating_sub(10_000_000);
    assert!(!spans().any(|span| blind.contains(&span.off_ns)), "nothing is recorded without switches");

    let trust = report::build(timeline).trust;
    assert!(trust.probes_shed.iter().any(|shed| shed.family == SCHEDULING), "{:?}", trust.probes_shed);
    let differs = trust.reasons.iter().find(|reason| reason.contains("the thread states of"));
    assert_eq!(differs, None, "states sum to lifetimes");
}

/// By the links of this process, which is the profiler, too: the kernel says of each what it is attached to.
fn are_switches_watched() -> bool {
    let links = fs::read_dir("/proc/self/fdinfo").unwrap();
    // Some are closed meanwhile.
    let mut said = links.filter_map(|link| fs::read_to_string(link.unwrap().path()).ok());
    said.any(|said| said.contains("\tsched_switch\n"))
}
