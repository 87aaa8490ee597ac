//! How fast `profiler verify` reads packets: bytes of file per second of CPU time, from the page cache.

mod cpu;

use std::{
    fs::File,
    hint::black_box,
    io::{self, BufWriter, Write as _},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etherparse::PacketBuilder;
use profiler::verify::packets::{files::for_each_frame, flows::Flows};

/// 144 MB of file at a snap length of 128, 306 MB of whole frames in the smaller count.
const HEADERS: usize = 1_000_000;
const WHOLE: usize = 200_000;

/// Without its checksum.
const FRAME_BYTES: usize = 1514;
const ETHERNET_TO_TCP_BYTES: usize = 14 + 20 + 20;

/// Connections that take turns, and how many frames in a row one has at most: what a receiver's interrupt finds.
const CONNECTIONS: u64 = 16;
const BURST: u64 = 8;

/// Of the connections, those over UDP.
const UDP: u64 = 4;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Pcap,
    Pcapng,
}

/// What a file is made of.
#[derive(Clone, Copy)]
struct Made {
    kind: Kind,
    frames: usize,
    snap_bytes: usize,
    /// Every second segment is acknowledged, in a frame of 66 bytes.
    acknowledged: bool,
}

fn packets(c: &mut Criterion) {
    let snap = Made { kind: Kind::Pcap, frames: HEADERS, snap_bytes: 128, acknowledged: false };
    let rows = [
        ("whole frames", Made { frames: WHOLE, snap_bytes: FRAME_BYTES, ..snap }),
        ("snap 128", snap),
        ("snap 128, pcapng", Made { kind: Kind::Pcapng, ..snap }),
        ("snap 128, acknowledged", Made { acknowledged: true, ..snap }),
    ];
    let mut group = c.benchmark_group("packets");
    for (name, made) in rows {
        let file = file(made).expect("a packet capture in a temporary folder");
        let file_bytes = file.as_file().metadata().expect("a file").len();
        group.throughput(Throughput::Bytes(file_bytes)).sample_size(10);
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                cpu::time(times, || {
                    let mut flows = Flows::default();
                    let file = File::open(file.path()).expect("the packet capture");
                    for_each_frame(file, "bench", |frame| flows.add(frame)).expect("a whole file");
                    assert_eq!(flows.packets, made.frames as u64);
                    black_box(flows.totals());
                })
            });
        });
    }
    group.finish();
}

/// Connections in bursts whose order and lengths are the same in each run.
fn file(made: Made) -> io::Result<tempfile::NamedTempFile> {
    let file = tempfile::NamedTempFile::new_in("/var/tmp")?;
    let mut into = BufWriter::new(&file);
    into.write_all(&head(made))?;
    let mut sequences = [1_u32; CONNECTIONS as usize];
    let (mut frames, mut state) = (0, 0x9e37_79b9_7f4a_7c15_u64);
    while frames < made.frames {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let connection = state % CONNECTIONS;
        for i in 0..=state >> 32 & (BURST - 1) {
            let sequence = &mut sequences[connection as usize];
            let is_answer = made.acknowledged && connection >= UDP && i % 3 == 2;
            let frame = if is_answer { answer(connection, *sequence) } else { full(connection, *sequence) };
            if !is_answer {
                *sequence = sequence.wrapping_add((FRAME_BYTES - ETHERNET_TO_TCP_BYTES) as u32);
            }
            if frames < made.frames {
                write(&mut into, made, frames as u64 * 1_000, &frame)?;
                frames += 1;
            }
        }
    }
    into.flush()?;
    drop(into);
    Ok(file)
}

fn full(connection: u64, sequence: u32) -> Vec<u8> {
    static PAYLOAD: [u8; FRAME_BYTES] = [7; FRAME_BYTES];
    let ip = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
    let port = 40_000 + connection as u16;
    let mut frame = Vec::with_capacity(FRAME_BYTES);
    let written = if connection < UDP {
        ip.udp(port, 6881).write(&mut frame, &PAYLOAD[..FRAME_BYTES - 42])
    } else {
        let payload = &PAYLOAD[..FRAME_BYTES - ETHERNET_TO_TCP_BYTES];
        ip.tcp(port, 80, sequence, 65_535).ack(1).write(&mut frame, payload)
    };
    written.expect("a frame");
    frame
}

/// An acknowledgement; its 12 bytes of payload stand for TCP's timestamps.
fn answer(connection: u64, sequence: u32) -> Vec<u8> {
    let ip = PacketBuilder::ethernet2([4; 6], [2; 6]).ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64);
    let tcp = ip.tcp(80, 40_000 + connection as u16, 1, 65_535).ack(sequence);
    let mut frame = Vec::new();
    let options = [etherparse::TcpOptionElement::Timestamp(1, 2)];
    tcp.options(&options).expect("they fit").write(&mut frame, &[]).expect("a frame");
    frame
}

/// What a file begins with: in pcap its header, in pcapng its section and one interface, both Ethernet.
fn head(made: Made) -> Vec<u8> {
    let snap_bytes = made.snap_bytes as u32;
    let pcap = [0xa1b2_c3d4, 2 | 4 << 16, 0, 0, snap_bytes, 1];
    let pcapng = [0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28, 1, 20, 1, snap_bytes, 20];
    match made.kind {
        Kind::Pcap => words(&pcap),
        Kind::Pcapng => words(&pcapng),
    }
}

fn write(into: &mut impl io::Write, made: Made, at_us: u64, frame: &[u8]) -> io::Result<()> {
    let captured = &frame[..frame.len().min(made.snap_bytes)];
    let lengths = [captured.len() as u32, frame.len() as u32];
    match made.kind {
        Kind::Pcap => {
            into.write_all(&words(&[(at_us / 1_000_000) as u32, (at_us % 1_000_000) as u32]))?;
            into.write_all(&words(&lengths))?;
            into.write_all(captured)
        }
        Kind::Pcapng => {
            let padded = captured.len().next_multiple_of(4);
            let block_bytes = 32 + padded as u32;
            into.write_all(&words(&[6, block_bytes, 0, (at_us >> 32) as u32, at_us as u32]))?;
            into.write_all(&words(&lengths))?;
            into.write_all(captured)?;
            into.write_all(&[0; 3][..padded - captured.len()])?;
            into.write_all(&words(&[block_bytes]))
        }
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

criterion_group!(benches, packets);
criterion_main!(benches);
