//! How fast a capture becomes a timeline, records per second, and how fast it is packed, bytes per second: of CPU time,
//! which a busy host hardly changes.

mod cpu;

use std::{fs, hint::black_box, io::Cursor};

use abi::{
    context::SOFTIRQ_NET_RX,
    event::Event as _,
    payload::{Destination, Payload, SENT},
    progress::Progress,
    sockets::IPPROTO_UDP,
    span::{Span, Waker},
};
use analysis::timeline::Timeline;
use capture::{Capture, End, Record, Start, Watermark, Writer, events};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

const RECORDS: u64 = 1_000_000;

/// Processes that move payload at the same time.
const PROCESSES: u64 = 4;

/// Records between two watermarks: 100 ms at 50,000 a second.
const BATCH: u64 = 5_000;

fn replay(c: &mut Criterion) {
    let bytes = capture().expect("a capture in a temporary folder");
    let mut group = c.benchmark_group("replay");
    group.throughput(Throughput::Elements(RECORDS)).sample_size(20);
    group.bench_function("read", |b| {
        b.iter_custom(|times| {
            cpu::time(times, || {
                let mut capture = open(&bytes);
                while let Some(record) = capture.next().expect("a whole record") {
                    black_box(record);
                }
            })
        });
    });
    group.bench_function("timeline", |b| {
        b.iter_custom(|times| {
            cpu::time(times, || {
                black_box(Timeline::from_capture(&mut open(&bytes)).expect("a whole capture"));
            })
        });
    });
    group.finish();
}

/// A capture as it stands when its recording is over: off-CPU intervals of threads, and what they sent between.
fn pack(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [plain, packed] = ["plain", "packed"].map(|name| folder.path().join(name));
    let mut writer = Writer::create(&plain).expect("a new file");
    let mut rng = StdRng::seed_from_u64(4);
    let mut at_ns = 1_000_000_000_000;
    for i in 0..RECORDS / 4 {
        let (process, tid) = (1 + i % PROCESSES, 12_345 + (i % 16) as u32);
        let off_ns = at_ns + rng.random_range(1_000..20_000);
        let woken_ns = off_ns + rng.random_range(1_000..100_000);
        at_ns = off_ns;
        let span = Span {
            kind: Span::KIND as u32,
            tid,
            process,
            off_ns,
            woken_ns,
            on_ns: woken_ns + rng.random_range(1_000..20_000),
            syscall: 232,
            arguments: [11, 0x7f00_0000_1000 + u64::from(tid) * 4096],
            waker: Waker { context: SOFTIRQ_NET_RX, ..Waker::default() },
            user_stack: -1,
            kernel_stack: -1,
            ..Span::default()
        };
        writer.push_events(events::bytes(&span)).expect("written");
        if i % 2 == 0 {
            let payload = Payload {
                kind: Payload::KIND as u32,
                tid,
                process,
                cookie: 4096 + i % 40,
                since_ns: off_ns - 500,
                at_ns: off_ns - rng.random_range(100..400),
                bytes: rng.random_range(1..5) * 1_228,
                protocol: IPPROTO_UDP,
                direction: SENT,
                destination: Destination { family: 2, port: 6881, ip: [rng.random_range(1..8), 0], _pad: 0 },
                ..Payload::default()
            };
            writer.push_events(events::bytes(&payload)).expect("written");
        }
    }
    writer.finish_frame().expect("written");

    let mut group = c.benchmark_group("capture");
    group.throughput(Throughput::Bytes(writer.written_bytes())).sample_size(20);
    group.bench_function("pack", |b| {
        b.iter_custom(|times| {
            // What a copy adds is a memory's copy, some hundredth.
            cpu::time(times, || {
                fs::copy(&plain, &packed).expect("copied");
                capture::pack(&packed).expect("packed");
            })
        });
    });
    group.finish();
}

fn open(bytes: &[u8]) -> Capture<Cursor<&[u8]>> {
    Capture::new(Cursor::new(bytes), "bench".to_owned()).expect("a capture")
}

/// Progress by strides of 64 KiB, every second record 1 µs too late for its time.
fn capture() -> anyhow::Result<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("bench.capture");
    let mut writer = Writer::create(&path)?;
    writer.push(&Record::Start(Start {
        id: "bench".to_owned(),
        at_ns: 0,
        profiler: "bench".to_owned(),
        boot_id: String::new(),
        targets: "bench".to_owned(),
        size_bytes: None,
        stride_bytes: 64 << 10,
        run: None,
        machine_id: String::new(),
        host_name: String::new(),
        layout: capture::layout(),
    }))?;
    for i in 0..RECORDS {
        let stride = 1 + i / PROCESSES;
        writer.push_events(events::bytes(&Progress {
            kind: Progress::KIND as u32,
            tid: 12_345,
            at_ns: 1_000_000_000_000 + i * 20_000 - 21_000 * (i % 2),
            process: 1 + i % PROCESSES,
            cookie: 4096 + i % 40,
            peer_rx_bytes: stride * (64 << 10) + i * 7919 % 4096,
            peer_tx_bytes: stride * 100,
        }))?;
        if i % BATCH == BATCH - 1 {
            writer.push(&Record::Watermark(Watermark { at_ns: 1_000_000_000_000 + i * 20_000 - 30_000 }))?;
        }
    }
    writer.push(&Record::End(End { at_ns: 2_000_000_000_000, reason: "done".to_owned() }))?;
    writer.finish_frame()?;
    capture::pack(&path)?;
    Ok(fs::read(&path)?)
}

criterion_group!(benches, replay, pack);
criterion_main!(benches);
