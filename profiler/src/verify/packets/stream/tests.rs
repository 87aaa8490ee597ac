use std::net::{Ipv4Addr, SocketAddr};

use proptest::{collection::vec, prelude::any};

use crate::verify::packets::headers::{Flow, Segment, Tcp, Transport};
use capture::testing::fuzz::fuzz;

use super::Stream;

/// A sequence number and a length, with S for SYN, F for FIN, R for RST.
type Row = (u32, u32, &'static str);

fn stream(rows: &[Row], range_limit: usize) -> Stream {
    let anyone = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let mut stream = Stream::default();
    for (sequence, payload_bytes, flags) in rows {
        let has = |flag| flags.contains(flag);
        let tcp = Tcp { sequence: *sequence, syn: has('S'), fin: has('F'), rst: has('R') };
        let segment = Segment {
            flow: Flow::new(Transport::Tcp, anyone, anyone),
            payload_bytes: *payload_bytes,
            tcp: Some(tcp),
            fragmented: false,
        };
        stream.add(&segment, &tcp, range_limit);
    }
    stream
}

#[track_caller]
fn check(what: &str, rows: &[Row], expected: &str) {
    check_limited(what, rows, 1024, expected);
}

#[track_caller]
fn check_limited(what: &str, rows: &[Row], range_limit: usize, expected: &str) {
    let stream = stream(rows, range_limit);
    let text = format!(
        "unique {} again {} late {} missing {}",
        stream.unique_bytes(),
        stream.again_bytes,
        stream.late_bytes,
        stream.missing_bytes()
    );
    assert_eq!(text, expected, "{what}");
    assert!(stream.ranges() <= range_limit, "{what}");
}

#[test]
fn every_byte_counts_once() {
    check("nothing", &[], "unique 0 again 0 late 0 missing 0");
    check(
        "a whole connection",
        &[(99, 0, "S"), (100, 10, ""), (110, 20, ""), (130, 5, "F")],
        "unique 35 again 0 late 0 missing 0",
    );
    check("data with SYN", &[(99, 10, "S"), (110, 5, "")], "unique 15 again 0 late 0 missing 0");
    check("SYN again", &[(99, 0, "S"), (99, 0, "S"), (100, 1, "")], "unique 1 again 0 late 0 missing 0");
    check("FIN again", &[(0, 9, "F"), (9, 0, "F")], "unique 9 again 0 late 0 missing 0");
    check("text with RST", &[(0, 9, ""), (9, 30, "R")], "unique 9 again 0 late 0 missing 0");
}

#[test]
fn bytes_sent_again_are_apart() {
    check("a segment", &[(0, 10, ""), (0, 10, "")], "unique 10 again 10 late 0 missing 0");
    check("an older one", &[(0, 10, ""), (10, 10, ""), (0, 10, "")], "unique 20 again 10 late 0 missing 0");
    check("two as one", &[(0, 10, ""), (10, 10, ""), (0, 25, "")], "unique 25 again 20 late 0 missing 0");
    check("the middle", &[(0, 30, ""), (10, 10, "")], "unique 30 again 10 late 0 missing 0");
}

#[test]
fn bytes_out_of_order_are_apart() {
    check("swapped", &[(0, 10, ""), (20, 10, ""), (10, 10, "")], "unique 30 again 0 late 10 missing 0");
    check(
        "one fills and overlaps",
        &[(0, 10, ""), (20, 10, ""), (5, 30, "")],
        "unique 35 again 15 late 10 missing 0",
    );
    check(
        "two gaps filled at once",
        &[(0, 10, ""), (20, 10, ""), (40, 10, ""), (10, 30, "")],
        "unique 50 again 10 late 20 missing 0",
    );
}

#[test]
fn what_the_packet_capture_lost_is_missing() {
    check("a gap", &[(0, 10, ""), (20, 10, "")], "unique 20 again 0 late 0 missing 10");
    check("the beginning", &[(99, 0, "S"), (110, 10, "")], "unique 10 again 0 late 0 missing 10");
    check("the end", &[(0, 10, ""), (30, 0, "F")], "unique 10 again 0 late 0 missing 20");
    check("everything", &[(99, 0, "S"), (1100, 0, "F")], "unique 0 again 0 late 0 missing 1000");
}

#[test]
fn sequence_numbers_wrap() {
    check("around", &[(u32::MAX - 9, 10, ""), (0, 10, "")], "unique 20 again 0 late 0 missing 0");
    check("inside a segment", &[(u32::MAX - 4, 10, ""), (5, 10, "")], "unique 20 again 0 late 0 missing 0");
    check("with SYN", &[(u32::MAX, 0, "S"), (0, 10, "")], "unique 10 again 0 late 0 missing 0");
    check(
        "again, across",
        &[(u32::MAX - 9, 20, ""), (u32::MAX - 9, 10, "")],
        "unique 20 again 10 late 0 missing 0",
    );
    let rows: Vec<Row> =
        (0..100_000_u32).map(|i| (7_u32.wrapping_add(i.wrapping_mul(65_000)), 65_000, "")).collect();
    check("more than all numbers", &rows, "unique 6500000000 again 0 late 0 missing 0");
}

#[test]
fn a_capture_may_begin_in_the_middle() {
    check("in order", &[(5000, 10, ""), (5010, 10, "")], "unique 20 again 0 late 0 missing 0");
    check("out of order", &[(5000, 10, ""), (4990, 10, "")], "unique 20 again 0 late 10 missing 0");
    check("after a keep-alive", &[(4999, 0, ""), (5000, 10, "")], "unique 10 again 0 late 0 missing 0");
    check("after an acknowledgement", &[(5000, 0, ""), (5000, 10, "")], "unique 10 again 0 late 0 missing 0");
}

#[test]
fn ranges_are_bounded() {
    let rows: Vec<Row> = (0..1000).map(|i| (i * 20, 10, "")).collect();
    check_limited("every other lost", &rows, 4, "unique 10000 again 0 late 0 missing 9990");
    check_limited("one range", &rows, 1, "unique 10000 again 0 late 0 missing 9990");
}

#[test]
fn another_syn_is_another_connection() {
    let begun = stream(&[(99, 0, "S"), (100, 10, "")], 4);
    let syn = |sequence| Tcp { sequence, syn: true, fin: false, rst: false };
    assert!(begun.is_another(&syn(500)));
    assert!(!begun.is_another(&syn(99)));
    assert!(!Stream::default().is_another(&syn(99)));
    assert!(stream(&[(100, 10, "")], 4).is_another(&syn(99)), "it was there before its SYN");
}

/// Cut, sent again and out of order in any way, against a table of every byte.
#[test]
fn any_way_to_send_a_stream_gives_its_bytes_once() {
    const STREAM_BYTES: usize = 300;
    let pieces = vec((0..STREAM_BYTES, 0..60_usize), 0..40);
    fuzz(&(any::<u32>(), pieces), |(first, pieces)| {
        let at = |offset: usize| first.wrapping_add(1 + offset as u32);
        let mut rows: Vec<Row> = vec![(first, 0, "S")];
        let mut seen = [false; STREAM_BYTES];
        let (mut again, mut late, mut newest) = (0, 0, 0);
        for (from, bytes) in pieces {
            let to = (from + bytes).min(STREAM_BYTES);
            rows.push((at(from), (to - from) as u32, ""));
            for (offset, seen) in seen.iter_mut().enumerate().take(to).skip(from) {
                again += u64::from(*seen);
                late += u64::from(!*seen && offset < newest);
                *seen = true;
            }
            newest = if to > from { newest.max(to) } else { newest };
        }
        rows.push((at(STREAM_BYTES), 0, "F"));
        let unique = seen.into_iter().filter(|seen| *seen).count();
        let missing = STREAM_BYTES - unique;
        check(
            &format!("{rows:?}"),
            &rows,
            &format!("unique {unique} again {again} late {late} missing {missing}"),
        );
    });
}
