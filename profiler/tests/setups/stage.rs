//! Programs under a recording: started, registered, told to go at once, and reported.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write as _,
    mem,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use analysis::report;
use capture::{Direction, Record, Transfer};
use profiler::{
    bench::hosts::Host,
    clock::now_ns,
    collect::{
        probes::Settings,
        recording::{self, Subject},
    },
};
use rustix::{
    fs::{Advice, fadvise},
    thread::{CpuSet, sched_getaffinity},
};
use tempfile::TempDir;

use crate::{
    cgroup::Cgroup,
    outcome::Outcome,
    programs::{Launch, Program},
    running::Running,
    truth::Truth,
};

/// Where a program runs, beyond the host's own.
#[derive(Clone, Copy, Default)]
pub struct Place<'a> {
    pub host: Option<&'a Host>,
    pub cgroup: Option<&'a Cgroup>,
    pub core: Option<usize>,
}

pub const ANYWHERE: Place = Place { host: None, cgroup: None, core: None };
pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// One of the cores that may be used, for a program that wants it for itself. A receiver that shares it with its sender
/// waits for a CPU, where its log says that it waits for bytes.
pub fn core(number: usize) -> Option<usize> {
    let allowed = sched_getaffinity(None).expect("know the cores");
    (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).nth(number)
}

/// Programs that are ready. Dropping it kills them, and removes their files.
pub struct Stage {
    // Processes go before their folder.
    actors: Vec<Actor>,
    folder: TempDir,
}

/// What programs did, by their names.
pub struct Played {
    pub truths: BTreeMap<&'static str, Truth>,
    pub requested_ns: BTreeMap<&'static str, u64>,
}

struct Actor {
    name: &'static str,
    running: Running,
    transfer: Option<(Direction, u64)>,
}

impl Stage {
    pub fn new() -> Self {
        // On a disk: /tmp may be memory.
        let folder = tempfile::Builder::new().prefix("setups-").tempdir_in("/var/tmp");
        Self { actors: Vec::new(), folder: folder.expect("make a folder") }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a program under that command name and label; gives the port that it listens on.
    pub fn start(&mut self, name: &'static str, program: Program, place: Place) -> u16 {
        let launch = Launch {
            name: name.to_owned(),
            program,
            log: self.folder().join(format!("{name}.log")),
            cgroup: place.cgroup.map(Cgroup::procs),
            core: place.core,
        };
        let running = Running::start(&launch, place.host.map(|host| &host.namespace));
        let port = running.port;
        self.actors.push(Actor { name, running, transfer: None });
        port
    }

    /// The last program that was started moves so many bytes.
    pub fn transfers(&mut self, direction: Direction, bytes: usize) {
        self.actors.last_mut().expect("a program was started").transfer = Some((direction, bytes as u64));
    }

    /// A file with something in it, of which nothing is in memory.
    pub fn cold_file(&self, bytes: usize) -> PathBuf {
        let path = self.folder().join("cold");
        let mut file = File::create_new(&path).expect("create a file");
        file.write_all(&vec![7; bytes]).expect("fill the file");
        file.sync_all().expect("sync the file");
        fadvise(&file, 0, None, Advice::DontNeed).expect("drop the file's pages");
        path
    }

    /// Lets them work, under a recording, until each has ended.
    pub fn play(self) -> Outcome {
        self.play_and(|| ()).0
    }

    /// The same, and what is done before the programs' folder is removed.
    pub fn play_and<T>(mut self, last: impl FnOnce() -> T) -> (Outcome, T) {
        let capture = self.folder().join("run.capture");
        let Played { truths, requested_ns } = self.record(&capture, &Settings::default());
        let report = report::of_capture(&capture).expect("read the capture");
        let json = profiler::export::json::render(&report);
        let json = serde_json::from_str(&json).expect("the report is JSON");
        (Outcome::new(json, truths, requested_ns), last())
    }

    /// The same, but the capture is left as it is.
    pub fn record(&mut self, capture: &Path, settings: &Settings) -> Played {
        let recording =
            recording::start(capture, settings, &Subject::default()).expect("record, which needs root");
        let mut requested_ns = BTreeMap::new();
        let mut actors = mem::take(&mut self.actors);
        for actor in &mut actors {
            let process = recording.register(actor.running.pid()).expect("register a program");
            if let Some((direction, file_size_bytes)) = actor.transfer {
                let now_ns = now_ns();
                requested_ns.insert(actor.name, now_ns);
                let label = actor.name.to_owned();
                let transfer = Transfer { label, process, direction, file_size_bytes, requested_ns: now_ns };
                recording.push(Record::Transfer(transfer)).expect("record the request");
            }
        }
        actors.iter_mut().for_each(|actor| actor.running.go());
        let truths = actors.into_iter().map(|actor| (actor.name, actor.running.finish())).collect();
        recording
            .detach()
            .and_then(|detached| detached.complete("the programs have ended"))
            .expect("complete the capture");
        Played { truths, requested_ns }
    }
}
