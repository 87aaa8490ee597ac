//! The report's tables, each with its title; empty if there is nothing to show.

use analysis::{
    report::{ConnectionReport, DeviceReport, DiskBytes, Program, Report, TransferReport},
    timeline::ThreadTime,
};
use capture::{Direction, FileWay, Protocol};

use super::{
    Part, Section, budgets,
    cells::{Table, both, clean, exact, human, or_dash, rate, seconds, signed, table, whole},
    rows::{Row, Rows},
};

pub fn transfer(transfer: &TransferReport) -> Section {
    let verb = match transfer.direction {
        Direction::Download => "download",
        Direction::Upload => "upload",
        Direction::Intake => "upload into the node",
    };
    let since = match transfer.requested {
        "recorded" => "its request",
        _ => "the process's start (the request was not recorded)",
    };
    let mut rows = table(
        &[
            "milestone",
            "application s",
            "late by <=",
            "kernel s",
            "late by <=",
            "difference s",
            "kernel bytes then",
            "",
        ],
        1..8,
    );
    for milestone in &transfer.milestones {
        let ahead = milestone.app_s.zip(milestone.kernel_s).map(|(app_s, kernel_s)| app_s - kernel_s);
        rows.add_row([
            title(milestone.name),
            or_dash(milestone.app_s, |s| format!("{s:.4}")),
            or_dash(milestone.app_resolution_s, |s| format!("{s:.4}")),
            or_dash(milestone.kernel_s, |s| format!("{s:.4}")),
            or_dash(milestone.kernel_resolution_s, |s| format!("{s:.4}")),
            or_dash(ahead, |s| format!("{s:+.4}")),
            or_dash(milestone.kernel_bytes, exact),
            or_dash(milestone.kernel_bytes, human),
        ]);
    }
    let title = format!(
        "Transfer {}: {verb} of {}, seconds since {since}",
        whole(&clean(&transfer.label)),
        both(transfer.file_size_bytes)
    );
    let chatter = transfer.milestones.iter().find_map(|milestone| {
        let (bytes, lasted_s) = milestone.chatter_bytes.zip(milestone.chatter_s)?;
        Some(format!(
            "After the last block {} bytes of messages followed in {lasted_s:.4} s: no part of the last phase.",
            exact(bytes)
        ))
    });
    let milestones = vec![Part::Table(rows), Part::Said(chatter.unwrap_or_default())];
    let milestones = [milestones, vec![Part::Said(cached(transfer).unwrap_or_default())]];
    let phases = budgets::phases(transfer).into_iter().chain([throughput(transfer)]);
    Section::new(title, milestones.into_iter().chain(phases.map(|table| vec![Part::Table(table)])))
}

pub fn network(rows: &Rows) -> Section {
    let (shown, below) = rows.that(|row| row.network.moved());
    let mut rows =
        table(&["process", "pid", "traffic", "received", "", "sent", "", "retransmits"], [1, 3, 4, 5, 6, 7]);
    for process in shown {
        let network = process.network;
        let retransmits = exact(network.tcp_retransmits);
        let kinds = [
            ("TCP", network.tcp_rx_bytes, network.tcp_tx_bytes, retransmits.as_str()),
            ("UDP", network.udp_rx_bytes, network.udp_tx_bytes, ""),
            ("without control", network.peer_rx_bytes, network.peer_tx_bytes, ""),
        ];
        for (kind, rx_bytes, tx_bytes, retransmits) in kinds.into_iter().filter(|kind| kind.1 + kind.2 > 0) {
            rows.add_row(vec![
                process.name.clone(),
                process.pid.clone(),
                kind.to_owned(),
                exact(rx_bytes),
                human(rx_bytes),
                exact(tx_bytes),
                human(tx_bytes),
                retransmits.to_owned(),
            ]);
        }
    }
    Section::new("Network, payload bytes", [vec![Part::Table(rows), Part::Hint(below)]])
}

pub fn peers(rows: &Rows) -> Section {
    let (shown, below) = rows.that(|row| !row.peers.is_empty());
    let mut rows = table(&["process", "peer", "", "received", "", "sent", "", "sockets", "retrans"], 3..9);
    for process in shown {
        for peer in process.peers {
            let protocol = match peer.protocol {
                Some(Protocol::Tcp) => "TCP",
                Some(Protocol::Udp) => "UDP",
                None => "?",
            };
            rows.add_row(vec![
                process.name.clone(),
                peer.peer.clone(),
                if peer.control { format!("{protocol} control") } else { protocol.to_owned() },
                exact(peer.rx_bytes),
                human(peer.rx_bytes),
                exact(peer.tx_bytes),
                human(peer.tx_bytes),
                exact(peer.connections),
                exact(peer.retransmits),
            ]);
        }
    }
    Section::new("Peers, payload bytes", [vec![Part::Table(rows), Part::Hint(below)]])
}

/// What the seeders did not have to read from their disks.
fn cached(transfer: &TransferReport) -> Option<String> {
    let seeders = transfer.seeders_cached.iter().map(|cache| {
        let part = 100.0 * cache.cached_bytes as f64 / cache.file_bytes.max(1) as f64;
        format!("{} {part:.1} %", clean(&cache.seeder))
    });
    let seeders: Vec<_> = seeders.collect();
    (!seeders.is_empty())
        .then(|| format!("In the page cache of the seeders' files as it began: {}.", seeders.join(", ")))
}

/// What TCP went by, of the connections that sent most.
pub fn connections(report: &Report) -> Section {
    let all = report.processes.iter();
    let mut all: Vec<_> = all
        .flat_map(|process| process.connections.iter().map(move |connection| (process, connection)))
        .collect();
    all.sort_by_key(|(_, connection)| std::cmp::Reverse(connection.tx_bytes));
    let head =
        ["process", "to", "sent", "", "round trip ms", "congestion window", "peer's window", "in flight"];
    let mut rows = table(&head, [2, 4, 5, 6, 7]);
    for (process, connection) in all.iter().take(CONNECTIONS) {
        let ConnectionReport { smoothed_rtt_s: rtt_s, congestion_window_bytes, .. } = connection;
        let windows = [congestion_window_bytes, &connection.peer_window_bytes, &connection.in_flight_bytes];
        let ms = |s: f64| format!("{:.3}", 1e3 * s);
        let named = [clean(process.name()), connection.peer.clone(), human(connection.tx_bytes)];
        let median = ["median".to_owned(), or_dash(rtt_s.as_ref(), |rtt| ms(rtt.median))];
        let most = ["maximum".to_owned(), or_dash(rtt_s.as_ref(), |rtt| ms(rtt.max))];
        rows.add_row(named.into_iter().chain(median).chain(windows.map(|spread| human(spread.median))));
        let below = [(); 3].map(|()| String::new());
        rows.add_row(below.into_iter().chain(most).chain(windows.map(|spread| human(spread.max))));
    }
    Section::new("Connections that sent most: what TCP went by", [vec![Part::Table(rows)]])
}

/// Connections that are shown.
const CONNECTIONS: usize = 8;

/// What was asked for, what became dirty, and what devices moved, side by side.
pub fn disk(rows: &Rows) -> Section {
    let (shown, below) = rows.that(|row| row.disk.moved());
    let head =
        ["process", "pid", "", "by calls, sockets too", "dirtied", "on devices", "", "of it written back"];
    let mut rows = table(&head, [1, 3, 4, 5, 6, 7]);
    let (mut counted, mut uncounted) = (Vec::new(), Vec::new());
    for process in shown {
        let disk = process.disk;
        let whose = format!("{} {}", whole(&process.name), process.pid);
        counted.extend(by_ways(disk).map(|moved| format!("{whose} {moved}")));
        let ways: Vec<_> = disk.uncounted_ways.names().collect();
        if !ways.is_empty() {
            uncounted.push(format!("{whose} by {}", ways.join(", ")));
        }
        let directions = [
            ("read", disk.read_by_calls(), None, disk.device_read_bytes, None),
            (
                "written",
                disk.written_by_calls(),
                disk.dirtied_bytes,
                disk.device_written_bytes,
                disk.writeback_bytes,
            ),
        ];
        for (direction, asked_for, dirtied, moved, written_back) in directions {
            if asked_for + dirtied.unwrap_or(0) + moved == 0 {
                continue;
            }
            rows.add_row(vec![
                process.name.clone(),
                process.pid.clone(),
                direction.to_owned(),
                exact(asked_for),
                or_dash(dirtied, exact),
                exact(moved),
                human(moved),
                or_dash(written_back, exact),
            ]);
        }
    }
    let said = |what: &str, some: &[String]| match some {
        [] => String::new(),
        some => format!("{what}: {}.", some.join("; ")),
    };
    let counted = said("Of the bytes by calls, past the kernel's accounting", &counted);
    let uncounted =
        said("Not in the bytes by calls, or not all: what these moved of files by other ways", &uncounted);
    let block = vec![Part::Table(rows), Part::Hint(below), Part::Said(counted), Part::Said(uncounted)];
    Section::new("Files and disks, bytes", [block])
}

/// What a process moved by each way past the accounting.
fn by_ways(disk: &DiskBytes) -> impl Iterator<Item = String> {
    let directions = [("read", disk.other_read_bytes), ("written", disk.other_written_bytes)];
    directions.into_iter().flat_map(|(direction, bytes)| {
        let some = FileWay::ALL.into_iter().filter(move |way| bytes.of(*way) > 0);
        some.map(move |way| format!("{} {direction} by {}", exact(bytes.of(way)), way.name()))
    })
}

/// A row for each process, and one for each of its threads that ran. States that nobody was in are left out.
pub fn time(rows: &Rows) -> Section {
    let (active, below) = rows.that(|row| row.did_something() && row.time.is_some());
    let active: Vec<(&Row, &ThreadTime)> =
        active.into_iter().filter_map(|row| Some((row, row.time?))).collect();
    let shown: Vec<State> = STATES
        .into_iter()
        .filter(|(_, ns)| active.iter().any(|(_, time)| seconds(ns(time)) != seconds(0)))
        .collect();
    let title = "Time of threads, s: on the CPU, waiting for one, asleep until what woke them";
    Section::new(title, [vec![Part::Table(time_rows(&active, &shown)), Part::Hint(below)]])
}

fn time_rows(active: &[(&Row, &ThreadTime)], states: &[State]) -> Table {
    let names = states.iter().map(|(name, _)| *name);
    let head: Vec<&str> = ["process", "thread", "user %"].into_iter().chain(names).collect();
    let awake = states.iter().take_while(|(name, _)| AWAKE.contains(name)).count();
    let mut rows = table(&head, 2..head.len());
    if (1..states.len()).contains(&awake) {
        rows = rows.cut_before(3 + awake);
    }
    let row = |process: String, thread: String, time: &ThreadTime| -> Vec<String> {
        let user = time.cpu_user_ns.map(|ns| 100.0 * ns as f64 / time.cpu_ns.max(1) as f64);
        let user = or_dash(user, |user| format!("{user:.0}"));
        [process, thread, user].into_iter().chain(states.iter().map(|(_, ns)| seconds(ns(time)))).collect()
    };
    for (process, time) in active {
        rows.add_row(row(process.name.clone(), format!("all {}", time.threads), time));
        let ran = process.threads.iter().filter(|thread| thread.time.cpu_ns > 0 && process.threads.len() > 1);
        for thread in ran {
            rows.add_row(row(String::new(), format!("{} {}", clean(&thread.comm), thread.tid), &thread.time));
        }
    }
    rows
}

/// A thread state and its ns.
type State = (&'static str, fn(&ThreadTime) -> u64);

const STATES: [State; 13] = [
    ("on CPU", |time| time.cpu_ns),
    ("softirq", |time| time.softirq_ns),
    ("hardirq", |time| time.hardirq_ns),
    ("run queue", |time| time.runqueue_ns),
    ("throttled", |time| time.throttled_ns),
    ("network", |time| time.wait_network_ns),
    ("disk", |time| time.wait_disk_ns),
    ("lock", |time| time.wait_lock_ns),
    ("timer", |time| time.wait_timer_ns),
    ("thread", |time| time.wait_thread_ns),
    ("memory", |time| time.wait_memory_ns),
    ("other", |time| time.wait_other_ns),
    ("idle", |time| time.wait_idle_ns),
];

/// States of a thread that does not sleep.
const AWAKE: [&str; 5] = ["on CPU", "softirq", "hardirq", "run queue", "throttled"];

pub fn devices(devices: &[DeviceReport]) -> Section {
    let head =
        ["device", "", "bytes", "", "requests", "queue us", "service us", "credited", "uncredited", "errors"];
    let mut rows = table(&head, 2..10);
    for device in devices {
        let directions = [
            (
                "read",
                device.read_bytes,
                device.read_requests,
                device.read_mean_queue_us,
                device.read_mean_service_us,
                device.credited_read_bytes,
                device.uncredited_read_bytes,
            ),
            (
                "written",
                device.written_bytes,
                device.write_requests,
                device.write_mean_queue_us,
                device.write_mean_service_us,
                device.credited_written_bytes,
                device.uncredited_written_bytes,
            ),
        ];
        let moved = directions.iter().filter(|row| row.1 + row.2 + row.5 > 0);
        for (i, (direction, bytes, requests, queue_us, service_us, credited, rest)) in moved.enumerate() {
            let once = |text: String| if i == 0 { text } else { String::new() };
            rows.add_row(vec![
                clean(&device.name),
                (*direction).to_owned(),
                exact(*bytes),
                human(*bytes),
                exact(*requests),
                or_dash(*queue_us, |us| format!("{us:.1}")),
                or_dash(*service_us, |us| format!("{us:.1}")),
                exact(*credited),
                signed(*rest),
                once(exact(device.errors)),
            ]);
        }
    }
    Section::new("Devices, whole host, each by itself; times are means", [vec![Part::Table(rows)]])
}

pub fn programs(programs: &[Program]) -> Table {
    let mut rows = table(&["program", "runs", "ns per run"], [1, 2]);
    for program in programs.iter().filter(|program| program.runs > 0) {
        rows.add_row([
            clean(&program.program),
            exact(program.runs),
            or_dash(program.ns_per_run, |ns| format!("{ns:.0}")),
        ]);
    }
    rows
}

fn throughput(transfer: &TransferReport) -> Table {
    let throughput = &transfer.throughput;
    let mut rows = table(&["throughput", "", ""], [1, 2]);
    for (whose, bytes_per_s, bytes) in [
        ("application", throughput.app_bytes_per_s, transfer.file_size_bytes),
        ("kernel", throughput.kernel_bytes_per_s, throughput.final_bytes),
    ] {
        rows.add_row([whose.to_owned(), or_dash(bytes_per_s, rate), format!("{} bytes", exact(bytes))]);
    }
    let ratio = or_dash(throughput.overhead_ratio, |ratio| format!("{ratio:.4}"));
    rows.add_row(["kernel / file size".to_owned(), ratio, String::new()]);
    if let Some(written) = throughput.device_written_bytes {
        let ratio = or_dash(throughput.write_amplification, |ratio| format!("{ratio:.4}"));
        rows.add_row(["device writes / file size".to_owned(), ratio, format!("{} bytes", exact(written))]);
    }
    if let Some(bytes @ 1..) = throughput.still_dirty_bytes {
        rows.add_row(["dirty at the end".to_owned(), String::new(), format!("{} bytes", exact(bytes))]);
    }
    if let Some(polling) = &transfer.polling {
        let cpu = format!("{:.3} s of CPU to ask", polling.cpu_s);
        rows.add_row(["application asked".to_owned(), format!("{} times", exact(polling.polls)), cpu]);
    }
    if let Some(checksum) = &transfer.checksum {
        let verdict = if checksum.matched { "matched" } else { "DIFFERS" };
        rows.add_row(["checksum received".to_owned(), verdict.to_owned(), short(&checksum.received)]);
    }
    rows
}

/// The name of a checksum and enough digits to tell it by; the JSON has all of them.
fn short(checksum: &str) -> String {
    clean(checksum).chars().take(21).collect()
}

fn title(milestone: capture::MilestoneName) -> String {
    use capture::MilestoneName::{FirstByte, P50, P90, P100};
    match milestone {
        FirstByte => "first byte",
        P50 => "50 %",
        P90 => "90 %",
        P100 => "100 %",
    }
    .to_owned()
}
