use std::io;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::verify::packets::{flows::Flows, made};
use capture::testing::fuzz::fuzz;

const A: &str = "10.0.0.1:5000";
const B: &str = "10.0.0.2:80";

/// Reads a file; gives the error, if there is one.
fn read(file: &[u8]) -> Result<Flows, String> {
    let mut flows = Flows::default();
    match for_each_frame(file, "made", |frame| flows.add(frame)) {
        Ok(()) => Ok(flows),
        Err(error) => Err(format!("{error:#}")),
    }
}

#[track_caller]
fn check(what: &str, file: &[u8], expected: &str) {
    assert_eq!(read(file).map(|flows| flows.packets).unwrap_err(), expected, "{what}");
}

fn pcap() -> Vec<u8> {
    let packets: Vec<_> = (0..20).map(|i| made::segment(A, B, i * 100, 100)).collect();
    made::pcap(Linktype::RAW, 60, &packets)
}

fn pcapng() -> Vec<u8> {
    let packets: Vec<_> = (0..20).map(|i| (i % 2, made::udp(A, B, i as usize))).collect();
    made::pcapng(2, &packets)
}

#[test]
fn damage_is_an_error_with_its_offset() {
    check("nothing", &[], "made is empty: no packet capture");
    check(
        "text",
        b"hello, this is a text",
        "made is no packet capture: byte 0 begins neither pcap nor pcapng",
    );
    let file = pcap();
    check("cut in a packet", &file[..24 + 76 + 20], "made: cut short in the block at byte 100");
    let mut long = file.clone();
    long[24 + 8..24 + 12].fill(0xff);
    check("an endless packet", &long, "made: damaged at byte 24: the block is too long");
    let file = pcapng();
    check(
        "cut at its end",
        &file[..file.len() - 1],
        &format!("made: cut short in the block at byte {}", last_block(&file)),
    );
    let mut stray = file.clone();
    // The first packet's interface: after the section's header and two interfaces of 32 bytes.
    stray[28 + 64 + 8 + 3] = 9;
    check(
        "no such interface",
        &stray,
        "made: damaged at byte 92: a packet of an interface that is not described",
    );
}

/// Where the last block of a big-endian pcapng file begins.
fn last_block(file: &[u8]) -> usize {
    file.len() - u32::from_be_bytes(*file.last_chunk().unwrap()) as usize
}

#[test]
fn a_frame_longer_than_the_buffer_is_read() {
    let mut packet = made::segment(A, B, 0, 65_000);
    packet.resize(BUFFER_BYTES + 5, 0);
    let file = made::pcap(Linktype::RAW, usize::MAX >> 33, &[packet, made::segment(A, B, 65_000, 7)]);
    let totals = read(&file).unwrap().totals();
    assert_eq!(totals.into_values().next().unwrap()[0].bytes, 65_007);
}

#[test]
fn both_formats_and_all_places_of_time_give_every_packet() {
    assert_eq!(read(&pcap()).unwrap().packets, 20);
    assert_eq!(read(&pcapng()).unwrap().packets, 20);
}

/// Gives what a file begins with at once, and then byte by byte, so that pcap-parser is asked for each frame.
struct Trickle<'a> {
    left: &'a [u8],
    has_begun: bool,
}

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = if self.has_begun { 1 } else { 256 };
        self.has_begun = true;
        let (given, left) = self.left.split_at(bytes.min(self.left.len()));
        self.left = left;
        into[..given.len()].copy_from_slice(given);
        Ok(given.len())
    }
}

/// Every frame in words, then the error.
fn lines(source: impl Read + Send) -> Vec<String> {
    let mut lines = Vec::new();
    let outcome = for_each_frame(source, "made", |frame| lines.push(format!("{frame:?}")));
    lines.extend(outcome.err().map(|error| format!("{error:#}")));
    lines
}

#[track_caller]
fn check_both_ways(file: &[u8]) {
    let one_by_one = lines(Trickle { left: file, has_begun: false });
    // pcap-parser wants the whole of the first block in the first read, and damage may make that longer.
    let is_begun = !one_by_one.iter().any(|line| line.contains("is no packet capture"));
    assert!(!is_begun || lines(file) == one_by_one, "{one_by_one:?} and {:?}", lines(file));
}

#[test]
fn frames_that_lie_whole_in_the_buffer_are_those_that_pcap_parser_finds() {
    for file in [pcap(), pcapng()] {
        assert_eq!(lines(file.as_slice()).len(), 20);
        check_both_ways(&file);
    }
}

#[test]
fn a_packet_with_options_is_read() {
    let mut file = pcapng();
    let last = last_block(&file);
    // Where the frame came from, and the end of options.
    let options = [0, 2, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0];
    let bytes = (file.len() - last + options.len()) as u32;
    file.truncate(file.len() - 4);
    file.extend(options);
    file.extend(bytes.to_be_bytes());
    file[last + 4..last + 8].copy_from_slice(&bytes.to_be_bytes());
    file.extend_from_within(last..);
    assert_eq!(read(&file).unwrap().packets, 21);
    check_both_ways(&file);
}

/// When the one packet of a section was, with its interface's options.
fn at_ns(is_big_endian: bool, options: &[(u16, &[u8])], ticks: u64) -> Result<Option<u64>, String> {
    let mut section = made::Section::new(is_big_endian);
    section.interface(Linktype::RAW, options);
    section.packet(0, ticks, &made::udp(A, B, 10), &[]);
    check_both_ways(&section.file);
    read(&section.file).map(|flows| flows.first_ns)
}

#[test]
fn every_resolution_and_offset_of_time_is_read() {
    let (resolution, offset) = (9, 14);
    for is_big_endian in [false, true] {
        let at_ns = |options: &[(u16, &[u8])], ticks| at_ns(is_big_endian, options, ticks);
        assert_eq!(at_ns(&[], 1_500_000), Ok(Some(1_500_000_000)), "microseconds, without an option");
        assert_eq!(at_ns(&[(resolution, &[3])], 1_500), Ok(Some(1_500_000_000)), "milliseconds");
        assert_eq!(at_ns(&[(resolution, &[0])], 2), Ok(Some(2_000_000_000)), "seconds");
        assert_eq!(at_ns(&[(resolution, &[0x80 | 10])], 1_536), Ok(Some(1_500_000_000)), "2^-10");
        assert_eq!(at_ns(&[(resolution, &[0x80 | 32])], 3 << 31), Ok(Some(1_500_000_000)), "2^-32");
        for impossible in [20, 0x80 | 64] {
            let error = at_ns(&[(resolution, &[impossible])], 1).unwrap_err();
            assert!(error.contains("an impossible resolution of time"), "{error}");
        }
        for offset_s in [1_000_000_000_i64, -1] {
            let bytes = if is_big_endian { offset_s.to_be_bytes() } else { offset_s.to_le_bytes() };
            let expected = (offset_s + 3) as u64 * NS_PER_S;
            assert_eq!(at_ns(&[(offset, &bytes)], 3_000_000), Ok(Some(expected)), "offset {offset_s}");
        }
    }
}

#[test]
fn obsolete_packet_blocks_are_packets() {
    for is_big_endian in [false, true] {
        let mut section = made::Section::new(is_big_endian);
        section.interface(Linktype::LOOP, &[]);
        section.interface(Linktype::RAW, &[]);
        section.obsolete_packet(1, 1_500_000, &made::udp(A, B, 10), &[]);
        section.packet(1, 2_500_000, &made::udp(A, B, 20), &[]);
        check_both_ways(&section.file);
        let mut flows = read(&section.file).unwrap();
        assert_eq!((flows.packets, flows.first_ns), (2, Some(1_500_000_000)));
        assert_eq!(flows.totals().into_values().next().unwrap()[0].bytes, 30);
        // Its captured length, after the section's header, two interfaces and five words.
        let mut cut = section.file;
        cut[28 + 40 + 8 + 12..][..4].fill(1);
        check("cut", &cut, "made: damaged at byte 68: a packet that is cut");
    }
}

#[test]
fn no_file_ends_in_a_panic() {
    let mut obsolete = made::Section::new(false);
    obsolete.interface(Linktype::RAW, &[(9, &[0x80 | 30]), (14, &[1; 8])]);
    obsolete.obsolete_packet(0, 1, &made::udp(A, B, 10), &[(2, &[2, 0, 0, 0])]);
    for file in [pcap(), pcapng(), obsolete.file] {
        // Where, and what instead.
        let changes = vec((0..file.len(), any::<u8>()), 0..12);
        fuzz(&(changes, 0..=file.len()), |(changes, length)| {
            let mut file = file.clone();
            changes.into_iter().for_each(|(at, byte)| file[at] = byte);
            look(&file[..length]);
        });
    }
}

#[test]
fn no_noise_ends_in_a_panic() {
    fuzz(&(any::<bool>(), vec(any::<u8>(), 0..600)), |(is_ng, noise)| {
        // What begins as a file should.
        let head = if is_ng { pcapng()[..92].to_vec() } else { pcap()[..24].to_vec() };
        look(&noise);
        look(&[head, noise].concat());
    });
}

#[test]
fn no_packet_ends_in_a_panic() {
    let links = [0, 1, 9, 12, 50, 51, 101, 108, 113, 228, 229, 239, 276].map(Linktype);
    let packets = [made::segment(A, B, 1, 9), made::udp("[::1]:1", "[::2]:2", 9)];
    fuzz(
        &(0..links.len(), 0..3_usize, vec((0..60_usize, any::<u8>()), 0..12), vec(any::<u8>(), 0..90)),
        |(link, which, changes, noise)| {
            let mut packet = packets.get(which).cloned().unwrap_or(noise);
            for (at, byte) in changes {
                if let Some(place) = packet.get_mut(at) {
                    *place = byte;
                }
            }
            look(&made::pcap(links[link], 200, &[packet.clone(), packet]));
        },
    );
}

/// Whatever is in it, a file is read to its end or to an error that names a place, and nothing is out of proportion.
fn look(file: &[u8]) {
    check_both_ways(file);
    match read(file) {
        Err(error) => assert!(error.contains("byte") || error.contains("empty"), "{error}"),
        Ok(mut flows) => {
            let totals = flows.totals();
            assert!(totals.values().flatten().all(|total| total.packets <= flows.packets));
        }
    }
}
