//! The programs that are profiled. Each is a process of its own: this test's binary, executed again.

mod direct;
pub mod disk;
pub mod exchange;
mod mutex;
mod receiver;
mod sender;
mod socket;
mod spinner;
mod step;

use std::{
    ffi::CString,
    fs,
    io::{self, BufRead as _, Write as _},
    path::{Path, PathBuf},
};

use rustix::{
    process::{setpriority_process, setsid},
    thread::{CpuSet, sched_setaffinity, set_name},
};
use serde::{Deserialize, Serialize};

pub use self::{
    disk::{Reader, Syncer},
    exchange::{Answerer, Asker},
    mutex::Mutual,
    receiver::Receiver,
    sender::Sender,
    socket::Style,
    spinner::{Spinner, compute},
    step::Step,
};
use crate::{log::Log, pairs::programs::Node};

#[derive(Serialize, Deserialize, Clone, Debug)]
pub enum Program {
    Answerer(Answerer),
    Asker(Asker),
    Mutual(Mutual),
    Node(Node),
    Reader(Reader),
    Receiver(Receiver),
    Sender(Sender),
    Spinner(Spinner),
    Syncer(Syncer),
}

/// A program and where it runs.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Launch {
    /// Its command name.
    pub name: String,
    pub program: Program,
    pub log: PathBuf,
    /// The file that takes a process into a cgroup.
    pub cgroup: Option<PathBuf>,
    /// The only core that it may use.
    pub core: Option<usize>,
}

/// What remains to do after the preparations, which are not measured.
pub struct Prepared {
    /// Where it listens.
    port: Option<u16>,
    work: Box<dyn FnOnce(&mut Log)>,
}

impl Prepared {
    pub fn new(port: Option<u16>, work: impl FnOnce(&mut Log) + 'static) -> Self {
        Self { port, work: Box::new(work) }
    }
}

/// The hidden argument of this binary.
pub const ARGUMENT: &str = "--profiled-program";

/// Ahead of everything else on the host, so that the programs' timing is their own.
pub const PRIORITY: i32 = -19;
/// With automatic groups, one for each session, a priority counts only within its group, and a group has its own.
const AUTOGROUP: &str = "/proc/self/autogroup";

/// Runs as a program: prepares, says so with a line on standard output, works after a line on standard input.
pub fn main(launch: &str) {
    let launch: Launch = serde_json::from_str(launch).expect("read what to run");
    set_name(&CString::new(launch.name).expect("a name")).expect("take the name");
    raise_priority();
    if let Some(core) = launch.core {
        let mut cores = CpuSet::new();
        cores.set(core);
        sched_setaffinity(None, &cores).expect("stay on one core");
    }
    let prepared = match launch.program {
        Program::Answerer(program) => program.prepare(),
        Program::Asker(program) => program.prepare(),
        Program::Mutual(program) => program.prepare(),
        Program::Node(program) => program.prepare(),
        Program::Reader(program) => program.prepare(),
        Program::Receiver(program) => program.prepare(),
        Program::Sender(program) => program.prepare(),
        Program::Spinner(program) => program.prepare(),
        Program::Syncer(program) => program.prepare(),
    };
    // Last, because loading the program would be limited too.
    if let Some(procs) = launch.cgroup {
        fs::write(procs, std::process::id().to_string()).expect("enter the cgroup");
    }
    println!("{}", prepared.port.unwrap_or(0));
    io::stdout().flush().expect("say that it is ready");
    io::stdin().lock().read_line(&mut String::new()).expect("wait for the start");
    let mut log = Log::begin();
    (prepared.work)(&mut log);
    log.write(&launch.log);
}

fn raise_priority() {
    setpriority_process(None, PRIORITY).expect("raise the priority, which needs root");
    setsid().expect("leave the test's session");
    if Path::new(AUTOGROUP).exists() {
        fs::write(AUTOGROUP, PRIORITY.to_string()).expect("raise the session's priority");
    }
}
