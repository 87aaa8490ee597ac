//! Control groups of both versions: who is in them at the start, who comes later, and who does not.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use analysis::report;
use profiler::collect::targets::groups::{self, Group, Hierarchy};

use crate::{
    actor::Actor,
    recorded::{Recorded, read, record_others, wait_for_capture},
};

const PROFILER: &str = env!("CARGO_BIN_EXE_profiler");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    One,
    Two,
}

#[test]
fn members_and_those_who_come_later_in_version_1() {
    check_members(Version::One);
}

#[test]
fn members_and_those_who_come_later_in_version_2() {
    check_members(Version::Two);
}

#[track_caller]
fn check_members(version: Version) {
    let followed = Made::new(version, "followed");
    let beside = Made::new(version, "beside");
    let sink = Sink::new();
    let [member, below, late, deep, leaver, stranger] =
        [1000, 2000, 3000, 4000, 5000, 6000].map(|bytes| sink.actor(bytes));
    let pids = [&member, &below, &late, &deep, &leaver].map(|actor| actor.pid);
    let stranger_pid = stranger.pid;
    followed.take(member.pid);
    followed.take(leaver.pid);
    followed.group("below").take(below.pid);
    let recorded = record_others(|recording| {
        assert_eq!(recording.register_group(&followed.as_group()).unwrap(), 3, "members at the start");
        followed.take(late.pid);
        followed.group("made/later").take(deep.pid);
        beside.take(leaver.pid);
        beside.take(stranger.pid);
        assert_eq!(recording.register_group(&followed.as_group()).unwrap(), 0, "all are known");
        for actor in [member, below, late, deep, leaver, stranger] {
            actor.act();
        }
    });
    for (pid, bytes) in pids.into_iter().zip([1000, 2000, 3000, 4000, 5000]) {
        assert_eq!(recorded.with_pid(pid).totals.as_ref().unwrap().tcp_tx_bytes, bytes, "{pid} of {pids:?}");
        assert!(is_parent(&recorded, pid), "the child of {pid} is followed");
    }
    assert!(!is_in(&recorded, stranger_pid) && !is_parent(&recorded, stranger_pid), "the stranger is none");
}

#[test]
fn what_a_process_did_before_it_came_is_not_counted() {
    let followed = Made::new(Version::One, "before");
    let script = r#"$| = 1; open F, "/dev/zero"; sysread F, $x, 1000000; print "ready\n"; <STDIN>;
                    sysread F, $x, 70000;"#;
    let mut reader =
        Perl(perl(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start perl"));
    BufReader::new(reader.0.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    let pid = reader.0.id();
    let recorded = record_others(|recording| {
        recording.register_group(&followed.as_group()).unwrap();
        followed.take(pid);
        // Its accounting is read after it came.
        thread::sleep(Duration::from_millis(300));
        writeln!(reader.0.stdin.take().unwrap()).unwrap();
        reader.0.wait().unwrap();
        thread::sleep(Duration::from_millis(100));
    });
    let read: u64 = recorded.with_pid(pid).io.values().map(|io| io.read_bytes()).sum();
    assert!((70_000..200_000).contains(&read), "{read}");
}

#[test]
fn a_thread_that_is_moved_alone_takes_its_process_along() {
    for moved_is_leader in [false, true] {
        let followed = Made::new(Version::One, "thread");
        let threads = two_threads();
        let tids = threads.tids();
        let recorded = record_others(|recording| {
            recording.register_group(&followed.as_group()).unwrap();
            let moved = tids.iter().find(|&&tid| (tid == threads.0.id()) == moved_is_leader).unwrap();
            fs::write(followed.folder.join("tasks"), moved.to_string()).unwrap();
            thread::sleep(Duration::from_millis(100));
        });
        assert_eq!(recorded.with_pid(threads.0.id()).threads.len(), 2, "leader: {moved_is_leader}");
        assert!(tids.iter().all(|&tid| tid == threads.0.id() || !is_in(&recorded, tid)), "no thread is one");
    }
}

#[test]
fn a_threaded_group_has_the_processes_of_its_threads() {
    let domain = Made::new(Version::Two, "domain");
    let threaded = domain.group("threaded");
    let [early, late] = [two_threads(), two_threads()];
    for process in [&early, &late] {
        domain.take(process.0.id());
    }
    fs::write(threaded.folder.join("cgroup.type"), "threaded").unwrap();
    let move_one = |process: &Perl| {
        let tid = *process.tids().iter().find(|&&tid| tid != process.0.id()).unwrap();
        fs::write(threaded.folder.join("cgroup.threads"), tid.to_string()).unwrap();
    };
    move_one(&early);
    let recorded = record_others(|recording| {
        assert_eq!(recording.register_group(&threaded.as_group()).unwrap(), 1);
        move_one(&late);
        thread::sleep(Duration::from_millis(100));
    });
    assert!(is_in(&recorded, early.0.id()), "its thread was there");
    assert!(is_in(&recorded, late.0.id()), "its thread came");
}

#[test]
fn a_process_that_begins_in_the_group_is_followed() {
    let followed = Made::new(Version::Two, "begins");
    let beside = Made::new(Version::Two, "begins-beside");
    let mut pids = [0, 0];
    let recorded = record_others(|recording| {
        recording.register_group(&followed.as_group()).unwrap();
        pids = [&followed, &beside].map(|group| clone_into(&group.folder));
        for pid in pids {
            // SAFETY: a child that nobody else waits for.
            unsafe { libc::waitpid(pid as i32, std::ptr::null_mut(), 0) };
        }
    });
    assert_eq!(pids.map(|pid| is_in(&recorded, pid)), [true, false]);
}

#[test]
fn a_group_that_is_made_again_is_found_again() {
    let name = format!("profiler-test-again-{}", std::process::id());
    let first = Made::new(Version::One, "again");
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let path = folder.path().join("again.capture");
    let mut profiler = Command::new(PROFILER)
        .args(["record", "--duration", "60s", "-o"])
        .arg(&path)
        .arg("--cgroup")
        // Its path inside the hierarchy; only one has it.
        .arg(Path::new("/").join(&name))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Empty at first: it waits, as for a command by name.
    let sink = Sink::new();
    let bytes = [5_000_000, 2000, 3000];
    let [one, two, three] = bytes.map(|bytes| sink.actor(bytes));
    let pids = [one.pid, two.pid, three.pid];
    wait_for_capture(&path, |_| true);
    thread::sleep(Duration::from_secs(1));
    assert!(profiler.try_wait().unwrap().is_none(), "it waits for the first member");
    first.take(one.pid);
    one.act();
    drop(first);
    let second = Made::new(Version::One, "again");
    // In it when it is found, or soon after.
    second.take(two.pid);
    thread::sleep(Duration::from_millis(500));
    second.take(three.pid);
    two.act();
    three.act();
    // SAFETY: a child that was not waited for.
    unsafe { libc::kill(profiler.id() as i32, libc::SIGINT) };
    assert!(profiler.wait().unwrap().success());
    let recorded = Recorded { timeline: read(&path) };
    assert_eq!(recorded.timeline.start.targets, format!("control group /{name}"));
    let sent = pids.map(|pid| recorded.with_pid(pid).totals.as_ref().unwrap().tcp_tx_bytes);
    assert_eq!(sent, bytes.map(|bytes| bytes as u64));
    // The first one's bytes passed before the second one was found.
    let trust = report::build(&recorded.timeline).trust;
    assert!(trust.cross_checks.iter().any(|row| row.what == "payload sent"), "{trust:#?}");
    assert!(trust.reasons.iter().all(|reason| !reason.contains("no interface carried")), "{trust:#?}");
}

#[test]
fn a_hierarchy_that_is_mounted_again_is_the_same() {
    let made = Made::new(Version::Two, "mounted");
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let again = Mounted::new(&folder.path().join("of groups"));
    let mounts = groups::mounted().unwrap();
    let path = again.0.join(made.folder.file_name().unwrap());
    let found = groups::named(&path, &mounts).unwrap();
    let [group] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&group.folder, group.key().unwrap()), (&path, made.as_group().key().unwrap()));
    // Once, in whatever mount.
    let inside = Path::new("/").join(made.folder.file_name().unwrap());
    assert_eq!(groups::named(&inside, &mounts).unwrap().len(), 1);
}

/// Version 2, mounted again.
struct Mounted(PathBuf);

impl Mounted {
    fn new(on: &Path) -> Self {
        fs::create_dir(on).unwrap();
        let status = Command::new("mount").args(["-t", "cgroup2", "none"]).arg(on).status().unwrap();
        assert!(status.success());
        Self(on.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_group_that_is_none_is_named_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, parts) in [
        (["--cgroup", "/no/such/group"], ["no control group /no/such/group", "/proc/PID/cgroup"]),
        (["--unit", "no-such-unit"], ["no-such-unit.service", "--cgroup"]),
    ] {
        let output =
            Command::new(PROFILER).arg("record").args(arguments).current_dir(folder.path()).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && parts.iter().all(|part| message.contains(part)), "{message}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
}

#[test]
fn everything_that_a_failing_test_made_is_removed() {
    let failed = thread::spawn(|| {
        let made = Made::new(Version::One, "fails");
        let sleeper = two_threads();
        made.group("a/b").take(sleeper.0.id());
        let folder = made.folder.clone();
        assert!(folder.exists());
        // Silent: not the panic that a reader should look at.
        std::panic::resume_unwind(Box::new(folder));
    })
    .join();
    let folder = failed.expect_err("it fails").downcast::<PathBuf>().expect("on purpose");
    assert!(!folder.exists(), "{} is left", folder.display());
}

fn is_in(recorded: &Recorded, pid: u32) -> bool {
    let mut processes = recorded.timeline.processes.values().filter_map(|process| process.totals.as_ref());
    processes.any(|totals| totals.pid == pid)
}

fn is_parent(recorded: &Recorded, pid: u32) -> bool {
    let mut processes = recorded.timeline.processes.values().filter_map(|process| process.totals.as_ref());
    processes.any(|totals| totals.parent_pid == pid)
}

fn hierarchy(version: Version) -> Hierarchy {
    let mut mounted = groups::mounted().unwrap().into_iter();
    let found = mounted.find(|hierarchy| (hierarchy.id == 0) == (version == Version::Two));
    found.unwrap_or_else(|| panic!("control groups of version {version:?} are not mounted on this host"))
}

/// A control group with everything below it. Dropping it moves its processes out and removes it.
pub struct Made {
    folder: PathBuf,
    hierarchy: Hierarchy,
    /// What is below another one is removed with it.
    is_top: bool,
}

impl Made {
    pub fn new(version: Version, name: &str) -> Self {
        let hierarchy = hierarchy(version);
        let folder = hierarchy.mounted_on.join(format!("profiler-test-{name}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        Self { folder, hierarchy, is_top: true }
    }

    fn group(&self, path: &str) -> Self {
        let folder = self.folder.join(path);
        fs::create_dir_all(&folder).unwrap();
        Self { folder, hierarchy: self.hierarchy.clone(), is_top: false }
    }

    pub fn take(&self, pid: u32) {
        fs::write(self.folder.join("cgroup.procs"), pid.to_string()).unwrap();
    }

    pub fn as_group(&self) -> Group {
        groups::named(&self.folder, &groups::mounted().unwrap()).unwrap().remove(0)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if self.is_top {
            remove(&self.folder, &self.hierarchy.mounted_on);
        }
    }
}

fn remove(group: &Path, root: &Path) {
    for below in fs::read_dir(group).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
        remove(&below.path(), root);
    }
    // A process that was waited for leaves its group a little later.
    for _ in 0..100 {
        for file in ["cgroup.procs", "cgroup.threads"] {
            let processes = fs::read_to_string(group.join(file)).unwrap_or_default();
            for pid in processes.lines() {
                let _ = fs::write(root.join("cgroup.procs"), pid);
            }
        }
        if fs::remove_dir(group).is_ok() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    eprintln!("{} is still in use and not removed", group.display());
}

/// Takes what actors send.
struct Sink(SocketAddr);

impl Sink {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                let _ = connection.read_to_end(&mut Vec::new());
            }
        });
        Self(address)
    }

    /// A process that sends so much, and has a child.
    fn actor(&self, bytes: usize) -> Actor {
        let address = self.0;
        Actor::new(move || {
            TcpStream::connect(address).unwrap().write_all(&vec![7; bytes]).unwrap();
            Command::new("true").status().unwrap();
        })
    }
}

/// A process that is ended with the test.
struct Perl(Child);

impl Drop for Perl {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Perl {
    fn tids(&self) -> Vec<u32> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap().flatten();
        tasks.map(|task| task.file_name().to_str().unwrap().parse().unwrap()).collect()
    }
}

fn perl(script: &str) -> Command {
    let mut command = Command::new("perl");
    command.args(["-e", script]);
    command
}

fn two_threads() -> Perl {
    let script =
        "use threads; threads->create(sub { while (1) { select undef, undef, undef, 0.01 } })->detach;
                  while (1) { select undef, undef, undef, 0.01 }";
    let process = Perl(perl(script).spawn().expect("start perl"));
    for _ in 0..500 {
        if process.tids().len() == 2 {
            return process;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("perl has not made its thread in 5 s");
}

/// A child that begins in this group of version 2, and ends after a moment.
fn clone_into(group: &Path) -> u32 {
    /// libc's constant is too narrow for it.
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let folder = fs::File::open(group).unwrap();
    // SAFETY: all zeros are valid.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = CLONE_INTO_CGROUP;
    arguments.exit_signal = libc::SIGCHLD as u64;
    arguments.cgroup = folder.as_raw_fd() as u64;
    // SAFETY: as `fork`; the child makes system calls only.
    match unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>()) } {
        -1 => panic!("clone3: {}", std::io::Error::last_os_error()),
        // SAFETY: system calls with plain numbers.
        0 => unsafe {
            libc::usleep(200_000);
            libc::_exit(0)
        },
        pid => pid as u32,
    }
}
