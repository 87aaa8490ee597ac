//! What a report of a large capture takes: time, and the most memory of the process. The capture is made up: an event loop
//! serves many connections of another one for a minute, each request of 17 bytes with 4096.
//!
//! `cargo bench -p profiler --bench report -- [REQUESTS [CONNECTIONS]]`; fails above the bound of memory.

use std::{fs, path::Path, process::ExitCode, time::Instant};

use abi::{
    context::SOFTIRQ_NET_RX,
    event::Event as _,
    payload::{Payload, RECEIVED, SENT},
    sockets::IPPROTO_TCP,
    span::{Span, Waker},
};
use analysis::{report, timeline::Timeline};
use anyhow::{Context as _, Result};
use capture::{
    Direction, ProcessSerial, Record, ThreadState, Transfer, Writer, events,
    testing::sample::{self, LEECHER, SEEDER, START_NS},
};

const SECONDS: u64 = 60;
const REQUEST_BYTES: u64 = 17;
const BLOCK_BYTES: u64 = 4096;
/// Requests that a loop finds at once.
const AT_ONCE: u64 = 4;

/// The bound: so much, and as much again for each phase.
const MIB: u64 = 200;
const MIB_PER_PHASE: u64 = 1;

fn main() -> Result<ExitCode> {
    // As the program does.
    profiler::memory::keep_small();
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let requests = numbers.first().copied().unwrap_or(1_900_000);
    let connections = numbers.get(1).copied().unwrap_or(200);
    let folder = tempfile::tempdir().context("make a temporary folder")?;
    let path = folder.path().join("loop.capture");
    let plain_bytes = write(&path, requests, connections)?;
    capture::pack(&path)?;
    // The most memory of the process counts from here.
    fs::write("/proc/self/clear_refs", "5").context("reset the peak of memory")?;
    let began = Instant::now();
    let mut timeline = Timeline::from_capture(&mut capture::read(&path)?)?;
    let read_s = began.elapsed().as_secs_f64();
    let report = report::of_timeline(&mut timeline)?;
    let all_s = began.elapsed().as_secs_f64();
    let phases: usize = report.transfers.iter().map(|transfer| transfer.phases.len()).sum();
    let peak_mib = peak_kib()? / 1024;
    println!(
        "{requests} requests on {connections} connections, {} MiB of records: read {read_s:.2} s, report {all_s:.2} s, \
         {peak_mib} MiB, {phases} phases",
        plain_bytes >> 20
    );
    let bound_mib = MIB + MIB_PER_PHASE * phases as u64;
    if peak_mib > bound_mib {
        println!("above the bound of {bound_mib} MiB");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn peak_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(peak.trim().trim_end_matches(" kB").parse()?)
}

/// One of the two processes, whose only thread is a loop.
#[derive(Clone, Copy)]
struct Side {
    process: ProcessSerial,
    tid: u32,
    first_cookie: u64,
}

const SERVER: Side = Side { process: SEEDER, tid: 101, first_cookie: 1 << 32 };
const CLIENT: Side = Side { process: LEECHER, tid: 102, first_cookie: 2 << 32 };
/// Of one address of the client.
const PORTS: u64 = 50_000;

/// How many bytes its records are, unpacked.
fn write(path: &Path, requests: u64, connections: u64) -> Result<u64> {
    let end_ns = START_NS + SECONDS * 1_000_000_000;
    let mut writer = Writer::create(path)?;
    for record in
        sample::records().into_iter().filter(|record| matches!(record, Record::Start(_) | Record::Family(_)))
    {
        writer.push(&record)?;
    }
    writer.push(&Record::Transfer(Transfer {
        label: "client".to_owned(),
        process: LEECHER,
        direction: Direction::Download,
        file_size_bytes: requests * BLOCK_BYTES,
        requested_ns: START_NS,
    }))?;
    let step_ns = (end_ns - START_NS) / requests.max(1);
    for round in 0..requests / AT_ONCE {
        let at_ns = START_NS + round * AT_ONCE * step_ns;
        for side in [CLIENT, SERVER] {
            // The client works in the first half, the server in the second.
            let on_ns = at_ns + if side.tid == SERVER.tid { AT_ONCE * step_ns / 2 } else { 0 };
            writer.push_events(events::bytes(&sleep(side, on_ns, AT_ONCE * step_ns)))?;
            for request in 0..AT_ONCE {
                let number = round * AT_ONCE + request;
                let (connection, turn) = (number % connections, number / connections);
                let moved_ns = on_ns + 1 + request * step_ns / 3;
                for event in served(side, connection, turn, moved_ns, step_ns) {
                    writer.push_events(events::bytes(&event))?;
                }
            }
        }
    }
    let bytes = requests * BLOCK_BYTES;
    writer.push(&totals(SERVER, requests * REQUEST_BYTES, bytes, end_ns))?;
    writer.push(&totals(CLIENT, bytes, requests * REQUEST_BYTES, end_ns))?;
    for side in [SERVER, CLIENT] {
        writer.push(&thread(side, end_ns))?;
        for connection in 0..connections {
            writer.push(&socket(side, connection, end_ns))?;
        }
    }
    let Record::End(end) = sample::end() else { unreachable!("an end") };
    writer.push(&Record::End(capture::End { at_ns: end_ns, ..end }))?;
    writer.finish_frame()?;
    Ok(writer.written_bytes())
}

fn sleep(side: Side, on_ns: u64, every_ns: u64) -> Span {
    Span {
        kind: Span::KIND as u32,
        tid: side.tid,
        process: side.process.0,
        off_ns: on_ns - every_ns / 4,
        woken_ns: on_ns - every_ns / 8,
        on_ns,
        syscall: 232,
        arguments: [11, 0],
        waker: Waker { context: SOFTIRQ_NET_RX, ..Waker::default() },
        user_stack: -1,
        kernel_stack: -1,
        ..Span::default()
    }
}

/// What it receives, and what it sends for that.
fn served(side: Side, connection: u64, turn: u64, at_ns: u64, step_ns: u64) -> [Payload; 2] {
    let is_server = side.tid == SERVER.tid;
    let (taken, given) = if is_server { (REQUEST_BYTES, BLOCK_BYTES) } else { (BLOCK_BYTES, REQUEST_BYTES) };
    let moved = |direction, bytes: u64, turns: u64, at_ns| Payload {
        kind: Payload::KIND as u32,
        tid: side.tid,
        process: side.process.0,
        cookie: side.first_cookie + connection,
        since_ns: at_ns,
        at_ns,
        bytes,
        sequence: (turns * bytes) as u32,
        arrived: if direction == RECEIVED { (turns * bytes) as u32 } else { 0 },
        protocol: IPPROTO_TCP,
        direction,
        ..Payload::default()
    };
    // The first block answers a request from before.
    [moved(RECEIVED, taken, turn + 1, at_ns), moved(SENT, given, turn + 1, at_ns + step_ns / 4)]
}

fn totals(side: Side, rx_bytes: u64, tx_bytes: u64, end_ns: u64) -> Record {
    let Record::ProcessTotals(totals) = sample::process(side.process, "loop", rx_bytes, tx_bytes) else {
        unreachable!("totals of a process")
    };
    Record::ProcessTotals(capture::ProcessTotals { at_ns: end_ns, ..totals })
}

fn thread(side: Side, end_ns: u64) -> Record {
    let Record::ThreadTotals(totals) = sample::thread(side.process, 1, ThreadState::Blocked) else {
        unreachable!("totals of a thread")
    };
    Record::ThreadTotals(capture::ThreadTotals {
        at_ns: end_ns,
        tid: side.tid,
        state_since_ns: end_ns,
        ..totals
    })
}

fn socket(side: Side, connection: u64, end_ns: u64) -> Record {
    let Record::SocketTotals(mut totals) =
        sample::socket(side.process, side.first_cookie + connection, Some("127.0.0.1:1"), false)
    else {
        unreachable!("totals of a socket")
    };
    let ends = totals.ends.as_mut().expect("the ends are known");
    let host = [127, 0, (connection / PORTS) as u8, 1];
    let (server, client) = (([127, 0, 0, 1], 80), (host, 10_000 + (connection % PORTS) as u16));
    let (local, peer) = if side.tid == SERVER.tid { (server, client) } else { (client, server) };
    (ends.local, ends.peer) = (local.into(), peer.into());
    (totals.at_ns, totals.last_ns) = (end_ns, end_ns);
    Record::SocketTotals(totals)
}
