//! One run of a pair: its programs under a recording, and what came of it.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use analysis::{attribution::observed::merged::merged, report, timeline::Timeline};
use capture::Direction;
use profiler::collect::{probes::Settings, recording::stride_bytes};
use serde_json::Value;

use super::{
    host::Look,
    known::{self, Shares},
    list::{Base, LINK_BITS_PER_S, Nodes, Pair, SECOND_SLEEPS},
    logs::{About, Amounts, Logs},
    modules,
    noise::Noise,
    programs::{Ask, Companion, Leecher, Node, Relay, Seeder, Storer, Style, Uploader, Work},
};
use crate::{
    cgroup::Cgroup,
    link::Link,
    programs::Program,
    stage::{ANYWHERE, LOOPBACK, Place, Stage, core},
};

pub const LEECHER: &str = "leecher";
pub const RELAY: &str = "relay";
pub const SEEDER: &str = "seeder";
/// The other seeder, where there are two; its blocks have numbers of their own.
pub const SECOND: &str = "second";
pub const SECOND_FIRST: u32 = 1 << 20;
pub const UPLOADER: &str = "uploader";
pub const STORER: &str = "storer";
const COMPANION: &str = "companion";

/// What a run came to.
pub struct Run {
    /// Of the host that it was recorded on.
    pub kernel: String,
    /// By the programs' logs, and by the report.
    pub known: Shares,
    pub reported: Shares,
    /// The same with a thread's movements in one record for up to a millisecond on its CPU, as cheaper probes might know them.
    pub merged: Shares,
}

/// Records a run into the file, and gives its log.
pub fn record(pair: &Pair, capture: &Path) -> Logs {
    let base = &pair.base;
    let mut stage = Stage::new();
    let limit = base.syncs().then(|| Cgroup::with_disk_limit(stage.folder(), base.disk_bytes_per_s));
    let link = (base.nodes == Nodes::Linked).then(|| {
        modules::load();
        Link::new(LINK_BITS_PER_S, stage.folder())
    });
    let limited = |work| limit.as_ref().filter(|_| work == Work::Sync);
    let near = Place { host: link.as_ref().map(|link| &link.receiver), ..ANYWHERE };
    let far = Place { host: link.as_ref().map(|link| &link.sender), ..ANYWHERE };
    // Who has a transfer has a core, and so has its peer; but a loop and its worker on one core wait for each other, and noise
    // that wakes the loop would delay something.
    let core_of = |number, with_worker: bool| if with_worker { ANYWHERE.core } else { core(number) };
    let own = Place { core: core_of(0, base.in_worker), cgroup: limited(base.own), ..near };
    let peers = Place { core: core_of(1, base.style == Style::Worker), cgroup: limited(base.peer), ..far };

    let does = pair.noise().and_then(|noise| noise.companion(base.planned(base.peer)));
    let companion = does.map(|does| {
        let companion = Companion { on: address(&near), does };
        start(&mut stage, COMPANION, Node::Companion(companion), near)
    });
    let places = Places { near, far, own, peers, folder: stage.folder().to_owned(), companion };
    match base.nodes {
        Nodes::Upload => start_upload(&mut stage, pair, &places),
        _ => start_download(&mut stage, pair, &places),
    }
    let is_control = pair.noise() == Some(Noise::Control);
    let settings = Settings {
        stride_bytes: stride_bytes(Some(base.payload_bytes() as u64)),
        control_ports: companion
            .filter(|_| is_control)
            .map(|companion| companion.port())
            .into_iter()
            .collect(),
        ..Settings::default()
    };
    let look = Look::now();
    let programs = stage.record(capture, &settings).truths;
    let about = About { pair: pair.name(), disturbance: look.disturbance(), of: Some(Amounts::of(base)) };
    let programs = programs.into_iter().map(|(name, truth)| (name.to_owned(), truth)).collect();
    Logs { about, programs }
}

/// From a capture and its log.
pub fn compare(base: &Base, capture: &Path, logs: &Logs) -> Run {
    let label = if base.nodes == Nodes::Upload { UPLOADER } else { LEECHER };
    let report = |mut timeline: Timeline| -> Value {
        let json = profiler::export::json::render(&report::of_timeline(&mut timeline).expect("a report"));
        serde_json::from_str(&json).expect("the report is JSON")
    };
    let exact = report(timeline(capture));
    let mut with_merged = timeline(capture);
    let events = &mut with_merged.events;
    events.payloads = merged(std::mem::take(&mut events.payloads), &events.spans);
    Run {
        kernel: exact["capture"]["host"]["kernel"].as_str().expect("the host's kernel").to_owned(),
        known: known::shares(base, &logs.programs),
        reported: reported(&exact, label),
        merged: reported(&report(with_merged), label),
    }
}

pub fn timeline(capture: &Path) -> Timeline {
    let mut records = capture::read(capture).expect("open the capture");
    Timeline::from_capture(&mut records).unwrap_or_else(|error| panic!("{}: {error:#}", capture.display()))
}

/// Why a run proves nothing: for reasons that are not in the report.
pub fn thrown_away(base: &Base, logs: &Logs, busy_host: bool) -> Option<String> {
    let off_plan = || known::off_plan(base, &logs.programs);
    let disturbed = || logs.about.disturbance.too_much(busy_host);
    disturbed().or_else(off_plan)
}

struct Places<'p> {
    near: Place<'p>,
    far: Place<'p>,
    own: Place<'p>,
    peers: Place<'p>,
    folder: PathBuf,
    companion: Option<SocketAddr>,
}

fn start_download(stage: &mut Stage, pair: &Pair, places: &Places) {
    let Base { nodes, blocks, block_bytes, ask, .. } = pair.base;
    let seeder = Seeder {
        on: address(&places.far),
        first: 0,
        blocks,
        block_bytes,
        asked: ask != Ask::Never,
        work: pair.base.peer,
        style: pair.base.style,
        file: places.folder.join("peers"),
        noise: pair.noise(),
    };
    let second = Seeder {
        first: SECOND_FIRST,
        block_bytes: block_bytes / 9,
        work: Work::Sleep(SECOND_SLEEPS),
        style: Style::Blocking,
        noise: None,
        ..seeder.clone()
    };
    let mut of = start(stage, SEEDER, Node::Seeder(seeder), places.peers);
    if nodes == Nodes::Relayed {
        let relay = Relay { on: address(&places.near), of, blocks, block_bytes };
        of = start(stage, RELAY, Node::Relay(relay), places.own);
    }
    let second = (nodes == Nodes::Uneven).then(|| start(stage, SECOND, Node::Seeder(second), places.far));
    let leecher = Leecher {
        of,
        blocks,
        block_bytes,
        ask,
        second,
        work: pair.base.own,
        in_worker: pair.base.in_worker,
        file: places.folder.join("own"),
        noise: pair.noise(),
        companion: places.companion,
    };
    start(stage, LEECHER, Node::Leecher(leecher), places.own);
    stage.transfers(Direction::Download, pair.base.payload_bytes());
}

fn start_upload(stage: &mut Stage, pair: &Pair, places: &Places) {
    let Base { blocks, block_bytes, peer, own, .. } = pair.base;
    let storer = Storer { on: address(&places.far), blocks, work: peer };
    let to = start(stage, STORER, Node::Storer(storer), places.peers);
    let file = places.folder.join("own");
    let (noise, companion) = (pair.noise(), places.companion);
    let uploader = Uploader { to, blocks, block_bytes, work: own, file, noise, companion };
    start(stage, UPLOADER, Node::Uploader(uploader), places.own);
    stage.transfers(Direction::Upload, pair.base.payload_bytes());
}

/// Gives where it listens.
fn start(stage: &mut Stage, name: &'static str, node: Node, place: Place) -> SocketAddr {
    (address(&place), stage.start(name, Program::Node(node), place)).into()
}

fn address(place: &Place) -> IpAddr {
    place.host.map_or(LOOPBACK, |host| host.address.into())
}

/// From the first byte to 100 %: the phases by their time.
fn reported(report: &Value, label: &str) -> Shares {
    let rows = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let transfer = rows(&report["transfers"]).into_iter().find(|transfer| transfer["label"] == label);
    let transfer = transfer.expect("the transfer is in the report");
    let mut shares = Shares::new();
    let mut whole_s = 0.0;
    for phase in rows(&transfer["phases"]).iter().filter(|phase| phase["from"] != "request") {
        let wall_s = phase["wall_s"].as_f64().expect("the time of a phase");
        whole_s += wall_s;
        for parts in ["shares", "network_detail"] {
            for (name, share) in phase[parts].as_object().expect("a phase has shares") {
                *shares.entry(name.clone()).or_default() += share.as_f64().expect("a share") * wall_s;
            }
        }
    }
    shares.values_mut().for_each(|share| *share /= whole_s);
    shares
}
