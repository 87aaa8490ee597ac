//! A link that loses segments, beside what packets say of it: one tap where the sender hands them over, one where they arrive.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, SystemTime},
};

use libtest_mimic::Trial;
use profiler::{
    bench::hosts::{Host, links},
    clock::now_ns,
    verify::packets::{files, headers, headers::Read, link::ip_packet},
};

use crate::{
    expect::{at_least, truth, within},
    link::Link,
    pair::{Pair, RECEIVER},
    programs::Style,
    stage::{ANYWHERE, Place, Stage},
    trial,
    truth::Window,
};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("loss::two_percent_blocking", || loses(20, Style::Blocking)),
        trial("loss::two_percent_loop", || loses(20, Style::Loop)),
        trial("loss::none", || loses(0, Style::Blocking)),
    ]
}

fn loses(per_mille: u32, style: Style) {
    let stage = Stage::new();
    let link = Link::of_single_segments(100_000_000, stage.folder());
    link.lose(per_mille);
    let taps = [
        Tap::start(&link.sender, stage.folder().join("sent.pcap")),
        Tap::start(&link.receiver, stage.folder().join("arrived.pcap")),
    ];
    let sender = (style, Place { host: Some(&link.sender), ..ANYWHERE });
    let receiver = (style, Place { host: Some(&link.receiver), ..ANYWHERE });
    let pair = Pair { blocks: 240, sender, receiver, ..Pair::of(style) };
    // The stage's folder goes with it.
    let (outcome, seen) = pair.play_and(stage, || {
        // The kernel hands over its last block after a second.
        thread::sleep(Duration::from_millis(1500));
        taps.map(Tap::finish)
    });
    let [sent, arrived] = seen;
    let lost = awaited_again(&sent, &arrived, outcome.window(RECEIVER, "p50", "p90"));
    let told = outcome.phase(RECEIVER, "p90");
    if per_mille == 0 {
        truth("lost by the packets", lost, within(0.0, 0.005));
        told.details(&["retransmit"], within(0.0, 0.005));
    } else {
        truth("lost by the packets", lost, at_least(0.3));
        told.details(&["retransmit"], within(lost, 0.05));
    }
}

/// tcpdump at a host's interface.
struct Tap {
    tcpdump: Child,
    file: PathBuf,
}

/// A segment with payload: monotonic ns, its first byte and the one past its last, from the stream's beginning.
type Seen = (u64, u64, u64);

impl Tap {
    fn start(host: &Host, file: PathBuf) -> Self {
        let log = File::create(file.with_extension("log")).unwrap();
        let mut command = Command::new("tcpdump");
        command
            .args(["-n", "-i", links::NODE_INTERFACE, "-s", "128", "-B", "65536", "-Z", "root", "-w"])
            .arg(&file);
        command.args(["tcp"]).stdout(Stdio::null()).stderr(log);
        let tcpdump = host.namespace.run(|| Ok(command.spawn()?)).expect("start tcpdump");
        let listens = || fs::read_to_string(file.with_extension("log")).unwrap().contains("listening on");
        while !listens() {
            thread::sleep(Duration::from_millis(10));
        }
        Self { tcpdump, file }
    }

    fn finish(mut self) -> Vec<Seen> {
        // SAFETY: a child that was not waited for.
        unsafe { libc::kill(self.tcpdump.id() as i32, libc::SIGINT) };
        self.tcpdump.wait().unwrap();
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
        let ahead_ns = wall - now_ns();
        let mut seen: BTreeMap<_, (u32, Vec<Seen>)> = BTreeMap::new();
        let mut each = |frame: &files::Frame| {
            let Ok(packet) = ip_packet(frame) else { return };
            let Read::Segment(segment, _) = headers::read(&packet) else { return };
            let Some(tcp) = segment.tcp else { return };
            let way = (segment.flow.source(), segment.flow.destination());
            let (first, of_way) = seen.entry(way).or_insert((tcp.sequence.wrapping_add(1), Vec::new()));
            if segment.payload_bytes > 0 {
                // Far less than 4 GiB.
                let from = u64::from(tcp.sequence.wrapping_sub(*first));
                of_way.push((frame.at_ns.unwrap() - ahead_ns, from, from + u64::from(segment.payload_bytes)));
            }
        };
        files::for_each_frame(File::open(&self.file).unwrap(), "packets", &mut each).unwrap();
        seen.into_values().map(|(_, seen)| seen).max_by_key(Vec::len).expect("somebody sent")
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let _ = self.tcpdump.kill();
        let _ = self.tcpdump.wait();
    }
}

/// The part of a window in which the receiver's next byte had been sent, and came only as it was sent again.
fn awaited_again(sent: &[Seen], arrived: &[Seen], window: Window) -> f64 {
    // What came beyond a gap, by its beginning.
    let mut beyond: BTreeMap<u64, u64> = BTreeMap::new();
    let (mut next, mut since_ns, mut ns) = (0, 0, 0);
    for &(at_ns, from, past) in arrived {
        beyond.entry(from).and_modify(|known| *known = past.max(*known)).or_insert(past);
        let before = next;
        while let Some((&from, &past)) = beyond.first_key_value().filter(|(from, _)| **from <= next) {
            beyond.remove(&from);
            next = next.max(past);
        }
        if next == before {
            continue;
        }
        // The byte that was missing until now.
        let mut sends = sent
            .iter()
            .filter(|(sent_ns, from, past)| *from <= before && before < *past && *sent_ns <= at_ns);
        if let (Some(first), Some(_)) = (sends.next(), sends.next()) {
            let (from_ns, to_ns) = (first.0.max(since_ns).max(window.from_ns), at_ns.min(window.to_ns));
            ns += to_ns.saturating_sub(from_ns);
        }
        since_ns = at_ns;
    }
    ns as f64 / window.ns() as f64
}
