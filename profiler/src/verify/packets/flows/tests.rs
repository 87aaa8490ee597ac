use pcap_parser::Linktype;

use super::{unread::KIND_LIMIT, *};
use crate::verify::packets::{
    kinds::Kind,
    made::{self, SECOND_NS, fin, segment, syn, udp},
};

const A: &str = "10.0.0.1:5000";
const B: &str = "10.0.0.2:80";

#[track_caller]
fn check(what: &str, flows: &mut Flows, expected: &[&str]) {
    let lines: Vec<_> = flows
        .totals()
        .into_iter()
        .flat_map(|(flow, totals)| {
            totals.into_iter().map(move |total| {
                let Total { packets, bytes, again_bytes, .. } = total;
                format!(
                    "{} to {}: {bytes} in {packets}, again {again_bytes}",
                    flow.source(),
                    flow.destination()
                )
            })
        })
        .collect();
    assert_eq!(lines, expected, "{what}");
}

#[test]
fn payload_adds_up_per_flow() {
    let packets =
        [syn(A, B, 99), syn(B, A, 499), segment(A, B, 100, 1000), segment(B, A, 500, 10), fin(A, B, 1100)];
    let expected = [
        "10.0.0.1:5000 to 10.0.0.2:80: 1000 in 3, again 0",
        "10.0.0.2:80 to 10.0.0.1:5000: 10 in 2, again 0",
    ];
    let mut flows = made::flows(&made::pcap(Linktype::RAW, 1 << 16, &packets));
    check("whole packets", &mut flows, &expected);
    check("headers only", &mut made::flows(&made::pcap(Linktype::RAW, 40, &packets)), &expected);
    assert_eq!((flows.first_ns, flows.last_ns), (Some(SECOND_NS), Some(5 * SECOND_NS)));
    let packets: Vec<_> = packets.map(|packet| (0, packet)).into();
    let mut flows = made::flows(&made::pcapng(1, &packets));
    check("pcapng", &mut flows, &expected);
    assert_eq!((flows.first_ns, flows.last_ns), (Some(SECOND_NS), Some(5 * SECOND_NS)));
}

#[test]
fn a_packet_that_is_seen_at_two_places_counts_once() {
    let twice: Vec<_> = [udp(A, B, 1000), udp(A, B, 200)]
        .into_iter()
        .flat_map(|packet| [(0, packet.clone()), (1, packet)])
        .collect();
    check(
        "two interfaces",
        &mut made::flows(&made::pcapng(2, &twice)),
        &["10.0.0.1:5000 to 10.0.0.2:80: 1200 in 2, again 0"],
    );
    let once: Vec<_> = twice.into_iter().map(|(_, packet)| (0, packet)).collect();
    check(
        "one interface",
        &mut made::flows(&made::pcapng(2, &once)),
        &["10.0.0.1:5000 to 10.0.0.2:80: 2400 in 4, again 0"],
    );
    let both =
        made::pcap(Linktype::LINUX_SLL, 1 << 16, &[cooked(4, &udp(A, B, 1000)), cooked(0, &udp(A, B, 1000))]);
    check(
        "leaving and arriving",
        &mut made::flows(&both),
        &["10.0.0.1:5000 to 10.0.0.2:80: 1000 in 1, again 0"],
    );
}

/// `PACKET_OUTGOING` is 4.
fn cooked(packet_type: u8, packet: &[u8]) -> Vec<u8> {
    [&[0, packet_type, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 8, 0], packet].concat()
}

#[test]
fn directions_of_pcapng_are_places() {
    const FLAGS: u16 = 2;
    for is_big_endian in [false, true] {
        let mut section = made::Section::new(is_big_endian);
        section.interface(Linktype::RAW, &[]);
        for direction in [2_u32, 1] {
            let flags = if is_big_endian { direction.to_be_bytes() } else { direction.to_le_bytes() };
            for bytes in [1000, 200] {
                section.packet(0, 1, &udp(A, B, bytes), &[(FLAGS, &flags)]);
            }
        }
        let mut flows = made::flows(&section.file);
        check("out and in", &mut flows, &["10.0.0.1:5000 to 10.0.0.2:80: 1200 in 2, again 0"]);
        let mut section = made::Section::new(is_big_endian);
        section.interface(Linktype::RAW, &[]);
        for direction in [2_u32, 1] {
            let flags = if is_big_endian { direction.to_be_bytes() } else { direction.to_le_bytes() };
            // A comment comes first.
            section.obsolete_packet(0, 1, &udp(A, B, 10), &[(1, b"hello"), (FLAGS, &flags)]);
        }
        let mut flows = made::flows(&section.file);
        check("in obsolete blocks", &mut flows, &["10.0.0.1:5000 to 10.0.0.2:80: 10 in 1, again 0"]);
    }
}

/// Bytes from A to B, those of them that may be too many, and bytes from B to A.
fn mixed(packets: &[Vec<u8>]) -> (u64, u64, u64) {
    let frames: Vec<_> = (1..).zip(packets.iter().map(|packet| cooked(0, packet))).collect();
    let totals = made::flows(&made::pcap_at(Linktype::LINUX_SLL, 1 << 16, &frames)).totals();
    let of = |(from, to): (&str, &str)| {
        let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
        totals.get(&Flow::new(Transport::Udp, from, to)).map_or((0, 0), |t| (t[0].bytes, t[0].alike_bytes))
    };
    (of((A, B)).0, of((A, B)).1, of((B, A)).0)
}

#[test]
fn a_datagram_that_passes_interfaces_of_a_cooked_file_counts_once() {
    let each = |times: usize, packet: Vec<u8>| vec![packet; times];
    let differing = |times| (100..110).flat_map(move |bytes| each(times, udp(A, B, bytes)));
    let sum = (100..110).sum::<usize>() as u64;
    assert_eq!(mixed(&differing(1).collect::<Vec<_>>()), (sum, 0, 0), "one interface");
    assert_eq!(mixed(&differing(2).collect::<Vec<_>>()), (sum, 0, 0), "two");
    assert_eq!(mixed(&differing(3).collect::<Vec<_>>()), (sum, 0, 0), "three");
    let forwarded = differing(1).chain(differing(1).map(|mut packet| {
        packet[8] -= 1;
        packet
    }));
    assert_eq!(
        mixed(&forwarded.collect::<Vec<_>>()),
        (sum, 0, 0),
        "at another time, with another time to live"
    );
    // The file has lost one of two.
    assert_eq!(mixed(&differing(2).skip(1).collect::<Vec<_>>()), (sum, 0, 0), "one lost");
    let alike = |times| each(times, udp(B, A, 3));
    let answered = |times: usize| differing(times).chain(alike(40 * times)).collect::<Vec<_>>();
    assert_eq!(mixed(&answered(1)), (sum, 0, 120), "alike answers, one interface");
    assert_eq!(mixed(&answered(2)), (sum, 0, 120), "alike answers, two");
    // Nothing tells whether these are four packets, or two, or one.
    assert_eq!(mixed(&each(4, udp(A, B, 100))), (400, 300, 0), "nothing but alike ones");
}

#[test]
fn a_segment_that_passes_interfaces_was_not_sent_again() {
    let packets = [syn(A, B, 99), segment(A, B, 100, 1000), segment(A, B, 1100, 10), fin(A, B, 1110)];
    let twice: Vec<_> = packets.iter().flat_map(|packet| vec![cooked(0, packet); 2]).collect();
    let mut flows = made::flows(&made::pcap(Linktype::LINUX_SLL, 1 << 16, &twice));
    check("two interfaces", &mut flows, &["10.0.0.1:5000 to 10.0.0.2:80: 1010 in 8, again 0"]);
    // As IPv4 shows: a packet of its own has an identification of its own.
    let mut again = packets[1].clone();
    again[5] = 7;
    let more: Vec<_> = [&twice[..], &vec![cooked(0, &again); 2]].concat();
    let mut flows = made::flows(&made::pcap(Linktype::LINUX_SLL, 1 << 16, &more));
    check("sent again", &mut flows, &["10.0.0.1:5000 to 10.0.0.2:80: 1010 in 10, again 1000"]);
}

#[test]
fn a_new_connection_with_the_same_addresses_is_another() {
    let packets =
        [syn(A, B, 99), segment(A, B, 100, 1000), fin(A, B, 1100), syn(A, B, 7099), segment(A, B, 7100, 30)];
    check(
        "port used again",
        &mut made::flows(&made::pcap(Linktype::RAW, 1 << 16, &packets)),
        &[
            "10.0.0.1:5000 to 10.0.0.2:80: 1000 in 3, again 0",
            "10.0.0.1:5000 to 10.0.0.2:80: 30 in 2, again 0",
        ],
    );
}

#[test]
fn too_many_flows_are_counted() {
    let packets: Vec<_> = (0..FLOW_LIMIT + 10)
        .map(|i| {
            udp(
                &format!("10.0.{}.{}:5000", i >> 8 & 0xff, i & 0xff),
                &format!("10.1.0.0:{}", 80 + (i >> 16)),
                1,
            )
        })
        .collect();
    let mut flows = made::flows(&made::pcap(Linktype::RAW, 1 << 16, &packets));
    assert_eq!((flows.totals().len(), flows.unread.flows_full), (FLOW_LIMIT, 10));
}

#[test]
fn what_is_not_read_is_counted_by_its_kind() {
    let arp = |ether_type: u16| [&[2; 12][..], &ether_type.to_be_bytes(), &[0; 28]].concat();
    let frames = [arp(0x0806), arp(0x0806), arp(0x88cc), vec![2; 13]];
    let flows = made::flows(&made::pcap(Linktype::ETHERNET, 1 << 16, &frames));
    let kinds = BTreeMap::from([(Kind::EtherType(0x0806), 2), (Kind::EtherType(0x88cc), 1)]);
    assert_eq!(flows.unread, Unread { other: 3, kinds, headless: 1, ..Default::default() });
    // Every number that is not known.
    let frames: Vec<_> = (0x1000..0x1000 + 2 * KIND_LIMIT as u16).map(arp).collect();
    let flows = made::flows(&made::pcap(Linktype::ETHERNET, 1 << 16, &frames));
    assert_eq!((flows.unread.other, flows.unread.kinds.len()), (2 * KIND_LIMIT as u64, KIND_LIMIT));
}

/// A datagram each millisecond, of 100 bytes and one more each time; segments of 10 bytes in between.
fn run() -> Vec<(u64, Vec<u8>)> {
    let each = |i: u64| {
        let segment = segment(A, B, 100 + 10 * i as u32, 10);
        [(1_000_000 + i * 1_000, udp(A, B, 100 + i as usize)), (1_000_500 + i * 1_000, segment)]
    };
    (0..90).flat_map(each).collect()
}

/// What 90 datagrams and as many segments have, however many files they are in.
const RUN: [&str; 2] = [
    "10.0.0.1:5000 to 10.0.0.2:80: 900 in 90, again 0",
    "10.0.0.1:5000 to 10.0.0.2:80: 13005 in 90, again 0",
];

/// A file of the packets, each so much later.
fn file(packets: &[(u64, Vec<u8>)], later_us: u64) -> Vec<u8> {
    let packets: Vec<_> = packets.iter().map(|(at_us, packet)| (at_us + later_us, packet.clone())).collect();
    made::pcap_at(Linktype::RAW, 100, &packets)
}

#[track_caller]
fn check_files(what: &str, files: &[Vec<u8>], expected: &[&str]) {
    let files: Vec<_> = files.iter().map(Vec::as_slice).collect();
    let mut flows = made::flows_of(&files);
    check(what, &mut flows, expected);
    assert!(!flows.is_out_of_order(), "{what}");
}

#[test]
fn files_that_follow_each_other_are_slices_of_one_viewpoint() {
    let run = run();
    let rotated = |later_us| run.chunks(50).map(move |slice| file(slice, later_us));
    check_files("one file", &[file(&run, 0)], &RUN);
    check_files("rotated", &rotated(0).collect::<Vec<_>>(), &RUN);
    let mut disordered = run.clone();
    disordered.swap(49, 50);
    let slices: Vec<_> = disordered.chunks(50).map(|slice| file(slice, 0)).collect();
    check_files("not quite in order", &slices, &RUN);
    // As they are sorted by their first packets: the other viewpoint sees everything 200 µs later.
    let both: Vec<_> = rotated(0).zip(rotated(200)).flat_map(|(one, other)| [one, other]).collect();
    check_files("two viewpoints, both rotated", &both, &RUN);
    let mut unequal = vec![file(&run, 200)];
    unequal.extend(rotated(250));
    check_files("two viewpoints, one rotated", &unequal, &RUN);
    let alike: Vec<_> = (0..100).map(|i| (i * 1_000, udp(A, B, 100))).collect();
    let slices: Vec<_> = alike.chunks(40).map(|slice| file(slice, 0)).collect();
    check_files("alike datagrams", &slices, &["10.0.0.1:5000 to 10.0.0.2:80: 10000 in 100, again 0"]);
}

#[test]
fn a_viewpoint_that_sees_a_short_run_afterwards_is_another() {
    let run = run();
    let datagrams: Vec<_> = run.iter().step_by(2).cloned().collect();
    let segments: Vec<_> = run.iter().skip(1).step_by(2).cloned().collect();
    check_files("both", &[file(&run, 0), file(&run, 200_000)], &RUN);
    check_files("datagrams", &[file(&datagrams, 0), file(&datagrams, 200_000)], &RUN[1..]);
    check_files("segments", &[file(&segments, 0), file(&segments, 200_000)], &RUN[..1]);
    check_files(
        "one datagram",
        &[file(&run[..1], 0), file(&run[..1], 5)],
        &["10.0.0.1:5000 to 10.0.0.2:80: 100 in 1, again 0"],
    );
}

/// A section of pcapng with two interfaces, of which the second sees packets.
fn section(packets: &[(u64, Vec<u8>)], later_us: u64) -> Vec<u8> {
    let mut section = made::Section::new(false);
    section.interface(Linktype::ETHERNET, &[]);
    section.interface(Linktype::RAW, &[]);
    packets.iter().for_each(|(at_us, packet)| section.packet(1, at_us + later_us, packet, &[]));
    section.file
}

#[test]
fn sections_are_slices_of_time_or_viewpoints() {
    let run = run();
    let [first, second] = [&run[..100], &run[100..]].map(|slice| section(slice, 0));
    check_files("one after the other", &[[&first[..], &second].concat()], &RUN);
    check_files("at one time", &[[section(&run, 0), section(&run, 200)].concat()], &RUN);
    check_files("in files", &[first.clone(), second.clone()], &RUN);
    let mut reversed = made::flows(&[second, first].concat());
    assert!(reversed.is_out_of_order());
}
