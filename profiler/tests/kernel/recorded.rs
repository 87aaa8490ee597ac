//! Records this test process while it does something, and gives what the capture says.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use analysis::timeline::{Process, ThreadTime, Timeline};
use profiler::{
    clock::now_ns,
    collect::{
        probes::Settings,
        recording::{self, Recording, Subject},
    },
};

/// One recording at a time: the process is the target of each.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What a recording of this process says.
pub struct Recorded {
    pub timeline: Timeline,
}

impl Recorded {
    /// This process.
    pub fn own(&self) -> &Process {
        self.with_pid(std::process::id())
    }

    pub fn with_pid(&self, pid: u32) -> &Process {
        let is_it = |process: &&Process| process.totals.as_ref().is_some_and(|totals| totals.pid == pid);
        self.timeline.processes.values().find(is_it).expect("the process is in the capture")
    }
}

/// Records while `work` runs, with the default settings.
pub fn record(work: impl FnOnce()) -> Recorded {
    record_with(&Settings::default(), |_| work())
}

/// The same, with other settings.
pub fn record_with(settings: &Settings, work: impl FnOnce(&Recording)) -> Recorded {
    record_others_with(settings, |recording| {
        recording.register(std::process::id()).expect("register this process");
        work(recording);
    })
}

/// Records only processes that `work` registers.
pub fn record_others(work: impl FnOnce(&Recording)) -> Recorded {
    record_others_with(&Settings::default(), work)
}

/// Records this process into a capture that stays.
pub fn record_to(path: &Path, work: impl FnOnce()) {
    record_into(path, &Settings::default(), |recording| {
        recording.register(std::process::id()).expect("register this process");
        work();
    });
}

/// The same, with other settings.
pub fn record_others_with(settings: &Settings, work: impl FnOnce(&Recording)) -> Recorded {
    // On a disk: /tmp may be memory, which has no direct I/O.
    let folder = tempfile::tempdir_in("/var/tmp").expect("make a folder");
    let path = folder.path().join("run.capture");
    record_into(&path, settings, work);
    Recorded { timeline: read(&path) }
}

fn record_into(path: &Path, settings: &Settings, work: impl FnOnce(&Recording)) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let recording = recording::start(path, settings, &Subject::default()).expect("record, which needs root");
    work(&recording);
    recording
        .detach()
        .and_then(|detached| detached.complete("the test is over"))
        .expect("complete the capture");
}

pub fn read(path: &Path) -> Timeline {
    let mut capture = capture::read(path).expect("open the capture");
    Timeline::from_capture(&mut capture).expect("read the capture")
}

/// Waits until another profiler's capture has this process.
#[track_caller]
pub fn wait_until_followed(path: &Path) {
    wait_for_capture(path, has_this_process);
}

/// Whether another profiler's capture can be read, and has this process.
pub fn is_followed(path: &Path) -> bool {
    let timeline = capture::read(path).and_then(|mut capture| Timeline::from_capture(&mut capture));
    timeline.is_ok_and(|timeline| has_this_process(&timeline))
}

fn has_this_process(timeline: &Timeline) -> bool {
    let mut processes = timeline.processes.values().filter_map(|process| process.totals.as_ref());
    processes.any(|totals| totals.pid == std::process::id())
}

/// Waits until another profiler's capture can be read, and says so.
#[track_caller]
pub fn wait_for_capture(path: &Path, is_so: impl Fn(&Timeline) -> bool) {
    for _ in 0..600 {
        let timeline = capture::read(path).and_then(|mut capture| Timeline::from_capture(&mut capture));
        if timeline.is_ok_and(|timeline| is_so(&timeline)) {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("not in {} after a minute", path.display());
}

/// The time of this process's thread of that name.
#[track_caller]
pub fn find(recorded: &Recorded, name: &str) -> ThreadTime {
    let found = recorded.own().threads.values().find(|thread| thread.comm == name);
    ThreadTime::of(found.expect("the thread is in the capture"), recorded.timeline.whole_until_ns())
}

pub fn named<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    thread::Builder::new().name(name.to_owned()).spawn(work).unwrap()
}

pub fn spin(time: Duration) {
    let until = now_ns() + time.as_nanos() as u64;
    while now_ns() < until {}
}
